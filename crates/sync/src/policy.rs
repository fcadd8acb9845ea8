//! When to try again, and what a failure means for the others.

use std::time::{Duration, SystemTime};

use cometchat::{Effect, ErrorKind};

use crate::user_sync::SyncError;

/// The wait after the first failure is up to this, after each further one up to twice as long.
const BASE: Duration = Duration::from_secs(2);

/// And never longer.
const CAP: Duration = Duration::from_secs(15 * 60);

/// What to do about a user who could not be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try this user again after a while; the attempt counts.
    Retry,
    /// CometChat is out of reach: no attempt is counted.
    Outage,
    /// No user can be synced until an operator, or time, changes something.
    OpenCircuit,
    /// All users wait for this long.
    Throttled(Option<Duration>),
    /// An import did not settle it: the user is sent alone, at once; no attempt is counted.
    Singly,
    /// Only this user is put off for so long; no attempt is counted.
    Defer(Duration),
    /// The plan has no room for another user; no attempt is counted.
    PlanFull,
    /// Useless until this user's data change.
    Fail,
    /// The worker is stopping.
    Interrupted,
}

/// Sorts a failure.
pub fn decide(error: &SyncError) -> RetryDecision {
    let error = match error {
        SyncError::Remote(error) | SyncError::Token(error) => error,
        SyncError::NotCreated(_) => return RetryDecision::PlanFull,
        SyncError::Deactivated | SyncError::Unreadable(_) => return RetryDecision::Fail,
    };
    match error.kind() {
        ErrorKind::Interrupted => RetryDecision::Interrupted,
        ErrorKind::RateLimited => RetryDecision::Throttled(error.retry_after()),
        ErrorKind::Refused => RetryDecision::Throttled(None),
        ErrorKind::Network => RetryDecision::Outage,
        ErrorKind::Timeout | ErrorKind::Server | ErrorKind::UidNotFound => RetryDecision::Retry,
        kind if kind.pauses_everybody() => RetryDecision::OpenCircuit,
        _ => RetryDecision::Fail,
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
    as_ms(throttled_delay(retry_after))
}

/// The wait of a user for whom the plan has no room. The first create that succeeds makes all of them due.
pub const NO_ROOM_DELAY: Duration = Duration::from_secs(300);

/// A request whose answer was lost may be in flight for this long: as long again as it was waited for,
/// and a second at least.
pub fn in_flight_for(request_timeout: Duration) -> Duration {
    request_timeout.max(Duration::from_secs(1)).saturating_mul(2)
}

/// How long it is uncertain what CometChat has, after requests of that effect; `None`: not at all.
pub fn unsettled_for(effect: Effect, request_timeout: Duration) -> Option<Duration> {
    match effect {
        Effect::None => None,
        Effect::Unknown => Some(Duration::ZERO),
        Effect::UnderWay => Some(in_flight_for(request_timeout)),
    }
}

/// The worker looks no sooner than this at what a call left uncertain.
pub const UNSETTLED_DELAY: Duration = Duration::from_secs(1);

/// A claim that is older than this was left behind: no request takes so long.
pub const ABANDONED_CLAIM: Duration = Duration::from_secs(600);

/// The wait of a user whose outcome could not be written, because the mapping was locked say.
pub const UNWRITTEN_DELAY: Duration = Duration::from_secs(10);

/// The wait of a user whose tokens are to be flushed while a call is at them, which takes about so long.
pub const TOKENS_BUSY_DELAY: Duration = Duration::from_millis(500);

/// The safety probe of an idle worker: prepared transactions, restored rows, commits that found no
/// library.
pub const SAFETY_PROBE: Duration = Duration::from_secs(60);

/// What cannot be sent now, for want of CometChat's permission or of threads, is claimed no faster
/// than this: claiming it and giving it back writes to the database.
pub const MIN_CLAIM_INTERVAL: Duration = Duration::from_secs(1);

/// Users who are due, and stale claims, whose rows are locked are looked at again after this.
pub const LOCKED_RECHECK: Duration = Duration::from_millis(500);

/// How many users are claimed at a time, as a multiple of `concurrency`.
pub const PREFETCH_FACTOR: usize = 4;

/// Users of a backfill that are queued at a time: a few milliseconds, in which nobody waits for them.
pub const BACKFILL_PAGE: usize = 500;

/// A poll that found something locked comes again after this.
pub const LOCK_RETRY: Duration = Duration::from_millis(200);

/// A lock that should pass is logged after so many polls in a row: some ten seconds.
pub const LOCK_FAILURES_BEFORE_LOG: u32 = 20;

/// Errors of the database in a row before they are logged.
pub const ERRORS_BEFORE_LOG: u32 = 3;

/// The wait after the `n`th error of the database in a row.
pub fn error_backoff(n: u32) -> Duration {
    Duration::from_millis(100 << n.min(7))
}

/// Users of the backlog of whom nothing is known are created together from so many on. Fewer go singly:
/// they cost little, and have their token at once.
pub const MIN_IMPORT_USERS: usize = 10;

/// What the users of one import may take as JSON, in bytes.
pub const MAX_IMPORT_BYTES: usize = 256 * 1024;

/// An import may take so many times as long as another request.
pub const IMPORT_TIMEOUT_FACTOR: u32 = 2;

/// Users whom the import can create in a minute. Where CometChat allows no more single requests than that,
/// the backlog leaves these to others as long as an import can go.
pub const IMPORTED_PER_MINUTE: u32 = 60 * 50;

/// Once an import takes longer than this, the backlog goes singly beside it.
pub const IMPORT_PATIENCE: Duration = Duration::from_secs(1);

/// Nobody was found who could be created together with others: so long until the next look.
pub const IMPORT_RECHECK: Duration = Duration::from_secs(10);

/// Few were found: the next look.
pub const FEW_IMPORT_RECHECK: Duration = Duration::from_secs(1);

/// So many imports in a row that fail are taken to say that none will succeed.
pub const IMPORT_FAILURES: u32 = 3;

/// Then the next one is tried after this.
pub const IMPORT_FAILED_DELAY: Duration = Duration::from_secs(300);

/// A call waits for so long for the worker's answer about the same user.
pub const WAIT_FOR_WORKER: Duration = Duration::from_secs(2);

/// How often the worker compares a sample of the state with `auth.users`.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);

/// Users in that sample.
pub const SAMPLE_SIZE: usize = 250;

/// Users compared at a time when all are compared.
pub const COMPARED_PAGE: usize = 500;

/// The pause between two such pages: the comparison takes about a fifth of one processor's time.
pub const COMPARED_PAGE_PAUSE: Duration = Duration::from_millis(50);

/// Failures of one page of CometChat's list that `reconcile()` does not take for an answer.
pub const LIST_RETRIES: u32 = 2;

/// The wait after each of them. (A rate limit is waited for as long as the statement may take.)
pub const LIST_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Deletions that no trigger saw and that the worker carries out by itself: up to so many, if they are at
/// most one user in ten. A table that is being restored is empty, or incomplete.
pub const MAX_UNSEEN_DELETIONS: usize = 1_000;

/// So many it always carries out.
pub const ALWAYS_UNSEEN_DELETIONS: usize = 10;

/// After deletions were left to an operator, all users are compared again only after this.
pub const OPERATOR_RECHECK: Duration = Duration::from_secs(60 * 60);

/// Whether a code is CometChat's own. A refusal that concerns all users has one as a rule; one without
/// may be a firewall's answer about one user.
pub fn is_of_cometchat(code: &str) -> bool {
    code.contains("ERR_")
}

/// Milliseconds, as SQL has them.
pub fn as_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The clock that processes share.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// The wait before the `n`th probe of a paused queue: 5 s, then ever more, at least one a minute.
pub fn probe_delay(n: u32) -> Duration {
    Duration::from_secs((5 << n.min(4)).min(60))
}

/// The wait until an import is tried again where there was none, `n` times in a row: an hour, then ever
/// more, at least one a day.
pub fn import_retry(n: u32) -> Duration {
    Duration::from_secs(60 * 60 * (1 << n.min(5)).min(24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cometchat::Error;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let longest: Vec<u64> = (1..=12).map(|n| delay(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(delay(5, 0.0), Duration::from_millis(100));
        assert_eq!(delay(u32::MAX, 1.0), CAP);
    }

    /// What CometChat answers, and what is done about the user: the error guide's classes, in one table.
    #[test]
    fn decisions() {
        use RetryDecision::{Fail, Interrupted, OpenCircuit, Outage, Retry, Throttled};
        let api = |status, code: Option<&str>| Error::Api {
            status,
            code: code.map(str::to_owned),
            message: None,
            details: vec![],
            retry_after: None,
        };
        for (error, decision) in [
            (api(400, Some("ERR_BAD_REQUEST")), Fail),
            (api(404, Some("ERR_ROLE_NOT_FOUND")), Fail),
            (api(404, Some("ERR_UID_NOT_FOUND")), Retry), // gone since it was read
            (api(500, Some("ERR_EXCEPTION")), Retry),
            (api(503, None), Retry),
            (Error::Timeout, Retry),
            (Error::Network { what: "connection refused" }, Outage),
            (api(401, Some("AUTH_ERR_APIKEY_NOT_FOUND")), OpenCircuit),
            (api(402, None), OpenCircuit),
            (Error::NotCometChat { status: 404, what: "HTML" }, OpenCircuit),
            (Error::NotCometChat { status: 302, what: "a redirect" }, OpenCircuit),
            (Error::TooLarge { limit: 1 }, OpenCircuit),
            (api(429, None), Throttled(None)),
            (Error::Refused, Throttled(None)),
            (Error::Interrupted, Interrupted),
            (Error::InvalidRequest { what: "uid" }, Fail),
        ] {
            let text = error.to_string();
            assert_eq!(decide(&SyncError::Remote(error)), decision, "{text}");
        }
        assert_eq!(decide(&SyncError::NotCreated(api(402, None))), RetryDecision::PlanFull);
        assert_eq!(decide(&SyncError::Deactivated), Fail);
        assert_eq!(decide(&SyncError::Unreadable("too long".to_owned())), Fail);
    }

    #[test]
    fn what_was_lost_is_in_flight_for_twice_as_long_as_it_was_waited_for() {
        let seconds = Duration::from_secs;
        assert_eq!(unsettled_for(Effect::None, seconds(5)), None);
        assert_eq!(unsettled_for(Effect::Unknown, seconds(5)), Some(Duration::ZERO));
        assert_eq!(unsettled_for(Effect::UnderWay, seconds(5)), Some(seconds(10)));
        assert_eq!(in_flight_for(Duration::from_millis(1)), seconds(2));
    }

    #[test]
    fn throttled_users_are_looked_at_within_a_minute() {
        let wait = |ms| throttled_delay(Some(Duration::from_millis(ms))).as_millis();
        assert_eq!((wait(0), wait(2_000), wait(86_400_000)), (100, 2_000, 60_000));
        assert_eq!(first_delay(None), 1_000);
    }

    #[test]
    fn probes_come_at_least_once_a_minute() {
        let waits: Vec<u64> = (0..7).map(|n| probe_delay(n).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
    }
}
