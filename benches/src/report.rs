//! Figures, what they should be, and whether they are.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use scenarios::blocked_session::Times;
use serde::{Deserialize, Serialize};

use crate::pairs::{with_spread, Pairs};
use crate::results;

/// What a median may exceed the idle one by.
const MEDIAN: Duration = Duration::from_millis(10);

/// What the worst may exceed the idle worst by.
const WORST: Duration = Duration::from_millis(100);

/// One line of the results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    section: String,
    rows: Vec<Row>,
}

impl Report {
    pub fn new() -> Report {
        Report { started: Instant::now(), section: String::new(), rows: Vec::new() }
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
        let ratio = ours.first_quartile().as_secs_f64() / theirs.first_quartile().as_secs_f64();
        self.multiple(what, ours, theirs, ratio, Some(at_most));
    }

    /// The same with the medians.
    pub fn median_ratio(&mut self, what: &str, ours: &Times, theirs: &Times, at_most: f64) {
        let ratio = ours.median().as_secs_f64() / theirs.median().as_secs_f64();
        self.multiple(what, ours, theirs, ratio, Some(at_most));
    }

    /// The same with pairs: the median of their ratios.
    pub fn paired(&mut self, what: &str, pairs: &Pairs, at_most: f64) {
        let (ours, theirs) = pairs.sides();
        self.multiple(what, &ours, &theirs, pairs.ratio(), Some(at_most));
    }

    /// The same without a goal.
    pub fn beside(&mut self, what: &str, pairs: &Pairs) {
        let (ours, theirs) = pairs.sides();
        self.multiple(what, &ours, &theirs, pairs.ratio(), None);
    }

    fn multiple(
        &mut self,
        what: &str,
        ours: &Times,
        theirs: &Times,
        ratio: f64,
        most: Option<f64>,
    ) {
        let ok = most.map(|most| ratio <= most);
        let goal = most.map(|most| format!("at most {most}")).unwrap_or_default();
        println!(
            "{what:<44} {:>10.2?} beside {:>10.2?}: {ratio:.2} ({}) {}",
            ours.median(),
            theirs.median(),
            if goal.is_empty() { "no goal" } else { &goal },
            verdict(ok)
        );
        self.row(Row {
            what: what.to_owned(),
            figure: with_spread(ours),
            peer: with_spread(theirs),
            ratio: Some(ratio),
            at_most: most,
            goal,
            ok,
            ..Row::default()
        });
    }

    /// What was not measured in this run, why, and what is known of it from elsewhere.
    pub fn elsewhere(&mut self, what: &str, why: &str, figures: &str) {
        println!("{what:<44} {why}; {figures}");
        let (figure, peer) = (why.to_owned(), figures.to_owned());
        self.row(Row { what: what.to_owned(), figure, peer, ..Row::default() });
    }

    /// What one of `n` takes longer; there is no target.
    pub fn difference(&mut self, what: &str, pairs: &Pairs, n: u32) {
        let (ours, theirs) = pairs.sides();
        let (each, beside) = (ours.median() / n, theirs.median() / n);
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
        let verdict = verdict(Some(median < below));
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
        let verdict = verdict(Some(figure <= most));
        self.figure(what, figure, format!("at most {}", short(most)), figure <= most);
        println!("{what:<44} {:>10} (at most {}) {verdict}", short(figure), short(most));
    }

    pub fn at_least(&mut self, what: &str, figure: f64, least: f64) {
        let verdict = verdict(Some(figure >= least));
        self.figure(what, figure, format!("at least {}", short(least)), figure >= least);
        println!("{what:<44} {:>10} (at least {}) {verdict}", short(figure), short(least));
    }

    /// An operation beside the same one on an idle session.
    pub fn beyond_idle(&mut self, what: &str, place: &str, busy: &Times, idle: &Times) {
        let median = busy.median().saturating_sub(idle.median());
        let worst = busy.worst().saturating_sub(idle.worst());
        let verdict = verdict(Some(median <= MEDIAN && worst <= WORST));
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

    fn figure(&mut self, what: &str, figure: f64, goal: String, ok: bool) {
        let (what, figure) = (what.to_owned(), short(figure));
        self.row(Row { what, figure, goal, ok: Some(ok), ..Row::default() });
    }

    fn row(&mut self, row: Row) {
        self.rows.push(Row { section: self.section.clone(), ..row });
    }

    /// Leaves the rows to the run that this one is a part of.
    pub fn hand_over(&self, file: &Path) {
        let rows = serde_json::to_vec(&self.rows).expect("rows are JSON");
        std::fs::write(file, rows).expect("write the rows");
    }

    /// Takes the rows of a run that was a part of this one.
    pub fn take_rows(&mut self, file: &Path) -> std::io::Result<()> {
        let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(file)?)?;
        self.rows.extend(rows);
        Ok(())
    }

    /// Writes what was measured, where `scale` says of how much, and ends.
    pub fn finish(self, scale: Option<&str>) -> ExitCode {
        let seconds = self.started.elapsed().as_secs();
        if let Some(scale) = scale {
            if let Err(e) = results::write(&self.rows, scale, seconds) {
                eprintln!("benches/RESULTS.md was not written: {e}");
            }
        }
        let missed = self.rows.iter().filter(|row| row.ok == Some(false)).count();
        println!("\n{missed} targets missed, in {seconds} s");
        ExitCode::from(u8::from(missed > 0))
    }
}

fn verdict(ok: Option<bool>) -> &'static str {
    match ok {
        Some(true) => "ok",
        Some(false) => "MISSED",
        None => "",
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
