//! The life of our background processes: how they are registered and started, what the rest of the
//! server knows of them, and what their end leaves in shared memory.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgrx::bgworkers::{
    BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
};
use pgrx::{pg_guard, pg_sys};

use crate::pg::session;
use crate::shmem::{self, signs, wake};

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

/// A worker that was started, and may have ended.
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

/// Makes this process known as the launcher until it ends.
pub fn claim_launcher_slot() {
    if let Some(shared) = shmem::get() {
        // SAFETY: a callback that only writes atomics; MyLatch is this process's.
        unsafe {
            pg_sys::before_shmem_exit(Some(on_launcher_exit), pg_sys::Datum::from(0));
            shared.launcher.store(pg_sys::MyLatch, Ordering::Release);
        }
    }
}

/// Makes this process known as its database's worker until it ends, on whatever way; `at_exit` runs
/// first then. `false`: there is another, or shared memory has no slot left for this database.
pub fn register_worker(at_exit: fn()) -> bool {
    if !shmem::has_slot() {
        return false;
    }
    AT_EXIT.set(Some(at_exit));
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

/// Call before a poll of the database: work that is committed from now on may not be seen by it.
pub fn clear_pending_wakeup() {
    if let Some(slot) = known_slot() {
        slot.pending_wakeup.store(false, Ordering::SeqCst);
    }
}

/// Whether there was work since [`clear_pending_wakeup`].
pub fn has_pending_wakeup() -> bool {
    known_slot().is_some_and(|slot| slot.pending_wakeup.load(Ordering::SeqCst))
}

/// The poll has to be repeated, by another process if this one ends.
pub fn set_pending_wakeup() {
    if let Some(slot) = known_slot() {
        slot.pending_wakeup.store(true, Ordering::SeqCst);
    }
}

/// The slot of this process's database; a database without the extension has none as a rule.
fn known_slot() -> Option<&'static shmem::Slot> {
    shmem::get()?.known_slot(session::database())
}

#[pg_guard]
unsafe extern "C-unwind" fn on_launcher_exit(_code: i32, _arg: pg_sys::Datum) {
    if let Some(shared) = shmem::get() {
        shared.launcher.store(std::ptr::null_mut(), Ordering::Release);
        shared.waiting.store(0, Ordering::Release);
    }
}

/// This worker ends because it is not needed; the launcher need not start another.
pub fn exit_without_restart() {
    NO_RESTART.set(true);
}

/// This worker ends to make room; the launcher starts another after `time`, or when there is work.
pub fn exit_and_restart_in(time: Duration) {
    exit_without_restart();
    shmem::slot().turn.restart_in(time);
}

/// This database needs no worker until there is work.
pub fn cancel_restart() {
    if let Some(slot) = known_slot() {
        slot.turn.cancel_restart();
    }
}

/// Whether other databases wait for a process.
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

thread_local! {
    // Of the process's main thread, which is the only one that runs `on_worker_exit`.
    static AT_EXIT: Cell<Option<fn()>> = const { Cell::new(None) };
    static NO_RESTART: Cell<bool> = const { Cell::new(false) };
}

#[pg_guard]
unsafe extern "C-unwind" fn on_worker_exit(code: i32, _arg: pg_sys::Datum) {
    if let Some(at_exit) = AT_EXIT.take() {
        at_exit();
    }
    let slot = shmem::slot();
    if !NO_RESTART.get() {
        slot.pending_wakeup.store(true, Ordering::Release);
        // Not for a change of its settings, say: then it returns.
        if code != 0 {
            signs::worker_ended(&slot.signs);
        }
    }
    slot.latch.store(std::ptr::null_mut(), Ordering::SeqCst);
    slot.breaker_reason.store(0, Ordering::Release);
    slot.pid.store(0, Ordering::SeqCst);
    // The postmaster notifies the launcher that started this process; another may run by now.
    wake::launcher();
}
