//! Requests of the last minute, and how many more a limit leaves.

use super::priority::{Priority, BACKLOG_SPREAD_SECONDS};
use crate::last_minute::{LastMinute, SECONDS};

pub(super) struct Recent(LastMinute);

impl Recent {
    pub const NONE: Recent = Recent(LastMinute::NONE);

    pub fn count(&mut self, now: u64) {
        self.0.count(now);
    }

    /// How many may be sent before there were `limit` in the last minute; if none, when one may.
    pub fn room(&mut self, limit: u32, priority: Priority, now: u64) -> Result<u32, u64> {
        let most = part(limit, 100 - priority.reserve_percent(), 100);
        let room = self.room_within(most, SECONDS, now)?;
        if priority != Priority::Backlog {
            return Ok(room);
        }
        let spread = part(limit, BACKLOG_SPREAD_SECONDS, SECONDS);
        Ok(room.min(self.room_within(spread, BACKLOG_SPREAD_SECONDS, now)?))
    }

    fn room_within(&mut self, limit: u32, seconds: u32, now: u64) -> Result<u32, u64> {
        let sent = u32::try_from(self.0.within(seconds, now)).unwrap_or(u32::MAX);
        if sent < limit {
            return Ok(limit - sent);
        }
        // Until the oldest second with requests in it is over for so long.
        Err((self.0.oldest_within(seconds) + u64::from(seconds)) * 1000)
    }
}

/// So many parts of `whole`, rounded up: of the smallest limit something is left.
fn part(whole: u32, parts: u32, of: u32) -> u32 {
    let part = (u64::from(whole) * u64::from(parts)).div_ceil(u64::from(of));
    u32::try_from(part).unwrap_or(whole)
}
