//! How much happened in each second of the last minute.

/// Seconds in it.
pub const SECONDS: u32 = 60;

/// A count for each second.
#[derive(Clone, Copy, Debug)]
pub struct LastMinute {
    buckets: [u32; SECONDS as usize],
    /// The second of the newest bucket.
    second: u64,
}

impl LastMinute {
    pub const NONE: LastMinute = LastMinute { buckets: [0; SECONDS as usize], second: 0 };

    /// One more, at this moment in Unix milliseconds.
    pub fn count(&mut self, now_ms: u64) {
        self.slide(now_ms);
        let bucket = self.bucket(self.second);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
    }

    /// How many there were in the last so many seconds, a minute at the most.
    pub fn within(&mut self, seconds: u32, now_ms: u64) -> u64 {
        self.slide(now_ms);
        self.ages(seconds).map(|(_, counted)| u64::from(counted)).sum()
    }

    /// The oldest of these seconds in which there was one; the newest where there was none.
    pub fn oldest_within(&self, seconds: u32) -> u64 {
        let oldest = self.ages(seconds).find(|(_, counted)| *counted > 0);
        oldest.map_or(self.second, |(second, _)| second)
    }

    /// The newest second that was seen.
    pub fn second(&self) -> u64 {
        self.second
    }

    /// The last so many seconds, the oldest first, and how many there were in each.
    fn ages(&self, seconds: u32) -> impl Iterator<Item = (u64, u32)> + '_ {
        (0..u64::from(seconds)).rev().map(|age| {
            let second = self.second.saturating_sub(age);
            (second, self.buckets[self.bucket(second)])
        })
    }

    /// A clock that was set back counts on in the newest second.
    fn slide(&mut self, now_ms: u64) {
        let second = now_ms / 1000;
        let gone = second.saturating_sub(self.second).min(u64::from(SECONDS));
        for age in 0..gone {
            let bucket = self.bucket(second - age);
            self.buckets[bucket] = 0;
        }
        self.second = self.second.max(second);
    }

    fn bucket(&self, second: u64) -> usize {
        (second % u64::from(SECONDS)) as usize
    }
}
