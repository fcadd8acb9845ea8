//! A circuit breaker: it opens while nobody's request has a chance, and lets one probe at a time
//! through to see whether CometChat answers again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::policy;

/// Open while CometChat is out of reach, or refuses everybody.
#[derive(Default)]
pub struct CircuitBreaker {
    open: Option<Open>,
    /// Failures in a row without a success between them, and whose they were.
    failures: usize,
    failing: HashSet<Uuid>,
}

struct Open {
    code: String,
    /// When the next probe may go.
    until: Instant,
    failed_probes: u32,
}

/// The longest code of CometChat's that a snapshot keeps whole, in bytes.
const MAX_CODE: usize = 64;

/// An open breaker as a worker leaves it to the database's next worker: plain data, for shared memory.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSnapshot {
    code: [u8; MAX_CODE],
    length: usize,
    failed_probes: u32,
}

/// What [`CircuitBreaker::trip`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Tripped {
    /// It was closed.
    Opened,
    /// A probe failed: the next one comes later.
    ProbeFailed,
    /// It was open, and this was one of the requests that were in flight.
    AlreadyOpen,
}

impl CircuitBreaker {
    /// Opens because of `code`. Unless it is `sure` that this concerns everybody, probes do not come
    /// more rarely each time.
    pub fn trip(&mut self, code: &str, now: Instant, sure: bool) -> Tripped {
        let (tripped, failed_probes) = match &self.open {
            None => (Tripped::Opened, 0),
            Some(open) if now < open.until => return Tripped::AlreadyOpen,
            Some(open) => (Tripped::ProbeFailed, if sure { open.failed_probes + 1 } else { 0 }),
        };
        let until = now + policy::probe_delay(failed_probes);
        self.open = Some(Open { code: code.to_owned(), until, failed_probes });
        tripped
    }

    /// Counts a failure of one user. `true`: there were more than `limit` in a row, of more than one
    /// user, so it concerns everybody.
    pub fn record_failure(&mut self, user: Uuid, limit: usize) -> bool {
        self.failures += 1;
        if self.failing.len() <= limit {
            self.failing.insert(user);
        }
        self.failures > limit && self.failing.len() > 1 || self.open.is_some()
    }

    /// CometChat answers. Returns the code that it was open for, if it was open.
    pub fn close(&mut self) -> Option<String> {
        self.failures = 0;
        self.failing.clear();
        self.open.take().map(|open| open.code)
    }

    /// Lets the next probe go at once: something may have been mended.
    pub fn probe_now(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.until = now;
        }
    }

    /// When the next probe may go; `None` while it is closed.
    pub fn open_until(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.until)
    }

    /// What the database's next worker needs to know, and how long the breaker stays open.
    pub fn snapshot(&self, now: Instant) -> Option<(BreakerSnapshot, Duration)> {
        let open = self.open.as_ref()?;
        let (mut code, bytes) = ([0; MAX_CODE], open.code.as_bytes());
        let length = bytes.len().min(MAX_CODE);
        code[..length].copy_from_slice(&bytes[..length]);
        let snapshot = BreakerSnapshot { code, length, failed_probes: open.failed_probes };
        Some((snapshot, open.until.saturating_duration_since(now)))
    }

    /// Continues from a snapshot that stays open for `remaining`.
    pub fn restore(snapshot: &BreakerSnapshot, now: Instant, remaining: Duration) -> Self {
        let code = String::from_utf8_lossy(&snapshot.code[..snapshot.length]).into_owned();
        let until = now + remaining.min(policy::probe_delay(u32::MAX));
        let open = Open { code, until, failed_probes: snapshot.failed_probes };
        CircuitBreaker { open: Some(open), ..CircuitBreaker::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_probes_ever_more_rarely_and_closes() {
        let (mut breaker, start) = (CircuitBreaker::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(breaker.trip("PLAN_LIMIT", start, true), Tripped::Opened);
        assert_eq!(breaker.trip("PLAN_LIMIT", at(4), true), Tripped::AlreadyOpen);
        assert_eq!(breaker.trip("PLAN_LIMIT", at(5), true), Tripped::ProbeFailed);
        assert_eq!(breaker.open_until(), Some(at(15)));
        assert_eq!(breaker.trip("PLAN_LIMIT", at(15), false), Tripped::ProbeFailed);
        assert_eq!(breaker.open_until(), Some(at(20)), "not sure: the delay starts again");
        breaker.probe_now(at(16));
        assert_eq!(breaker.open_until(), Some(at(16)));
        assert_eq!(breaker.close().as_deref(), Some("PLAN_LIMIT"));
        assert_eq!((breaker.open_until(), breaker.close()), (None, None));
    }

    #[test]
    fn failures_of_one_user_never_concern_everybody() {
        let mut breaker = CircuitBreaker::default();
        let user = |n: u8| Uuid::from_bytes([n; 16]);
        assert!((0..10).all(|_| !breaker.record_failure(user(1), 3)));
        assert!(breaker.record_failure(user(2), 3), "ten in a row, and of two users");
        breaker.close();
        assert!(
            !breaker.record_failure(user(1), 3),
            "a success between them starts the count again"
        );
    }

    #[test]
    fn the_next_worker_continues_where_the_last_one_stopped() {
        let (mut breaker, start) = (CircuitBreaker::default(), Instant::now());
        assert!(breaker.snapshot(start).is_none());
        let code = "X".repeat(MAX_CODE + 1);
        breaker.trip(&code, start, true);
        let Some((snapshot, remaining)) = breaker.snapshot(start + Duration::from_secs(2)) else {
            panic!("it is open");
        };
        assert_eq!(remaining, Duration::from_secs(3));
        let mut next = CircuitBreaker::restore(&snapshot, start, remaining);
        assert_eq!(next.open_until(), Some(start + Duration::from_secs(3)));
        assert_eq!(next.close().as_deref(), Some(&code[..MAX_CODE]));
        let forever = CircuitBreaker::restore(&snapshot, start, Duration::MAX);
        assert_eq!(forever.open_until(), Some(start + Duration::from_secs(60)), "a minute at most");
    }
}
