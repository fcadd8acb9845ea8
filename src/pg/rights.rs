//! With whose rights a statement of ours is planned and run.
//!
//! SECURITY: reading a table, and even planning to read it, runs code of whoever owns it: functions
//! in its indexes' expressions, in views, in row security, casts of its columns' types. So nothing
//! is ever planned or run with more rights than the owner of the relation that it touches has, and,
//! as Postgres does for ANALYZE, REINDEX and REFRESH MATERIALIZED VIEW, inside a security-restricted
//! operation: such code can neither take on another role nor leave anything behind in the session.

use std::ffi::CStr;

use pgrx::pg_sys;

/// The search path of every statement of ours. `pg_temp` is named, and last: one that is not named
/// is searched first for types.
pub const SEARCH_PATH: &CStr = c"pg_catalog, pg_temp";

/// The role that owns `public.cometchat_users`, may write our other tables, and nothing else.
const ROLE: &CStr = c"cometchat_ext";

unsafe extern "C-unwind" {
    // Exported by the server, missing from pgrx's bindings.
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: i32,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

/// How a statement locks what it names. The lock is taken before the owner is looked up: what a
/// statement waits for only later could be put in the place of what was looked at.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    Read,
    /// `SELECT ... FOR KEY SHARE`.
    KeyShare,
    Write,
    /// `CREATE TRIGGER`, `ALTER TABLE ... ADD FOREIGN KEY`.
    Define,
}

impl Lock {
    fn mode(self) -> i32 {
        let mode = match self {
            Lock::Read => pg_sys::AccessShareLock,
            Lock::KeyShare => pg_sys::RowShareLock,
            Lock::Write => pg_sys::RowExclusiveLock,
            Lock::Define => pg_sys::ShareRowExclusiveLock,
        };
        mode as i32
    }
}

/// Whose rights.
#[derive(Clone, Copy, Debug)]
pub enum Rights {
    /// Those of the role `cometchat_ext`. For statements on our own tables: somebody who was granted
    /// TRIGGER on them gets no more.
    Ours,
    /// The same, for statements that name `public.cometchat_users`. Whoever owns the database may
    /// rename the schema public, and make another: the table must be the role's.
    OursOnMapping(Lock),
    /// The server's own, for statements on `pg_catalog` alone.
    Catalog,
    /// Those of the owner of this schema's relation, which others have made.
    OwnerOf(&'static CStr, &'static CStr, Lock),
}

impl Rights {
    /// The role that they are of; `None` when the relation does not exist. What is looked at stays
    /// locked, and so what it is, until the transaction ends.
    pub fn role(self) -> Option<pg_sys::Oid> {
        // SAFETY: a syscache look-up by a NUL-terminated name, inside a transaction.
        let ours = || unsafe { pg_sys::get_role_oid(ROLE.as_ptr(), true) };
        match self {
            Rights::Ours => Some(ours()).filter(|role| *role != pg_sys::InvalidOid),
            Rights::OursOnMapping(lock) => {
                let users = relation(c"public", c"cometchat_users", lock)?;
                let role = ours();
                (users.owner == role).then_some(role)
            }
            Rights::Catalog => Some(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID)),
            Rights::OwnerOf(schema, name, lock) => {
                relation(schema, name, lock).map(|relation| relation.owner)
            }
        }
    }

    /// Runs `f` with them. Where the relation is gone, an error is raised.
    pub fn run<T>(self, f: impl FnOnce() -> T) -> T {
        let Some(role) = self.role() else {
            let what = match self {
                Rights::OwnerOf(schema, name, _) => {
                    format!("{}.{}", schema.to_string_lossy(), name.to_string_lossy())
                }
                _ => "public.cometchat_users".to_owned(),
            };
            let code = pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            pgrx::ereport!(ERROR, code, format!("{what} is gone, or another is in its place"));
        };
        run_as(role, f)
    }
}

/// Runs `f` as `role`, inside a security-restricted operation, with [`SEARCH_PATH`] and our settings of
/// the planner.
///
/// If `f` raises, role and settings are put back by the end of the (sub)transaction, as everywhere
/// in Postgres.
pub fn run_as<T>(role: pg_sys::Oid, f: impl FnOnce() -> T) -> T {
    let restricted = pg_sys::SECURITY_RESTRICTED_OPERATION
        | pg_sys::SECURITY_LOCAL_USERID_CHANGE
        // An owner who FORCEs row security on a table would hide rows, and who is hidden counts as
        // deleted.
        | pg_sys::SECURITY_NOFORCE_RLS;
    // SAFETY: the frame that Postgres itself uses, in vacuum_rel() say: remember, switch, put back.
    unsafe {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
        pin_search_path();
        super::planning::pin();
        let value = f();
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(user, context);
        value
    }
}

/// Whether this is inside somebody's security-restricted operation: an index's expression during a
/// superuser's ANALYZE, say. Then the role outside of all functions says nothing about who calls.
pub fn are_restricted() -> bool {
    // SAFETY: reads a global.
    unsafe { pg_sys::InSecurityRestrictedOperation() }
}

/// # Safety
/// Inside a nest level of settings, which undoes it.
unsafe fn pin_search_path() {
    // SAFETY: NUL-terminated strings; the value lives until the next call and is only compared.
    unsafe {
        let name = c"search_path".as_ptr();
        let now = pg_sys::GetConfigOption(name, true, false);
        if now.is_null() || CStr::from_ptr(now) != SEARCH_PATH {
            super::session::save_setting(c"search_path", SEARCH_PATH);
        }
    }
}

/// What the catalog says of a relation.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    /// `r`, `p`, `v`, …: `pg_class.relkind`.
    pub kind: u8,
}

/// Looks a relation up by its schema and name, and locks it against being replaced or given to
/// another owner until the transaction ends.
///
/// SECURITY: the statement that follows looks the name up once more. Without the lock it could find
/// another relation than the one whose owner was looked at.
pub fn relation(schema: &CStr, name: &CStr, lock: Lock) -> Option<Relation> {
    let mut oid = look_up(schema, name)?;
    // SAFETY: locks as any statement takes them; an error of waiting too long is raised through. The
    // tuple is read before it is released.
    unsafe {
        loop {
            // Waits for whoever is changing it, and learns of what they did.
            pg_sys::LockRelationOid(oid, lock.mode());
            match look_up(schema, name) {
                Some(same) if same == oid => break,
                Some(other) => {
                    pg_sys::UnlockRelationOid(oid, lock.mode());
                    oid = other;
                }
                None => return None,
            }
        }
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(oid),
        );
        if tuple.is_null() {
            return None;
        }
        let class = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let found = Relation { oid, owner: (*class).relowner, kind: (*class).relkind as u8 };
        let has_children = (*class).relhassubclass;
        pg_sys::ReleaseSysCache(tuple);
        if has_children && is_superuser(found.owner) {
            refuse_children_of_others(oid);
        }
        Some(found)
    }
}

/// Raises an error where a superuser's table has a child, or a partition, that is somebody else's: its
/// indexes would be planned, and its columns read, with the superuser's rights.
///
/// # Safety
/// A table that is locked.
unsafe fn refuse_children_of_others(oid: pg_sys::Oid) {
    // SAFETY: as above; the list and the tuples are Postgres's own, and only read.
    unsafe {
        let mode = pg_sys::AccessShareLock as i32;
        // It may wait for locks, and raise: guarded as pgrx guards what it binds itself.
        let children = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
            find_all_inheritors(oid, mode, std::ptr::null_mut())
        });
        let children = pgrx::PgList::<pg_sys::Oid>::from_pg(children);
        for child in children.iter_oid() {
            let kind = pg_sys::SysCacheIdentifier::RELOID as i32;
            let tuple = pg_sys::SearchSysCache1(kind, pg_sys::Datum::from(child));
            if tuple.is_null() {
                continue;
            }
            let owner = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relowner;
            pg_sys::ReleaseSysCache(tuple);
            if !is_superuser(owner) {
                let code = pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
                let message = "a superuser's table has a child table that belongs to another role";
                pgrx::ereport!(ERROR, code, message);
            }
        }
    }
}

impl Relation {
    /// The type of a column, a domain's that below it; `None` when there is no such column.
    pub fn type_of(self, column: &CStr) -> Option<pg_sys::Oid> {
        // SAFETY: syscache look-ups by an oid and a NUL-terminated name, inside a transaction.
        unsafe {
            let number = pg_sys::get_attnum(self.oid, column.as_ptr());
            (number > 0).then(|| pg_sys::getBaseType(pg_sys::get_atttype(self.oid, number)))
        }
    }
}

fn look_up(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: syscache look-ups by NUL-terminated names, inside a transaction.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if namespace == pg_sys::InvalidOid {
            return None;
        }
        let oid = pg_sys::get_relname_relid(name.as_ptr(), namespace);
        (oid != pg_sys::InvalidOid).then_some(oid)
    }
}

/// Gives the rest of the calling definer function the rights of `cometchat_ext` instead of its
/// owner's. With `restricted`, also makes it a security-restricted operation: triggers that others may
/// have put on what it writes can neither wait for the commit, when other rights are in force, nor pass
/// for its caller.
pub fn become_ours(restricted: bool) {
    let Some(role) = Rights::Ours.role() else {
        pgrx::ereport!(
            ERROR,
            pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            "role \"cometchat_ext\" does not exist"
        );
    };
    let mut more = pg_sys::SECURITY_LOCAL_USERID_CHANGE;
    if restricted {
        more |= pg_sys::SECURITY_RESTRICTED_OPERATION;
    }
    // SAFETY: the frame that Postgres makes for a definer puts back what was in force before it.
    unsafe {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        if context & pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 == 0 {
            let code = pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
            pgrx::ereport!(ERROR, code, "only a definer function of cometchat_ext's calls this");
        }
        pg_sys::SetUserIdAndSecContext(role, context | more as i32);
    }
}

/// Whether a role is a superuser.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up, inside a transaction.
    unsafe { pg_sys::superuser_arg(role) }
}

/// Runs `f` so that what it does to objects of others is not taken for a part of the extension that
/// is being created.
pub fn outside_of_extension(f: impl FnOnce()) {
    /// Also after an error, which an EXCEPTION clause in the script may catch.
    struct PutBack(bool);
    impl Drop for PutBack {
        fn drop(&mut self) {
            // SAFETY: a plain global.
            unsafe { pg_sys::creating_extension = self.0 };
        }
    }
    // SAFETY: a plain global.
    let _put_back = PutBack(unsafe { pg_sys::creating_extension });
    // SAFETY: as above.
    unsafe { pg_sys::creating_extension = false };
    f();
}
