//! The plan's quota of users. When it is used up, CometChat refuses creates alone: everybody who
//! exists is served as ever, only new users wait, and one of them goes ahead now and then to see.
//! Shared by the worker's threads and all sessions; pure arithmetic on milliseconds.

use std::time::Duration;

use crate::policy;

/// Whoever goes ahead has an answer by then.
const LOOK_MS: u64 = 60_000;

/// What is known of one database's app.
pub struct PlanQuota {
    used_up: bool,
    /// Nobody is created before this.
    until: u64,
    /// Somebody goes ahead to see, and is not answered yet.
    looking: bool,
    /// How often that was in vain.
    looks: u32,
    /// There is room again, and those who wait have not been told.
    freed: bool,
}

impl Default for PlanQuota {
    fn default() -> Self {
        PlanQuota::new()
    }
}

impl PlanQuota {
    /// With room, for all that is known.
    pub const fn new() -> Self {
        PlanQuota { used_up: false, until: 0, looking: false, looks: 0, freed: false }
    }

    /// Whether a create would be refused.
    pub fn is_used_up(&self) -> bool {
        self.used_up
    }

    /// Whether nobody may be created now.
    pub fn refuses(&self, now: u64) -> bool {
        self.used_up && now < self.until
    }

    /// Asks whether somebody may be created now. Whoever may, and finds the quota used up, is the one
    /// who looks.
    pub fn take(&mut self, now: u64) -> bool {
        if self.refuses(now) {
            return false;
        }
        if self.used_up {
            self.looking = true;
            self.until = now + LOOK_MS;
        }
        true
    }

    /// A create was refused for want of room.
    pub fn refused(&mut self, now: u64) {
        if self.used_up && !self.looking {
            return; // one that was under way
        }
        self.looks = if self.used_up { self.looks.saturating_add(1) } else { 0 };
        self.until = now + milliseconds(policy::probe_delay(self.looks));
        (self.used_up, self.looking) = (true, false);
    }

    /// Somebody was created.
    pub fn created(&mut self) {
        self.freed |= self.used_up;
        (self.used_up, self.looking, self.looks) = (false, false, 0);
    }

    /// How long it is until somebody may look.
    pub fn wait(&self, now: u64) -> Duration {
        Duration::from_millis(if self.used_up { self.until.saturating_sub(now) } else { 0 })
    }

    /// Whether those who wait are to be told that there is room; once.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// They could not be told.
    pub fn free_again(&mut self) {
        self.freed = true;
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_goes_ahead_to_see_ever_more_rarely() {
        let mut quota = PlanQuota::new();
        assert!(quota.take(0) && quota.take(0));
        quota.refused(0);
        quota.refused(0); // under way together
        assert!(quota.refuses(4_999) && !quota.take(4_999));
        assert!(quota.take(5_000) && !quota.take(5_000));
        quota.refused(6_000);
        assert_eq!(quota.wait(6_000), Duration::from_secs(10));
        assert!(quota.take(16_000));
        assert!(quota.take(16_000 + LOOK_MS), "whoever looked got no answer at all");
        assert!(!quota.take_freed());
        quota.created();
        assert!(quota.take(80_000) && quota.take(80_000) && !quota.is_used_up());
        assert!(quota.take_freed() && !quota.take_freed());
    }
}
