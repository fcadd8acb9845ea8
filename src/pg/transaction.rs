//! Transactions of a background worker, whose failure is a value.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, UnwindSafe};

use pgrx::pg_sys::{self, panic::CaughtError, PgTryBuilder};

use super::rights::Rights;

/// What is left of an error: enough to log it, nothing that could hold a row.
#[derive(Debug)]
pub struct Failed {
    pub sqlstate: String,
    pub message: String,
}

impl Failed {
    /// Whether the failure is about the moment: a lock, a connection, a deadlock, the disk, a
    /// shutdown. Everything else will be the same next time.
    pub fn will_pass(&self) -> bool {
        let class = self.sqlstate.get(..2).unwrap_or_default();
        self.is_about_a_lock() || matches!(class, "08" | "25" | "40" | "53" | "57" | "58")
    }

    /// Whether it waited too long for a lock.
    pub fn is_about_a_lock(&self) -> bool {
        self.sqlstate == super::subxact::LOCK_NOT_AVAILABLE
    }
}

/// Runs `f` in a transaction of its own.
///
/// # Errors
/// [`Failed`]; the transaction is rolled back. An ERROR is not logged: its DETAIL may show a row.
pub fn run<T>(f: impl FnOnce() -> T + UnwindSafe) -> Result<T, Failed> {
    // SAFETY: the usual frame of a background worker's transaction; on an error everything that
    // was begun is undone by AbortCurrentTransaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let value = f();
            pg_sys::PopActiveSnapshot();
            commit();
            Ok(value)
        }))
        .catch_rust_panic(|error| Err(abort(&error)))
        .catch_others(|error| Err(abort(&error)))
        .execute()
    }
}

/// Commits with the rights of our tables' owner.
///
/// SECURITY: before 18, deferred triggers of others on our tables run with the rights that are in
/// force at the commit, and a worker connects as a superuser.
///
/// # Safety
/// Inside the transaction that [`run`] began.
unsafe fn commit() {
    // SAFETY: as above; if the commit fails, the abort puts back what was in force at the start.
    unsafe {
        let Some(owner) = Rights::Ours.role() else {
            pg_sys::CommitTransactionCommand();
            return;
        };
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        let restricted = pg_sys::SECURITY_RESTRICTED_OPERATION as i32;
        pg_sys::SetUserIdAndSecContext(owner, context | restricted);
        pg_sys::CommitTransactionCommand();
        pg_sys::SetUserIdAndSecContext(user, context);
    }
}

fn abort(error: &CaughtError) -> Failed {
    // SAFETY: undoes the transaction that `run` began.
    unsafe { pg_sys::AbortCurrentTransaction() };
    match error {
        CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. } => Failed {
            sqlstate: super::subxact::sqlstate(report.sql_error_code()),
            message: report.message().to_owned(),
        },
    }
}

/// Makes this transaction's commit not wait for the disk: what is lost in a crash is a claim, and
/// its user is due again.
pub fn commit_without_waiting() {
    set_local(c"synchronous_commit", c"off");
}

/// Makes this transaction's commit wait for this machine's disk, whatever [`commit_without_waiting`] or the
/// database's settings say, and for a synchronous standby if these do: what it writes must outlive a crash, and
/// a failover where commits do.
pub fn commit_durably() {
    // SAFETY: the setting is Postgres's own, and its text is constant.
    let configured = unsafe {
        CStr::from_ptr(pg_sys::GetConfigOptionResetString(c"synchronous_commit".as_ptr()))
    };
    let is_stricter = configured != c"off";
    set_local(c"synchronous_commit", if is_stricter { configured } else { c"local" });
}

/// This transaction waits no longer than so for a lock.
pub fn wait_for_locks(time: &CStr) {
    set_local(c"lock_timeout", time);
}

/// `SET LOCAL`.
fn set_local(name: &CStr, value: &CStr) {
    let (context, source) = AS_A_SESSION;
    set(name, value, context, source, pg_sys::GucAction::GUC_ACTION_LOCAL);
}

/// `SET`.
pub fn set_session(name: &CStr, value: &CStr) {
    let (context, source) = AS_A_SESSION;
    set(name, value, context, source, pg_sys::GucAction::GUC_ACTION_SET);
}

/// Takes on a setting of the database as Postgres does when a process connects: one of the role's
/// or of this session's own outranks it.
pub fn set_as_database(name: &CStr, value: &CStr) {
    let (context, source) = (pg_sys::GucContext::PGC_SUSET, pg_sys::GucSource::PGC_S_DATABASE);
    set(name, value, context, source, pg_sys::GucAction::GUC_ACTION_SET);
}

const AS_A_SESSION: (pg_sys::GucContext::Type, pg_sys::GucSource::Type) =
    (pg_sys::GucContext::PGC_USERSET, pg_sys::GucSource::PGC_S_SESSION);

fn set(
    name: &CStr,
    value: &CStr,
    context: pg_sys::GucContext::Type,
    source: pg_sys::GucSource::Type,
    action: pg_sys::GucAction::Type,
) {
    // SAFETY: NUL-terminated strings, inside a transaction.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            context,
            source,
            action,
            true,
            0,
            false,
        );
    }
}
