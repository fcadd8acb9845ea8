//! When a call has to be done: its own budget, but never too late for the statement's.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

/// Left over before the statement's own deadline, to write the result and answer.
const MARGIN: Duration = Duration::from_millis(250);

/// `STATEMENT_TIMEOUT` of `utils/timeout.h`; the same number in 15 to 18.
const STATEMENT_TIMEOUT: u32 = 3;

/// `TRANSACTION_TIMEOUT`, which came with 17: it ends the session.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
const TRANSACTION_TIMEOUT: u32 = 8;

/// The timers that end a statement.
const TIMERS: &[u32] = &[
    STATEMENT_TIMEOUT,
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    TRANSACTION_TIMEOUT,
];

unsafe extern "C-unwind" {
    // Exported by the server, missing from pgrx's bindings.
    fn get_timeout_active(id: u32) -> bool;
    fn get_timeout_finish_time(id: u32) -> pg_sys::TimestampTz;
}

/// The earliest of: `budget` from now; the statement's and the transaction's running timers; the
/// statement's start plus `statement_timeout` as seen here (a function's own
/// `SET statement_timeout` does not re-arm the timer). All but the first minus 250 ms.
pub fn for_call(budget: Duration) -> Instant {
    let budget = Instant::now() + budget;
    of_statement().map_or(budget, |ends| ends.min(budget))
}

/// The earliest of these without a budget, if any of them runs.
pub fn of_statement() -> Option<Instant> {
    statement_left().map(|left| Instant::now() + left.saturating_sub(MARGIN))
}

fn statement_left() -> Option<Duration> {
    // SAFETY: plain globals and functions without preconditions, on the main thread.
    let (now, configured) = unsafe {
        let configured = (pg_sys::StatementTimeout > 0).then(|| {
            pg_sys::GetCurrentStatementStartTimestamp() + i64::from(pg_sys::StatementTimeout) * 1000
        });
        (pg_sys::GetCurrentTimestamp(), configured)
    };
    let ends = TIMERS.iter().filter_map(|id| finish_time(*id)).chain(configured).min()?;
    Some(Duration::from_micros(u64::try_from(ends - now).unwrap_or(0)))
}

/// When a timer fires, if it runs.
fn finish_time(timer: u32) -> Option<pg_sys::TimestampTz> {
    // SAFETY: they read the process's own table of timers; the numbers are within its bounds.
    unsafe { get_timeout_active(timer).then(|| get_timeout_finish_time(timer)) }
}
