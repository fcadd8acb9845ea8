//! The plan's quota of users. When it is used up, CometChat refuses creates alone: users who
//! exist are served as before, new users wait, and one of them probes now and then.
//! Shared by the worker's threads and all sessions; pure arithmetic on milliseconds.

use std::time::Duration;

use crate::policy;

/// A probe has its answer by then.
const PROBE_MS: u64 = 60_000;

/// What is known of one database's app.
pub struct PlanQuota {
    used_up: bool,
    /// No user is created before this.
    until: u64,
    /// A probe is under way.
    probing: bool,
    /// Probes that were refused, in a row.
    failed_probes: u32,
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
        PlanQuota { used_up: false, until: 0, probing: false, failed_probes: 0, freed: false }
    }

    /// Whether a create would be refused.
    pub fn is_used_up(&self) -> bool {
        self.used_up
    }

    /// Whether no user may be created now.
    pub fn refuses(&self, now: u64) -> bool {
        self.used_up && now < self.until
    }

    /// Asks whether a user may be created now. Where the quota is used up, that one is the probe.
    pub fn take(&mut self, now: u64) -> bool {
        if self.refuses(now) {
            return false;
        }
        if self.used_up {
            self.probing = true;
            self.until = now + PROBE_MS;
        }
        true
    }

    /// A create was refused for want of room.
    pub fn refused(&mut self, now: u64) {
        if self.used_up && !self.probing {
            return; // one that was under way
        }
        self.failed_probes = if self.used_up { self.failed_probes.saturating_add(1) } else { 0 };
        self.until = now + milliseconds(policy::probe_delay(self.failed_probes));
        (self.used_up, self.probing) = (true, false);
    }

    /// A user was created.
    pub fn created(&mut self) {
        self.freed |= self.used_up;
        (self.used_up, self.probing, self.failed_probes) = (false, false, 0);
    }

    /// How long it is until the next probe.
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
        assert!(quota.take(16_000 + PROBE_MS), "whoever looked got no answer at all");
        assert!(!quota.take_freed());
        quota.created();
        assert!(quota.take(80_000) && quota.take(80_000) && !quota.is_used_up());
        assert!(quota.take_freed() && !quota.take_freed());
    }
}
