//! The rights with which a statement of ours is planned and run.
//!
//! SECURITY: reading a table, and even planning to read it, runs code of its owner: functions in its
//! indexes' expressions, in views, in row security, casts of its columns' types. So nothing is ever
//! planned or run with more rights than the owner of the relation that it touches has, and, as Postgres does for ANALYZE, REINDEX and REFRESH MATERIALIZED VIEW, inside a security-restricted
//! operation: such code can neither take on another role nor leave anything behind in the session.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::relation::relation_if_free;
pub use super::relation::{is_superuser, relation, Lock, Relation};
use super::{audit, planning, session};

/// The search path of every statement of ours. `pg_temp` is named, and last: one that is not named
/// is searched first for types.
pub const SEARCH_PATH: &CStr = c"pg_catalog, pg_temp";

/// The role that owns `public.cometchat_users`, may write our other tables, and nothing else.
const ROLE: &CStr = c"cometchat_ext";

/// Whose rights a statement has.
#[derive(Clone, Copy, Debug)]
pub enum Rights {
    /// Those of the role `cometchat_ext`. For statements on our own tables: a role that was granted
    /// TRIGGER on them gets no more.
    Ours,
    /// The same, for statements that name `public.cometchat_users`. The owner of the database may
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
            pgrx::ereport!(ERROR, code, format!("{what} does not exist or was replaced"));
        };
        run_as(role, f)
    }
}

/// A table whose rows may be read one by one without taking on rights ([`super::unique_key`]): it is there
/// and an ordinary one, its lock is free, and `reader`, or else its owner, may read it.
pub fn plain_table(schema: &CStr, name: &CStr, reader: Option<pg_sys::Oid>) -> Option<Relation> {
    let table = relation_if_free(schema, name, Lock::Read)?;
    let plain = table.kind == b'r' && table.is_plain_heap && !table.has_children;
    (plain && may_read(reader.unwrap_or(table.owner), &table)).then_some(table)
}

/// Whether `role` may select from the table, and use its schema.
fn may_read(role: pg_sys::Oid, table: &Relation) -> bool {
    let ok = pg_sys::AclResult::ACLCHECK_OK;
    let (usage, select) =
        (pg_sys::ACL_USAGE as pg_sys::AclMode, pg_sys::ACL_SELECT as pg_sys::AclMode);
    // SAFETY: syscache look-ups inside a transaction.
    unsafe {
        #[cfg(feature = "pg15")]
        let may_use = pg_sys::pg_namespace_aclcheck(table.schema, role, usage);
        #[cfg(not(feature = "pg15"))]
        let may_use =
            pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, table.schema, role, usage);
        may_use == ok && pg_sys::pg_class_aclcheck(table.oid, role, select) == ok
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
        planning::pin();
        audit::hide_parameters();
        let value = f();
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(user, context);
        value
    }
}

/// Whether this is inside a security-restricted operation: an index's expression during a
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
            session::save_setting(c"search_path", SEARCH_PATH);
        }
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
            pgrx::ereport!(
                ERROR,
                code,
                "only SECURITY DEFINER functions of cometchat_ext may call this"
            );
        }
        pg_sys::SetUserIdAndSecContext(role, context | more as i32);
    }
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
