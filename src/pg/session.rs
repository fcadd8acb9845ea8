//! Facts about the session: who calls, what its claims say, whether it may write.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::text;

/// The role in force outside all functions: after `SET ROLE`, and whatever SECURITY DEFINER
/// functions are on the stack.
pub fn outer_role() -> pg_sys::Oid {
    // SAFETY: reads a global; valid in any transaction.
    unsafe { pg_sys::GetOuterUserId() }
}

/// The role whose rights are in force where a function of ours is called.
pub fn current_role() -> pg_sys::Oid {
    // SAFETY: reads a global; valid in any transaction.
    unsafe { pg_sys::GetUserId() }
}

/// The oid of the database that this process is connected to; 0 before that.
pub fn database() -> u32 {
    // SAFETY: a global that is set for good when the process connects.
    unsafe { pg_sys::MyDatabaseId }.into()
}

/// A setting as the session sees it; `None` when it is unknown or empty.
pub fn setting(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated; with missing_ok the answer is NULL or a NUL-terminated
    // string that lives until the next call, and is copied here.
    let value = unsafe { text::from_c_string(pg_sys::GetConfigOption(name.as_ptr(), true, false)) };
    value.filter(|value| !value.is_empty())
}

/// The wall clock, in microseconds since 2000-01-01 UTC.
pub fn now() -> i64 {
    // SAFETY: a function without preconditions.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// When the server started, as [`now`] counts.
pub fn server_started_at() -> i64 {
    // SAFETY: written by the postmaster before it starts any process.
    unsafe { pg_sys::PgStartTime }
}

/// The wall clock, in milliseconds since 2020-01-01 UTC.
pub fn milliseconds_since_2020() -> u64 {
    /// Microseconds from Postgres's epoch (2000-01-01) to 2020-01-01.
    const YEAR_2020: i64 = 7305 * 86_400 * 1_000_000;
    u64::try_from((now() - YEAR_2020) / 1000).unwrap_or(0)
}

/// Whether a process, by its id, is a backend of this server.
pub fn is_running(pid: i32) -> bool {
    // SAFETY: a function without preconditions, which looks under a lock of its own.
    unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

/// Whether the transaction sees one snapshot throughout: REPEATABLE READ or SERIALIZABLE.
pub fn has_one_snapshot() -> bool {
    // SAFETY: a plain global.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Whether nothing can be written: a hot standby, or a read-only transaction.
pub fn read_only() -> bool {
    // SAFETY: a global, and a function without preconditions.
    unsafe { pg_sys::XactReadOnly || pg_sys::RecoveryInProgress() }
}

/// Raises an error inside a transaction block, that of several statements sent at once included: a
/// procedure cannot commit there.
pub fn refuse_transaction_block() {
    // SAFETY: a function without preconditions.
    if unsafe { pg_sys::IsTransactionBlock() } {
        pgrx::pg_sys::panic::ErrorReport::new(
            pgrx::PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
            "process_queue() cannot run inside a transaction block",
            "",
        )
        .set_hint(
            "Send CALL cometchat.process_queue(); alone: not after BEGIN, and not beside another \
             statement in one command, of pg_cron say.",
        )
        .report(pgrx::PgLogLevel::ERROR);
    }
}

/// Sets a setting until the current nest level of settings ends, also one that only a superuser may set.
///
/// # Safety
/// Inside such a level that this process opened: a subtransaction, or `NewGUCNestLevel`.
pub unsafe fn save_setting(name: &CStr, value: &CStr) {
    // SAFETY: NUL-terminated strings; the level is the caller's.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}
