//! One rate-limit bucket: a fixed window that starts with the first request after the last one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests counted in the current window.
#[derive(Default)]
pub struct Bucket {
    started: Option<Instant>,
    used: u32,
}

/// What a bucket said about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Until the window ends.
    pub left: Duration,
}

impl Verdict {
    /// Whole seconds until the window ends, at least 1: a client told 0 would retry at once.
    pub fn retry_after(&self) -> u64 {
        self.left.as_millis().div_ceil(1000).max(1) as u64
    }

    /// The end of the window in Unix seconds.
    pub fn reset_at(&self) -> u64 {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.left;
        end.as_millis().div_ceil(1000) as u64
    }
}

impl Bucket {
    /// Counts one request if there is room; refused requests are not counted.
    pub fn take(&mut self, now: Instant, limit: u32, window: Duration) -> Verdict {
        let started = match self.started {
            Some(started) if now.duration_since(started) < window => started,
            _ => {
                self.used = 0;
                *self.started.insert(now)
            }
        };
        let allowed = self.used < limit;
        if allowed {
            self.used += 1;
        }
        let left = window.saturating_sub(now.duration_since(started));
        Verdict { allowed, limit, remaining: limit.saturating_sub(self.used), left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_with_its_first_request_and_refills_when_over() {
        let mut bucket = Bucket::default();
        let start = Instant::now();
        let window = Duration::from_millis(1500);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(bucket.take(at(0), 2, window).allowed);
        assert_eq!(bucket.take(at(100), 2, window).remaining, 0);
        let refused = bucket.take(at(400), 2, window);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after(), 2);
        assert!(!bucket.take(at(1499), 2, window).allowed);
        assert!(bucket.take(at(1500), 2, window).allowed);
    }
}
