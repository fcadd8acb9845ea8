//! When to try again, and what a failure means for the others.

use std::time::{Duration, SystemTime};

use cometchat::ErrorKind;

use crate::converge::Trouble;

/// The wait after the first failure is up to this, after each further one up to twice as long.
const BASE: Duration = Duration::from_secs(2);

/// And never longer.
const CAP: Duration = Duration::from_secs(15 * 60);

/// What to do about a user who could not be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try this user again after a while; the attempt counts.
    Retry,
    /// CometChat is out of reach: nobody's fault, nobody's attempt.
    Outage,
    /// Nobody has a chance until an operator, or time, changes something.
    Pause,
    /// Everybody is to wait for this long.
    Throttled(Option<Duration>),
    /// Only this user is put off for so long; no attempt is counted.
    PutOff(Duration),
    /// The plan has no room for another user; nobody's attempt.
    NoRoom,
    /// Useless until this user's data change.
    Park,
    /// The worker is stopping.
    Stopped,
}

/// Sorts a failure.
pub fn verdict(trouble: &Trouble) -> Verdict {
    let error = match trouble {
        Trouble::Remote(error) | Trouble::Token(error) => error,
        Trouble::NotCreated(_) => return Verdict::NoRoom,
        Trouble::Deactivated | Trouble::Unreadable(_) => return Verdict::Park,
    };
    match error.kind() {
        ErrorKind::Interrupted => Verdict::Stopped,
        ErrorKind::RateLimited => Verdict::Throttled(error.retry_after()),
        ErrorKind::Refused => Verdict::Throttled(None),
        ErrorKind::Network => Verdict::Outage,
        ErrorKind::Timeout | ErrorKind::Server | ErrorKind::UidNotFound => Verdict::Retry,
        kind if kind.pauses_everybody() => Verdict::Pause,
        _ => Verdict::Park,
    }
}

/// The wait before the attempt after `failures` failed ones: exponential, with full jitter, so
/// that users who failed together do not come back together. `random` is in `0..1`.
pub fn delay(failures: u32, random: f64) -> Duration {
    let longest = BASE.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(CAP);
    longest.mul_f64(random.clamp(0.0, 1.0)).max(Duration::from_millis(100))
}

/// The wait of a user for whom CometChat's limit leaves no request: as long as CometChat, or the
/// limiter, says, but looked at again within a minute, since settings and limits change.
pub fn throttled_delay(wait: Option<Duration>) -> Duration {
    let wait = wait.unwrap_or(Duration::from_secs(1));
    wait.clamp(Duration::from_millis(100), Duration::from_secs(60))
}

/// The wait before the worker takes over what an interactive call could not do, in milliseconds.
pub fn first_delay(retry_after: Option<Duration>) -> i64 {
    i64::try_from(throttled_delay(retry_after).as_millis()).unwrap_or(1000)
}

/// The wait of a user for whom there is no room: whoever finds some has them all tried at once.
pub const NO_ROOM_DELAY: Duration = Duration::from_secs(300);

/// The clock that processes share.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// The wait before the `n`th probe of a paused queue: 5 s, then ever more, at least one a minute.
pub fn probe_delay(n: u32) -> Duration {
    Duration::from_secs((5 << n.min(4)).min(60))
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    #[pg_test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let longest: Vec<u64> = (1..=12).map(|n| delay(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(delay(5, 0.0), Duration::from_millis(100));
        assert_eq!(delay(u32::MAX, 1.0), CAP);
    }

    #[pg_test]
    fn probes_come_at_least_once_a_minute() {
        let waits: Vec<u64> = (0..7).map(|n| probe_delay(n).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
    }
}
