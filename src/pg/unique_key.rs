//! Reads the one row of a table that has a given uuid in a unique column: no statement, no plan.
//!
//! SECURITY: no code of others runs here, so no rights are taken on. The key is a plain uuid column,
//! compared by Postgres's own function; columns are read as the types that they are, without a cast; row
//! security, rules and triggers have no part in it. The caller has found the table with
//! [`super::rights::plain_table`], which looks whether its reader may read it. Whatever is not as
//! simple as that is for the caller to read by a statement.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;
use uuid::Uuid;

use super::relation::Relation;
use super::stored_row::{column, resolve};
pub use super::stored_row::{StoredRow, Wanted};

/// It is not as simple as that: the table has no such key, a column is of another type, a value is stored
/// elsewhere, or a lock would have to be waited for.
#[derive(Debug)]
pub struct NotPlain;

/// A table that is open, and the index of its key.
struct Table {
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
}

/// The family of operators that compare uuids in a btree: `uuid_ops` of `pg_opfamily.dat`.
const UUID_OPS: u32 = 2968;

/// Runs `f` while rows are read as they are now: as of one moment, and after what this transaction has
/// done, at any isolation level.
pub fn as_of_now<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: inside a transaction; pushed and popped on every way out that is not an error.
    unsafe {
        pg_sys::CommandCounterIncrement(); // what the command before has written is seen
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let value = f();
        pg_sys::PopActiveSnapshot();
        value
    }
}

/// Hands the row of a table that is locked whose unique column `key` is `id` to `read`; `None` when there is
/// none. Inside [`as_of_now`].
///
/// # Errors
/// [`NotPlain`].
pub fn find<T>(
    relation: Relation,
    key: &CStr,
    id: Uuid,
    columns: &[Wanted],
    read: impl FnOnce(&StoredRow) -> T,
) -> Result<Option<T>, NotPlain> {
    let table = Table::open(relation, key)?;
    let found = table.find(id, columns, read);
    table.close();
    found
}

impl Table {
    /// Opens a table that is locked.
    ///
    /// # Errors
    /// No column of that name is a uuid and unique by itself.
    fn open(relation: Relation, key: &CStr) -> Result<Table, NotPlain> {
        // SAFETY: the table is locked, and so is its index before it is opened. What is opened here is
        // closed with the table, or by Postgres where an error ends the (sub)transaction.
        unsafe {
            let heap = pg_sys::table_open(relation.oid, pg_sys::NoLock as i32);
            let number = column((*heap).rd_att, key, 0).map(|found| found.number);
            if let Some(index) = number.and_then(|number| open_key(heap, number)) {
                return Ok(Table { heap, index });
            }
            pg_sys::table_close(heap, pg_sys::NoLock as i32);
            Err(NotPlain)
        }
    }

    /// Hands the row whose key is `id` to `read`; `None` when there is none. Inside [`as_of_now`].
    ///
    /// # Errors
    /// A column is of another type, or its value is compressed or stored elsewhere: to fetch it may take
    /// long, wait for a lock, or find it damaged.
    fn find<T>(
        &self,
        id: Uuid,
        columns: &[Wanted],
        read: impl FnOnce(&StoredRow) -> T,
    ) -> Result<Option<T>, NotPlain> {
        // SAFETY: the table is open.
        let resolved = unsafe { resolve((*self.heap).rd_att, columns) }.ok_or(NotPlain)?;
        let id = pgrx::Uuid::from_bytes(id.into_bytes());
        // SAFETY: table and index are open and belong together; the key is of the index's type, and lives
        // until the scan has ended. What is made here ends here, or with an error.
        unsafe {
            let argument = pgrx::IntoDatum::into_datum(id).unwrap_or(pg_sys::Datum::null());
            let mut key = pg_sys::ScanKeyData::default();
            let equals = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
            pg_sys::ScanKeyInit(&raw mut key, 1, equals, pg_sys::F_UUID_EQ.into(), argument);
            let scan = self.begin_scan();
            pg_sys::index_rescan(scan, &raw mut key, 1, std::ptr::null_mut(), 0);
            let slot = pg_sys::table_slot_create(self.heap, std::ptr::null_mut());
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            let found = pg_sys::index_getnext_slot(scan, forward, slot);
            let row = StoredRow { slot, columns, resolved: &resolved, next: Cell::new(0) };
            if found {
                row.take_apart();
            }
            let value = match found {
                true if resolved.iter().flatten().all(|column| row.is_inline(column)) => {
                    Ok(Some(read(&row)))
                }
                true => Err(NotPlain),
                false => Ok(None),
            };
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::index_endscan(scan);
            value
        }
    }

    /// # Safety
    /// With an active snapshot.
    unsafe fn begin_scan(&self) -> pg_sys::IndexScanDesc {
        // SAFETY: as the caller says.
        unsafe {
            let snapshot = pg_sys::GetActiveSnapshot();
            #[cfg(not(feature = "pg18"))]
            return pg_sys::index_beginscan(self.heap, self.index, snapshot, 1, 0);
            #[cfg(feature = "pg18")]
            return pg_sys::index_beginscan(
                self.heap,
                self.index,
                snapshot,
                std::ptr::null_mut(),
                1,
                0,
            );
        }
    }

    /// Closes it; the locks stay until the transaction ends.
    fn close(self) {
        // SAFETY: both are open.
        unsafe {
            pg_sys::index_close(self.index, pg_sys::NoLock as i32);
            pg_sys::table_close(self.heap, pg_sys::NoLock as i32);
        }
    }
}

/// The index that says that this column alone, from 1, is a unique uuid: the primary key as a rule.
///
/// # Safety
/// A table that is open and locked.
unsafe fn open_key(heap: pg_sys::Relation, column: i32) -> Option<pg_sys::Relation> {
    // SAFETY: as the caller says; the list is Postgres's own copy.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let primary = pg_sys::RelationGetPrimaryKeyIndex(heap);
        #[cfg(feature = "pg18")]
        let primary = pg_sys::RelationGetPrimaryKeyIndex(heap, false);
        if primary != pg_sys::InvalidOid {
            if let Some(index) = open_if_key(primary, column) {
                return Some(index);
            }
        }
        let indexes = pgrx::PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(heap));
        let index = indexes.iter_oid().find_map(|index| open_if_key(index, column));
        pg_sys::list_free(indexes.into_pg());
        index
    }
}

/// Opens an index if it is that, and if its lock is free.
///
/// # Safety
/// An index of a table that is locked.
unsafe fn open_if_key(index: pg_sys::Oid, column: i32) -> Option<pg_sys::Relation> {
    // SAFETY: it is locked before it is opened, has at least one key, and is closed where it is not the one.
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(index, pg_sys::AccessShareLock as i32) {
            return None;
        }
        let index = pg_sys::index_open(index, pg_sys::NoLock as i32);
        let form = (*index).rd_index;
        let partial = pg_sys::Anum_pg_index_indpred as i32;
        let is_key = (*form).indisunique
            && (*form).indimmediate
            && (*form).indisvalid
            // It may lack old versions of rows, which an older snapshot sees.
            && !(*form).indcheckxmin
            && (*form).indnkeyatts == 1
            && i32::from(*(*form).indkey.values.as_ptr()) == column
            && (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
            && u32::from(*(*index).rd_opfamily) == UUID_OPS
            && pg_sys::heap_attisnull((*index).rd_indextuple, partial, std::ptr::null_mut());
        if !is_key {
            pg_sys::index_close(index, pg_sys::NoLock as i32);
        }
        is_key.then_some(index)
    }
}
