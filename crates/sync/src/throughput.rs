//! How many users a minute are being synced, as measured: for an honest estimate of when all are.

const SECONDS: usize = 60;

/// Of the last minute.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    buckets: [u32; SECONDS],
    /// The second of the newest bucket.
    second: u64,
    /// When counting began after a minute in which nothing moved.
    since: u64,
}

impl Throughput {
    pub const NONE: Throughput = Throughput { buckets: [0; SECONDS], second: 0, since: 0 };

    /// One more, at this moment in Unix milliseconds.
    pub fn count(&mut self, now_ms: u64) {
        self.slide(now_ms / 1000);
        if self.in_the_last_minute() == 0 {
            self.since = self.second;
        }
        let bucket = self.bucket(self.second);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
    }

    /// Per minute; `None` while nothing moves. After less than a minute, from as much as there is.
    pub fn per_minute(&mut self, now_ms: u64) -> Option<f64> {
        self.slide(now_ms / 1000);
        let counted = self.in_the_last_minute();
        let seconds = (self.second - self.since.min(self.second) + 1).min(SECONDS as u64);
        (counted > 0).then(|| counted as f64 * 60.0 / seconds as f64)
    }

    fn in_the_last_minute(&self) -> u64 {
        self.buckets.iter().map(|n| u64::from(*n)).sum()
    }

    fn slide(&mut self, second: u64) {
        // A clock that was set back counts on in the newest bucket; by more, it starts anew.
        if second + (SECONDS as u64) < self.second {
            *self = Throughput { second, since: second, ..Throughput::NONE };
        }
        let gone = second.saturating_sub(self.second).min(SECONDS as u64);
        for age in 0..gone {
            let bucket = self.bucket(second - age);
            self.buckets[bucket] = 0;
        }
        self.second = self.second.max(second);
    }

    fn bucket(&self, second: u64) -> usize {
        (second % SECONDS as u64) as usize
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
