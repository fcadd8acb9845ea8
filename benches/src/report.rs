//! Figures, what they should be, and whether they are.

use std::process::ExitCode;
use std::time::Duration;

use scenarios::busy::Times;

/// What a median may exceed the idle one by.
const MEDIAN: Duration = Duration::from_millis(10);

/// What the worst may exceed the idle worst by.
const WORST: Duration = Duration::from_millis(100);

/// Collects the verdicts.
#[derive(Debug, Default)]
pub struct Report {
    missed: usize,
}

impl Report {
    pub fn heading(&mut self, text: &str) {
        println!("\n{text}");
    }

    /// One quantity as a multiple of another: of each the first quartile, which is what it takes
    /// when nothing else is going on.
    pub fn ratio(&mut self, what: &str, ours: &Times, theirs: &Times, at_most: f64) {
        let (ours, theirs) = (ours.first_quartile(), theirs.first_quartile());
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let verdict = self.verdict(ratio <= at_most);
        println!(
            "{what:<44} {ours:>10.2?} beside {theirs:>10.2?}: {ratio:.2} (at most {at_most}) {verdict}"
        );
    }

    /// An operation beside the same one on an idle session.
    pub fn beyond_idle(&mut self, what: &str, place: &str, busy: &Times, idle: &Times) {
        let median = busy.median().saturating_sub(idle.median());
        let worst = busy.worst().saturating_sub(idle.worst());
        let verdict = self.verdict(median <= MEDIAN && worst <= WORST);
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

    pub fn finish(self) -> ExitCode {
        println!("\n{} targets missed", self.missed);
        ExitCode::from(u8::from(self.missed > 0))
    }
}
