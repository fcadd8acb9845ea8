//! Facts about the session: who calls, what its claims say, whether it may write.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

/// The role in force outside all functions: after `SET ROLE`, and whatever SECURITY DEFINER
/// functions are on the stack.
pub fn outer_role() -> pg_sys::Oid {
    // SAFETY: reads a global; valid in any transaction.
    unsafe { pg_sys::GetOuterUserId() }
}

/// A setting as the session sees it; `None` when it is unknown or empty.
pub fn setting(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated; with missing_ok the answer is NULL or a NUL-terminated
    // string that lives until the next call, and is copied here.
    let value = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value).to_str().ok()?.to_owned()
    };
    (!value.is_empty()).then_some(value)
}

/// The wall clock, in milliseconds since 2020-01-01 UTC.
pub fn milliseconds_since_2020() -> u64 {
    /// Microseconds from Postgres's epoch (2000-01-01) to 2020-01-01.
    const YEAR_2020: i64 = 7305 * 86_400 * 1_000_000;
    // SAFETY: a function without preconditions.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    u64::try_from((now - YEAR_2020) / 1000).unwrap_or(0)
}

/// Whether nothing can be written: a hot standby, or a read-only transaction.
pub fn read_only() -> bool {
    // SAFETY: a global, and a function without preconditions.
    unsafe { pg_sys::XactReadOnly || pg_sys::RecoveryInProgress() }
}

/// The role that owns `auth.users` on Supabase.
const AUTH_SERVER: &CStr = c"supabase_auth_admin";

/// Whether `schema.name` is a table that can be read without running code of somebody who would
/// gain by that.
///
/// SECURITY: our definers read it with the extension owner's rights. A view would call its
/// functions; a plain table runs, when the columns' types have casts or its indexes have
/// expressions with constants, code of its owner's. So it must be a superuser's, or the Auth
/// server's. The same rule as `cometchat.auth_users_is_there()`.
pub fn is_plain_table(schema: &CStr, name: &CStr) -> bool {
    // SAFETY: syscache look-ups by NUL-terminated names, inside a transaction; the tuple is read
    // before it is released.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if namespace == pg_sys::InvalidOid {
            return false;
        }
        let relation = pg_sys::get_relname_relid(name.as_ptr(), namespace);
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
        );
        if tuple.is_null() {
            return false;
        }
        let class = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let (kind, owner) = ((*class).relkind as u8, (*class).relowner);
        pg_sys::ReleaseSysCache(tuple);
        matches!(kind, b'r' | b'p')
            && (pg_sys::superuser_arg(owner)
                || owner == pg_sys::get_role_oid(AUTH_SERVER.as_ptr(), true))
    }
}
