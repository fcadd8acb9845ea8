//! Requests per second of the last minute.

use super::priority::{Priority, BACKLOG_SPREAD_SECONDS};

const BUCKETS: usize = 60;
const MINUTE: u32 = BUCKETS as u32;

pub(super) struct Recent {
    buckets: [u32; BUCKETS],
    /// The second of the newest bucket.
    second: u64,
}

impl Recent {
    pub const NONE: Recent = Recent { buckets: [0; BUCKETS], second: 0 };

    /// How many may be sent before there were `limit` in the last minute; if none, when one may.
    pub fn room(&mut self, limit: u32, priority: Priority, now: u64) -> Result<u32, u64> {
        let room =
            self.room_within(part(limit, 100 - priority.reserve_percent(), 100), MINUTE, now)?;
        if priority != Priority::Backlog {
            return Ok(room);
        }
        let spread = part(limit, BACKLOG_SPREAD_SECONDS, MINUTE);
        Ok(room.min(self.room_within(spread, BACKLOG_SPREAD_SECONDS, now)?))
    }

    fn room_within(&mut self, limit: u32, seconds: u32, now: u64) -> Result<u32, u64> {
        self.slide(now);
        let ages = || (0..u64::from(seconds)).rev();
        let bucket = |age: u64| self.buckets[self.bucket(self.second.saturating_sub(age))];
        let sent: u32 = ages().map(bucket).sum();
        if sent < limit {
            return Ok(limit - sent);
        }
        // Until the oldest second with requests in it is over for so long.
        let oldest = ages().find(|age| bucket(*age) > 0).unwrap_or(0);
        Err((self.second.saturating_sub(oldest) + u64::from(seconds)) * 1000)
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

/// So many parts of `whole`, rounded up: of the smallest limit something is left.
fn part(whole: u32, parts: u32, of: u32) -> u32 {
    let part = (u64::from(whole) * u64::from(parts)).div_ceil(u64::from(of));
    u32::try_from(part).unwrap_or(whole)
}
