//! Whether the import is to be had: not on every plan, and not where something in between stands in its
//! way. Shared by all workers of a database; pure arithmetic on milliseconds.

use super::Verdict;
use crate::policy::{self, IMPORT_FAILED_DELAY, IMPORT_FAILURES};

/// What is known of it.
pub struct Availability {
    /// It is not tried before this.
    until: u64,
    /// How often in a row it was said that there is none.
    refusals: u32,
    /// Requests in a row that failed for another reason.
    failures: u32,
}

impl Default for Availability {
    fn default() -> Self {
        Availability::new()
    }
}

impl Availability {
    /// There is one, for all that is known.
    pub const fn new() -> Self {
        Availability { until: 0, refusals: 0, failures: 0 }
    }

    /// Whether it is not to be tried now.
    pub fn rests(&self, now: u64) -> bool {
        // Where the clock was set back, no wait is longer than it ever was.
        now < self.until && self.until - now <= milliseconds(policy::import_retry(u32::MAX))
    }

    /// How an import ended. `true`: from now on users are sent singly, and were not until now.
    pub fn note(&mut self, verdict: Verdict, now: u64) -> bool {
        match verdict {
            Verdict::Worked => *self = Availability::new(),
            Verdict::NotOffered => {
                self.until = now + milliseconds(policy::import_retry(self.refusals));
                self.refusals = self.refusals.saturating_add(1);
                return self.refusals == 1;
            }
            Verdict::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= IMPORT_FAILURES {
                    self.until = now + milliseconds(IMPORT_FAILED_DELAY);
                    return self.failures == IMPORT_FAILURES;
                }
            }
            Verdict::Nothing => {}
        }
        false
    }

    /// An operator has changed something: it is tried again.
    pub fn try_again(&mut self) {
        self.until = 0;
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn what_the_plan_does_not_have_is_asked_for_ever_more_rarely() {
        let (mut import, mut now) = (Availability::new(), HOUR);
        assert!(!import.rests(now));
        for (n, hours) in [1, 2, 4, 8, 16, 24, 24].into_iter().enumerate() {
            assert_eq!(import.note(Verdict::NotOffered, now), n == 0, "said once");
            assert!(import.rests(now) && import.rests(now + hours * HOUR - 1), "{n}");
            now += hours * HOUR;
            assert!(!import.rests(now), "{n}");
        }
        import.note(Verdict::Worked, now);
        assert!(import.note(Verdict::NotOffered, now), "said again");
        assert!(!import.rests(now + HOUR));
    }

    #[test]
    fn one_failure_is_none_and_three_in_a_row_are() {
        let mut import = Availability::new();
        for verdict in [Verdict::Failed, Verdict::Failed, Verdict::Worked, Verdict::Failed] {
            assert!(!import.note(verdict, 0));
        }
        assert!(!import.note(Verdict::Failed, 0) && !import.rests(0));
        assert!(!import.note(Verdict::Nothing, 0));
        assert!(import.note(Verdict::Failed, 0) && import.rests(0));
        let later = milliseconds(IMPORT_FAILED_DELAY);
        assert!(!import.rests(later));
        assert!(!import.note(Verdict::Failed, later) && import.rests(later), "one is enough then");
    }

    #[test]
    fn an_operator_or_a_clock_that_was_set_back_ends_the_wait() {
        let mut import = Availability::new();
        import.note(Verdict::NotOffered, 1000 * HOUR);
        assert!(!import.rests(HOUR));
        assert!(import.rests(1000 * HOUR));
        import.try_again();
        assert!(!import.rests(1000 * HOUR));
    }
}
