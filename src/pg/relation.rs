//! A relation by its schema and name, locked so that it stays what it is.
//!
//! SECURITY: [`super::rights`] relies on it: the owner that is found here is the owner whose rights a
//! statement gets.

use std::ffi::CStr;

use pgrx::pg_sys;

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

/// What the catalog says of a relation.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub schema: pg_sys::Oid,
    /// `r`, `p`, `v`, …: `pg_class.relkind`.
    pub kind: u8,
    /// It has partitions or tables that inherit from it, or had some.
    pub has_children: bool,
    /// Postgres's own heap, and logged: there on a standby, too.
    pub is_plain_heap: bool,
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
            // Waits for a transaction that is changing it, and sees what that one did.
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
        let found = describe(oid)?;
        if found.has_children && is_superuser(found.owner) {
            refuse_children_of_others(oid);
        }
        Some(found)
    }
}

/// The same, if its lock need not be waited for.
pub fn relation_if_free(schema: &CStr, name: &CStr, lock: Lock) -> Option<Relation> {
    // SAFETY: a plain global.
    let heard = || unsafe { pg_sys::SharedInvalidMessageCounter };
    let before = heard();
    let oid = look_up(schema, name)?;
    // SAFETY: a lock that is not waited for; an oid of a relation.
    let locked = unsafe { pg_sys::ConditionalLockRelationOid(oid, lock.mode()) };
    // Whoever takes a lock hears of all changes before it (`RangeVarGetRelidExtended` relies on the same):
    // where there was none, the name still means this relation, and the lock keeps it so.
    if !locked || (heard() != before && look_up(schema, name) != Some(oid)) {
        return None;
    }
    // SAFETY: it is locked.
    unsafe { describe(oid) }
}

/// # Safety
/// A relation that is locked.
unsafe fn describe(oid: pg_sys::Oid) -> Option<Relation> {
    // SAFETY: a syscache look-up; the tuple is read before it is released.
    unsafe {
        let kind = pg_sys::SysCacheIdentifier::RELOID as i32;
        let tuple = pg_sys::SearchSysCache1(kind, pg_sys::Datum::from(oid));
        if tuple.is_null() {
            return None;
        }
        let class = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>();
        let found = Relation {
            oid,
            owner: (*class).relowner,
            schema: (*class).relnamespace,
            kind: (*class).relkind as u8,
            has_children: (*class).relhassubclass,
            is_plain_heap: (*class).relam == pg_sys::HEAP_TABLE_AM_OID
                && (*class).relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT,
        };
        pg_sys::ReleaseSysCache(tuple);
        Some(found)
    }
}

/// Raises an error where a superuser's table has a child, or a partition, that another role owns: its
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

/// Whether a role is a superuser.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up, inside a transaction.
    unsafe { pg_sys::superuser_arg(role) }
}
