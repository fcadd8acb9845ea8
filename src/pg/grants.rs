//! What a role is and may execute, looked up in the catalogs without a statement.
//!
//! SECURITY: nothing here depends on a setting, the search_path or `current_user`. What is not found
//! grants nothing.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

/// Whether `role` is a superuser, owns the extension, or may execute this function: through PUBLIC or
/// another role, too.
pub fn is_trusted_with(
    role: pg_sys::Oid,
    extension: &CStr,
    schema: &CStr,
    function: &CStr,
    arguments: &[pg_sys::Oid],
) -> bool {
    super::rights::is_superuser(role)
        || may_execute(role, schema, function, arguments)
        || owns_extension(role, extension)
}

fn may_execute(
    role: pg_sys::Oid,
    schema: &CStr,
    function: &CStr,
    arguments: &[pg_sys::Oid],
) -> bool {
    // SAFETY: syscache look-ups by NUL-terminated names and a vector of that many oids, inside a
    // transaction; the tuple is read before it is released.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let arguments = pg_sys::buildoidvector(arguments.as_ptr(), arguments.len() as i32);
        let tuple = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            pg_sys::Datum::from(function.as_ptr()),
            pg_sys::Datum::from(arguments),
            pg_sys::Datum::from(schema),
        );
        if tuple.is_null() {
            return false;
        }
        let oid = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>()).oid;
        pg_sys::ReleaseSysCache(tuple);
        let execute = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
        #[cfg(feature = "pg15")]
        let may = pg_sys::pg_proc_aclcheck(oid, role, execute);
        #[cfg(not(feature = "pg15"))]
        let may = pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, oid, role, execute);
        may == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// Whether `role` owns the extension. That it does not is remembered, because it is asked at each login
/// and no cache of Postgres's has an extension's owner.
///
/// SECURITY: only a "no" is remembered, and until a function changes: `REASSIGN OWNED`, which alone gives an
/// extension to another role, gives its functions away in the same transaction.
fn owns_extension(role: pg_sys::Oid, name: &CStr) -> bool {
    thread_local! {
        static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    }
    if NO_OWNER.get() == Some(role) {
        return false;
    }
    if !IS_WATCHED.replace(true) {
        let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let nothing = pg_sys::Datum::null();
        // SAFETY: once in a process; the function forgets, and nothing else.
        unsafe { pg_sys::CacheRegisterSyscacheCallback(functions, Some(forget_no_owner), nothing) };
    }
    let is_owner = owner_of_extension(name) == Some(role);
    NO_OWNER.set((!is_owner).then_some(role));
    is_owner
}

thread_local! {
    /// The role that was last seen not to own the extension.
    static NO_OWNER: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

unsafe extern "C-unwind" fn forget_no_owner(_: pg_sys::Datum, _: i32, _: u32) {
    NO_OWNER.set(None);
}

fn owner_of_extension(name: &CStr) -> Option<pg_sys::Oid> {
    let mut padded = pg_sys::NameData::default();
    for (to, from) in padded.data.iter_mut().zip(name.to_bytes()) {
        *to = *from as std::ffi::c_char;
    }
    // SAFETY: a scan of a catalog by its index, as Postgres itself makes it; the key lives until it has
    // ended, and the tuple is read before that.
    unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let catalog = pg_sys::table_open(pg_sys::ExtensionRelationId, lock);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &raw mut key,
            pg_sys::Anum_pg_extension_extname as i16,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::F_NAMEEQ.into(),
            pg_sys::Datum::from(&raw const padded),
        );
        let index = pg_sys::Oid::from(pg_sys::ExtensionNameIndexId);
        let newest = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(catalog, index, true, newest, 1, &raw mut key);
        let tuple = pg_sys::systable_getnext(scan);
        let owner = (!tuple.is_null())
            .then(|| (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_extension>()).extowner);
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, lock);
        owner
    }
}
