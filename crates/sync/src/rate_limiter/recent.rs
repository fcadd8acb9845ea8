//! Requests per second of the last minute.

const BUCKETS: usize = 60;

pub(super) struct Recent {
    buckets: [u32; BUCKETS],
    /// The second of the newest bucket.
    second: u64,
}

impl Recent {
    pub const NONE: Recent = Recent { buckets: [0; BUCKETS], second: 0 };

    /// Whether there were fewer than `limit` in the last minute; else, when there will be.
    pub fn fewer_than(&mut self, limit: u32, now: u64) -> Result<(), u64> {
        self.slide(now);
        let sent: u32 = self.buckets.iter().sum();
        if sent < limit {
            return Ok(());
        }
        // Until the oldest second with requests in it is a minute ago.
        let oldest = (0..BUCKETS as u64)
            .rev()
            .find(|age| self.buckets[self.bucket(self.second.saturating_sub(*age))] > 0)
            .unwrap_or(0);
        Err((self.second.saturating_sub(oldest) + BUCKETS as u64) * 1000)
    }

    pub fn count(&mut self, now: u64) {
        self.slide(now);
        let bucket = self.bucket(self.second);
        self.buckets[bucket] += 1;
    }

    fn slide(&mut self, now: u64) {
        let second = now / 1000;
        let gone = second.saturating_sub(self.second).min(BUCKETS as u64);
        for age in 0..gone {
            let bucket = self.bucket(second - age);
            self.buckets[bucket] = 0;
        }
        self.second = self.second.max(second);
    }

    fn bucket(&self, second: u64) -> usize {
        (second % BUCKETS as u64) as usize
    }
}
