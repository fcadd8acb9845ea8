//! The databases of the cluster.

use pgrx::pg_sys;

/// A database of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Database {
    pub oid: u32,
    /// It may have a worker: it accepts connections, and is no template, which can only be copied
    /// while no process is connected to it.
    pub open: bool,
}

/// `DATCONNLIMIT_INVALID_DB`: a DROP DATABASE did not come to its end.
const INVALID: i32 = -2;

/// The databases of the cluster.
pub fn databases() -> Vec<Database> {
    let mut found = Vec::new();
    // SAFETY: a scan of a shared catalog inside a transaction, as the autovacuum launcher does it.
    unsafe {
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let relation =
            pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            let open =
                (*form).datallowconn && !(*form).datistemplate && (*form).datconnlimit != INVALID;
            found.push(Database { oid: (*form).oid.into(), open });
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
    }
    found
}
