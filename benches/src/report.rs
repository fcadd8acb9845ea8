//! Figures, what they should be, and whether they are.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use scenarios::blocked_session::Times;

use crate::results;

/// What a median may exceed the idle one by.
const MEDIAN: Duration = Duration::from_millis(10);

/// What the worst may exceed the idle worst by.
const WORST: Duration = Duration::from_millis(100);

/// The same thing done in two ways, in turns.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    pub fn push(&mut self, ours: Duration, theirs: Duration) {
        self.0.push((ours, theirs));
    }

    /// The median of both.
    fn medians(&self) -> (Duration, Duration) {
        let (mut ours, mut theirs): (Vec<_>, Vec<_>) = self.0.iter().copied().unzip();
        ours.sort();
        theirs.sort();
        (ours[ours.len() / 2], theirs[theirs.len() / 2])
    }

    /// The median of the ratios: what disturbs the machine for a while disturbs both of a pair.
    fn ratio(&self) -> f64 {
        let ratios = self.0.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64());
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}

/// One line of the results.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub section: String,
    pub what: String,
    pub figure: String,
    /// What it is compared with.
    pub peer: String,
    pub ratio: Option<f64>,
    pub at_most: Option<f64>,
    pub goal: String,
    /// Whether the goal is met, if there is one.
    pub ok: Option<bool>,
}

/// Collects the verdicts.
#[derive(Debug)]
pub struct Report {
    started: Instant,
    missed: usize,
    section: String,
    rows: Vec<Row>,
}

impl Report {
    pub fn new() -> Report {
        Report { started: Instant::now(), missed: 0, section: String::new(), rows: Vec::new() }
    }

    /// What comes now, and how long it took to get here.
    pub fn heading(&mut self, text: &str) {
        println!("\n{text}  [{} s]", self.started.elapsed().as_secs());
        self.section = text.to_owned();
    }

    /// What helps to understand the figure above; not judged.
    pub fn note(&mut self, text: &str) {
        println!("  {text}");
    }

    /// One quantity as a multiple of another: of each the first quartile, which is what it takes
    /// when nothing else is going on.
    pub fn ratio(&mut self, what: &str, ours: &Times, theirs: &Times, at_most: f64) {
        let (ours, theirs) = (ours.first_quartile(), theirs.first_quartile());
        self.multiple(what, ours, theirs, ours.as_secs_f64() / theirs.as_secs_f64(), at_most);
    }

    /// The same with the medians.
    pub fn median_ratio(&mut self, what: &str, ours: &Times, theirs: &Times, at_most: f64) {
        let (ours, theirs) = (ours.median(), theirs.median());
        self.multiple(what, ours, theirs, ours.as_secs_f64() / theirs.as_secs_f64(), at_most);
    }

    /// The same with pairs: the median of their ratios.
    pub fn paired(&mut self, what: &str, pairs: &Pairs, at_most: f64) {
        let (ours, theirs) = pairs.medians();
        self.multiple(what, ours, theirs, pairs.ratio(), at_most);
    }

    fn multiple(&mut self, what: &str, ours: Duration, theirs: Duration, ratio: f64, most: f64) {
        let verdict = self.verdict(ratio <= most);
        self.row(Row {
            what: what.to_owned(),
            figure: format!("{ours:.2?}"),
            peer: format!("{theirs:.2?}"),
            ratio: Some(ratio),
            at_most: Some(most),
            goal: format!("at most {most}"),
            ok: Some(ratio <= most),
            ..Row::default()
        });
        println!(
            "{what:<44} {ours:>10.2?} beside {theirs:>10.2?}: {ratio:.2} (at most {most}) {verdict}"
        );
    }

    /// What one of `n` takes longer; there is no target.
    pub fn difference(&mut self, what: &str, pairs: &Pairs, n: u32) {
        let (ours, theirs) = pairs.medians();
        let (each, beside) = (ours / n, theirs / n);
        let more = each.saturating_sub(beside);
        self.row(Row {
            what: what.to_owned(),
            figure: format!("{each:.2?}"),
            peer: format!("{beside:.2?}"),
            ..Row::default()
        });
        println!("{what:<44} {each:>10.2?} beside {beside:>10.2?}: {more:.2?} more");
    }

    /// A median that has to stay below a time.
    pub fn median_below(&mut self, what: &str, times: &Times, below: Duration) {
        let (median, worst) = (times.median(), times.worst());
        let verdict = self.verdict(median < below);
        self.row(Row {
            what: what.to_owned(),
            figure: format!("{median:.2?}, worst {worst:.2?}"),
            goal: format!("median below {below:?}"),
            ok: Some(median < below),
            ..Row::default()
        });
        println!(
            "{what:<44} median {median:>9.2?}  worst {worst:>9.2?} (median < {below:?}) {verdict}"
        );
    }

    pub fn at_most(&mut self, what: &str, figure: f64, most: f64) {
        let verdict = self.verdict(figure <= most);
        self.figure(what, figure, format!("at most {}", short(most)), figure <= most);
        println!("{what:<44} {:>10} (at most {}) {verdict}", short(figure), short(most));
    }

    pub fn at_least(&mut self, what: &str, figure: f64, least: f64) {
        let verdict = self.verdict(figure >= least);
        self.figure(what, figure, format!("at least {}", short(least)), figure >= least);
        println!("{what:<44} {:>10} (at least {}) {verdict}", short(figure), short(least));
    }

    /// An operation beside the same one on an idle session.
    pub fn beyond_idle(&mut self, what: &str, place: &str, busy: &Times, idle: &Times) {
        let median = busy.median().saturating_sub(idle.median());
        let worst = busy.worst().saturating_sub(idle.worst());
        let verdict = self.verdict(median <= MEDIAN && worst <= WORST);
        self.row(Row {
            what: format!("{what} {place}"),
            figure: format!("{:.2?}, worst {:.2?}", busy.median(), busy.worst()),
            peer: format!("idle {:.2?}, worst {:.2?}", idle.median(), idle.worst()),
            goal: format!("{MEDIAN:?} more, worst {WORST:?} more"),
            ok: Some(median <= MEDIAN && worst <= WORST),
            ..Row::default()
        });
        println!(
            "{what:<18} {place:<10} median {:>9.2?} (idle {:>9.2?})  worst {:>9.2?} (idle {:>9.2?}) {verdict}",
            busy.median(),
            idle.median(),
            busy.worst(),
            idle.worst(),
        );
    }

    fn verdict(&mut self, good: bool) -> &'static str {
        if good {
            return "ok";
        }
        self.missed += 1;
        "MISSED"
    }

    fn figure(&mut self, what: &str, figure: f64, goal: String, ok: bool) {
        let (what, figure) = (what.to_owned(), short(figure));
        self.row(Row { what, figure, goal, ok: Some(ok), ..Row::default() });
    }

    fn row(&mut self, row: Row) {
        self.rows.push(Row { section: self.section.clone(), ..row });
    }

    /// Writes what was measured, where `scale` says of how much, and ends.
    pub fn finish(self, scale: Option<&str>) -> ExitCode {
        let seconds = self.started.elapsed().as_secs();
        if let Some(scale) = scale {
            if let Err(e) = results::write(&self.rows, scale, seconds) {
                eprintln!("benches/RESULTS.md was not written: {e}");
            }
        }
        println!("\n{} targets missed, in {seconds} s", self.missed);
        ExitCode::from(u8::from(self.missed > 0))
    }
}

/// Whole numbers as such, others with one decimal.
fn short(figure: f64) -> String {
    if figure.fract() == 0.0 || figure.abs() >= 1000.0 {
        format!("{figure:.0}")
    } else {
        format!("{figure:.1}")
    }
}
