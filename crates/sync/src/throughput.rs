//! How many users a minute are being synced, as measured: for an honest estimate of when all are.

use crate::last_minute::{LastMinute, SECONDS};

/// Of the last minute.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    recent: LastMinute,
    /// The second in which counting began after a minute in which nothing moved.
    since: u64,
}

impl Throughput {
    pub const NONE: Throughput = Throughput { recent: LastMinute::NONE, since: 0 };

    /// One more, at this moment in Unix milliseconds.
    pub fn count(&mut self, now_ms: u64) {
        if self.in_the_last_minute(now_ms) == 0 {
            self.since = self.recent.second();
        }
        self.recent.count(now_ms);
    }

    /// Per minute; `None` while nothing moves. After less than a minute, from as much as there is.
    pub fn per_minute(&mut self, now_ms: u64) -> Option<f64> {
        let counted = self.in_the_last_minute(now_ms);
        let newest = self.recent.second();
        let seconds = (newest - self.since.min(newest) + 1).min(u64::from(SECONDS));
        (counted > 0).then(|| counted as f64 * 60.0 / seconds as f64)
    }

    fn in_the_last_minute(&mut self, now_ms: u64) -> u64 {
        // Where the clock was set back by more than that, it starts anew.
        if now_ms / 1000 + u64::from(SECONDS) < self.recent.second() {
            *self = Throughput { since: now_ms / 1000, ..Throughput::NONE };
        }
        self.recent.within(SECONDS, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn nothing_moves_is_no_rate() {
        let mut throughput = Throughput::NONE;
        assert_eq!(throughput.per_minute(NOW), None);
        throughput.count(NOW);
        assert_eq!(throughput.per_minute(NOW + 59_000), Some(1.0));
        assert_eq!(throughput.per_minute(NOW + 61_000), None, "a minute later it does not move");
    }

    #[test]
    fn the_first_seconds_are_extrapolated_and_a_minute_counts_as_it_was() {
        let mut throughput = Throughput::NONE;
        for second in 0..90 {
            for _ in 0..10 {
                throughput.count(NOW + second * 1000);
            }
            assert_eq!(throughput.per_minute(NOW + second * 1000), Some(600.0), "{second}");
        }
    }

    #[test]
    fn after_a_pause_it_is_measured_anew_and_a_clock_that_was_set_back_stops_nothing() {
        let mut throughput = Throughput::NONE;
        throughput.count(NOW);
        throughput.count(NOW + 300_000);
        assert_eq!(throughput.per_minute(NOW + 300_000), Some(60.0));
        throughput.count(NOW);
        assert_eq!(throughput.per_minute(NOW), Some(60.0));
    }
}
