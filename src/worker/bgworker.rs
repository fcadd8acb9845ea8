//! The life of our background workers: registration, signals, their place in shared memory.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::bgworkers::{
    BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
};
use pgrx::{pg_guard, pg_sys};

use super::threads;
use crate::shmem::{self, wake};

#[cfg(not(feature = "pg18"))]
use pg_sys::pqsignal;
#[cfg(feature = "pg18")]
use pg_sys::pqsignal_be as pqsignal;

unsafe extern "C-unwind" {
    // Postgres's own handlers, without the guard that pgrx puts around calls from Rust.
    fn SignalHandlerForConfigReload(signal: i32);
    fn die(signal: i32);
}

/// Registers the launcher. Call from `_PG_init` in the postmaster.
pub fn register_launcher() {
    // SAFETY: a plain global.
    if !shmem::preloaded() || unsafe { pg_sys::IsBinaryUpgrade } {
        return;
    }
    BackgroundWorkerBuilder::new("cometchat launcher")
        .set_type("cometchat launcher")
        .set_library("cometchat_ext")
        .set_function("cometchat_launcher_main")
        .enable_spi_access() // shared catalogs only: it connects to no database
        .set_start_time(BgWorkerStartTime::RecoveryFinished) // never on a standby
        .set_restart_time(Some(Duration::from_secs(2)))
        .load();
}

/// A worker that was started, whatever became of it.
pub struct Started(DynamicBackgroundWorker);

impl Started {
    /// Whether the process is gone again.
    pub fn has_ended(&self) -> bool {
        matches!(self.0.pid(), Err(BackgroundWorkerStatus::Stopped))
    }
}

/// Starts a worker for a database, telling the launcher of its end. `None`: no process is free.
pub fn start_worker(database: u32) -> Option<Started> {
    let database = pg_sys::Oid::from(database);
    BackgroundWorkerBuilder::new(&format!("cometchat worker {}", database.to_u32()))
        .set_type("cometchat worker")
        .set_library("cometchat_ext")
        .set_function("cometchat_worker_main")
        .set_argument(Some(pg_sys::Datum::from(database)))
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None) // the launcher starts it again
        // SAFETY: a plain global of this process.
        .set_notify_pid(unsafe { pg_sys::MyProcPid })
        .load_dynamic()
        .ok()
        .map(Started)
}

/// Installs the handlers of an ordinary backend and lets signals in: terminate and cancel act in
/// any wait, as they do in a session.
pub fn accept_signals() {
    // SAFETY: at the start of a background worker, with signals still blocked.
    unsafe {
        pqsignal(pg_sys::SIGHUP as i32, Some(SignalHandlerForConfigReload));
        pqsignal(pg_sys::SIGTERM as i32, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Connects to a database, or, with none, to the shared catalogs only.
pub fn connect(database: Option<pg_sys::Oid>) {
    // SAFETY: once, at the start of a background worker that asked for a connection.
    unsafe {
        match database {
            Some(oid) => {
                pg_sys::BackgroundWorkerInitializeConnectionByOid(oid, pg_sys::InvalidOid, 0)
            }
            None => {
                pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0)
            }
        }
    }
}

/// Reads the configuration again if SIGHUP came. `true`: it did.
pub fn reload_if_asked() -> bool {
    // SAFETY: plain globals; ProcessConfigFile is what every backend calls here.
    unsafe {
        if pg_sys::ConfigReloadPending == 0 {
            return false;
        }
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        true
    }
}

/// Waits for the latch, a descriptor, or the time; serves interrupts. `true`: the latch was set.
pub fn wait(fd: Option<BorrowedFd<'_>>, time: Duration) -> bool {
    let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH | pg_sys::WL_TIMEOUT;
    if fd.is_some() {
        events |= pg_sys::WL_SOCKET_READABLE;
    }
    pgrx::check_for_interrupts!();
    // SAFETY: on the process's main thread, whose latch MyLatch is.
    let came = unsafe {
        let came = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            fd.map_or(-1, |fd| fd.as_raw_fd()),
            time.as_millis().min(3_600_000) as _,
            pg_sys::PG_WAIT_EXTENSION,
        ) as u32;
        if came & pg_sys::WL_LATCH_SET != 0 {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        came
    };
    pgrx::check_for_interrupts!();
    came & pg_sys::WL_LATCH_SET != 0
}

/// Makes this process known as the launcher until it ends.
pub fn claim_launcher_slot() {
    if let Some(shared) = shmem::get() {
        // SAFETY: a callback that only writes atomics; MyLatch is this process's.
        unsafe {
            pg_sys::before_shmem_exit(Some(launcher_gone), pg_sys::Datum::from(0));
            shared.launcher.store(pg_sys::MyLatch, Ordering::Release);
        }
    }
}

/// Makes this process known as its database's worker until it ends. `false`: there is another, or
/// there is no place in shared memory for this database.
pub fn register_worker() -> bool {
    if !shmem::has_place() {
        return false;
    }
    let slot = shmem::slot();
    // SAFETY: as above.
    unsafe {
        let first =
            slot.pid.compare_exchange(0, pg_sys::MyProcPid, Ordering::AcqRel, Ordering::Acquire);
        if first.is_err() {
            return false;
        }
        pg_sys::before_shmem_exit(Some(on_worker_exit), pg_sys::Datum::from(0));
        slot.turn.begin();
        slot.latch.store(pg_sys::MyLatch, Ordering::Release);
    }
    true
}

/// Before a look at the database: whoever has work from now on is not seen by it.
pub fn clear_pending_wakeup() {
    if let Some(slot) = known_slot() {
        slot.pending_wakeup.store(false, Ordering::SeqCst);
    }
}

/// Whether somebody has had work since [`clear_pending_wakeup`].
pub fn has_pending_wakeup() -> bool {
    known_slot().is_some_and(|slot| slot.pending_wakeup.load(Ordering::SeqCst))
}

/// The look has to be repeated, by another process if this one ends.
pub fn set_pending_wakeup() {
    if let Some(slot) = known_slot() {
        slot.pending_wakeup.store(true, Ordering::SeqCst);
    }
}

/// The slot of this process's database; a database without the extension has none as a rule.
fn known_slot() -> Option<&'static shmem::Slot> {
    // SAFETY: a global that is set for good when the process connects.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    shmem::get()?.known_slot(database)
}

#[pg_guard]
unsafe extern "C-unwind" fn launcher_gone(_code: i32, _arg: pg_sys::Datum) {
    if let Some(shared) = shmem::get() {
        shared.launcher.store(std::ptr::null_mut(), Ordering::Release);
        shared.waiting.store(0, Ordering::Release);
    }
}

/// This worker ends because it is not needed; the launcher need not start another.
pub fn exit_without_restart() {
    LEAVING.store(true, Ordering::Relaxed);
}

/// This worker ends for others' sake; the launcher starts another after `time`, or when there is
/// work.
pub fn leave_for(time: Duration) {
    exit_without_restart();
    shmem::slot().turn.look_in(time);
}

/// There is nothing to look at in this database.
pub fn look_no_more() {
    if let Some(slot) = known_slot() {
        slot.turn.look_no_more();
    }
}

/// Whether databases wait for a process.
pub fn others_wait() -> bool {
    shmem::get().is_some_and(|shared| shared.waiting.load(Ordering::Acquire) > 0)
}

/// Wakes the worker that has a slot.
pub fn wake(slot: &shmem::Slot) {
    let latch = slot.latch.load(Ordering::Acquire);
    if !latch.is_null() {
        wake::set(latch);
    }
}

/// How many background processes the server may have, of all kinds.
pub fn max_worker_processes() -> i32 {
    // SAFETY: a plain global.
    unsafe { pg_sys::max_worker_processes }
}

static LEAVING: AtomicBool = AtomicBool::new(false);

#[pg_guard]
unsafe extern "C-unwind" fn on_worker_exit(_code: i32, _arg: pg_sys::Datum) {
    threads::stop();
    let slot = shmem::slot();
    if !LEAVING.load(Ordering::Relaxed) {
        slot.pending_wakeup.store(true, Ordering::Release);
    }
    slot.latch.store(std::ptr::null_mut(), Ordering::SeqCst);
    slot.breaker_reason.store(0, Ordering::Release);
    slot.pid.store(0, Ordering::SeqCst);
    // The postmaster tells the launcher that started this process, who may be another by now.
    wake::launcher();
}

/// What `pg_stat_activity` shows of this process.
pub fn show_activity(text: &CStr) {
    let state = if text.is_empty() {
        pg_sys::BackendState::STATE_IDLE
    } else {
        pg_sys::BackendState::STATE_RUNNING
    };
    // SAFETY: a NUL-terminated string, which is copied.
    unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) };
}

/// Hands this process's table statistics over: autovacuum sees what the worker leaves behind.
pub fn report_statistics() {
    // SAFETY: outside a transaction, as in a backend that becomes idle.
    unsafe { pg_sys::pgstat_report_stat(false) };
}

/// A database of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Database {
    pub oid: u32,
    /// It may have a worker: it accepts connections, and is no template, which can only be copied
    /// while nobody is connected to it.
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
