//! Runs statements of ours so that their failure is a value, not the end of the transaction.

use std::panic::{AssertUnwindSafe, UnwindSafe};
use std::time::Duration;

use pgrx::pg_sys::{self, panic::CaughtError, PgTryBuilder};
use pgrx::PgSqlErrorCode;

use super::session;

/// What a statement may wait for a lock when its call's budget is used up; well within the margin that
/// is left before the statement's own deadline.
pub const FINAL_WRITE_LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// The SQLSTATE of a statement that has waited too long for a lock.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";

/// How a subtransaction ends in which `f` succeeded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Keep,
    Undo,
}

/// Runs `f` in a subtransaction in which no lock is awaited for longer than `lock_timeout`.
///
/// # Errors
/// The SQLSTATE of the ERROR that `f` raised; the subtransaction is rolled back then. Cancel,
/// shutdown, serialisation failures, deadlocks and bugs are not failures of `f`: they are raised
/// on, as is a Rust panic.
pub fn run<T>(
    lock_timeout: Duration,
    f: impl FnOnce() -> T + UnwindSafe,
) -> Result<T, PgSqlErrorCode> {
    catch(Some(lock_timeout), End::Keep, |code| !must_be_raised(code), f)
}

/// The same to wait for others only: what `f` writes is rolled back. A row that another transaction
/// has written is a failure of `f` like any other, as is a deadlock, which this ends.
pub fn run_and_roll_back(
    lock_timeout: Duration,
    f: impl FnOnce() + UnwindSafe,
) -> Result<(), PgSqlErrorCode> {
    let is_value = |code| !must_be_raised(code) || class_of(code) == "40";
    catch(Some(lock_timeout), End::Undo, is_value, f)
}

/// Runs `f`, which reads what others have written, in a subtransaction.
///
/// # Errors
/// The SQLSTATE of an ERROR that is about a value that was read. Everything else, which would be the
/// same whatever is read, is raised on.
pub fn read<T>(f: impl FnOnce() -> T) -> Result<T, PgSqlErrorCode> {
    catch(None, End::Keep, is_about_a_value, AssertUnwindSafe(f))
}

fn catch<T>(
    lock_timeout: Option<Duration>,
    end: End,
    is_value: fn(PgSqlErrorCode) -> bool,
    f: impl FnOnce() -> T + UnwindSafe,
) -> Result<T, PgSqlErrorCode> {
    // SAFETY: the order is the one that plpgsql's EXCEPTION blocks use: remember the context and
    // resource owner, begin, and on every way out end the subtransaction and restore both.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            if let Some(longest) = lock_timeout {
                limit_lock_waits(longest);
            }
            // A snapshot of now: under READ COMMITTED the statement's own may be older than a
            // lock that we waited for.
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let value = f();
            pg_sys::PopActiveSnapshot();
            Ok(value)
        }))
        .catch_rust_panic(|error| Err(Box::new(error)))
        .catch_others(|error| Err(Box::new(error)))
        .execute();
        match &result {
            Ok(_) if end == End::Keep => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        result.map_err(|error| match *error {
            CaughtError::PostgresError(ref report) | CaughtError::ErrorReport(ref report) => {
                let code = report.sql_error_code();
                if !is_value(code) {
                    error.rethrow();
                }
                code
            }
            CaughtError::RustPanic { .. } => error.rethrow(),
        })
    }
}

/// Whether an error says something about the statement as a whole: class 57 (cancel, shutdown),
/// 40 (serialisation, deadlock) or XX (a bug).
fn must_be_raised(code: PgSqlErrorCode) -> bool {
    matches!(class_of(code).as_str(), "57" | "40" | "XX")
}

/// Whether an error may come from one row's value alone: class 22 (bad data), P0, 38 and 39 (raised by
/// the code of the column's type), 54 (too deep, too long), and a damaged page.
fn is_about_a_value(code: PgSqlErrorCode) -> bool {
    matches!(class_of(code).as_str(), "22" | "38" | "39" | "54" | "P0")
        || code == PgSqlErrorCode::ERRCODE_DATA_CORRUPTED
}

/// The first two characters of an SQLSTATE: Postgres packs five characters of six bits each.
fn class_of(code: PgSqlErrorCode) -> String {
    sqlstate(code)[..2].to_owned()
}

/// An SQLSTATE as its five characters.
pub fn sqlstate(code: PgSqlErrorCode) -> String {
    let packed = code as i32;
    (0..5).map(|i| char::from((((packed >> (6 * i)) & 0x3f) + i32::from(b'0')) as u8)).collect()
}

/// `SET LOCAL lock_timeout`, undone by the end of the subtransaction whichever way it ends. A
/// shorter one that is in force stays.
///
/// # Safety
/// Must run inside the subtransaction, which is the settings' nest level.
unsafe fn limit_lock_waits(time: Duration) {
    let wanted = i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1);
    // SAFETY: a global, and NUL-terminated strings.
    unsafe {
        if pg_sys::LockTimeout > 0 && pg_sys::LockTimeout <= wanted {
            return;
        }
        let value = std::ffi::CString::new(wanted.to_string()).unwrap_or_default();
        session::save_setting(c"lock_timeout", &value);
    }
}
