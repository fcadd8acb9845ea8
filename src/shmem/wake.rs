//! Wakes the database's worker when, and only if, the transaction commits.
//!
//! One callback for the process's whole life, and a flag: arming it costs nothing, and thousands
//! of waking transactions in a session leave nothing behind.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use pgrx::{pg_guard, pg_sys};

use super::memory;

thread_local! {
    // What the current transaction's commit is to do; cleared at its end.
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static STARTS_WORKER: Cell<bool> = const { Cell::new(false) };
    static CREATED: Cell<bool> = const { Cell::new(false) };
}

/// The worker of this database is to poll its queue once this transaction has committed.
///
/// A prepared transaction, or one that commits where the library is not preloaded, wakes no
/// worker: its probe once a minute, or `process_queue`, finds the rows.
pub fn at_commit() {
    if memory::get().is_none() {
        return;
    }
    if !REGISTERED.get() {
        // SAFETY: registered once; the callback stays valid, since libraries are never unloaded.
        unsafe { pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut()) };
        REGISTERED.set(true);
    }
    // SAFETY: a plain global.
    if unsafe { pg_sys::creating_extension } {
        CREATED.set(true);
    } else {
        ARMED.set(true);
    }
}

/// The same, and a paused worker is started again. What held sending back, a rate limit that was announced
/// or an outage, is tried again.
pub fn start_worker_at_commit() {
    if memory::get().is_none() {
        memory::slot().limiter.with(|limiter| limiter.try_again());
    }
    STARTS_WORKER.set(true);
    at_commit();
}

/// Whether this database has a worker now.
pub fn worker_is_up() -> bool {
    memory::get().is_some() && memory::slot().pid.load(Ordering::Acquire) != 0
}

/// After the commit record is written an error would be a crash: this only reads atomics and sets
/// a latch, neither of which can fail.
#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    if !ARMED.get() && !CREATED.get() {
        return;
    }
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => {
            let (armed, created) = (ARMED.replace(false), CREATED.replace(false));
            let slot = memory::slot();
            if armed {
                slot.created_at.store(0, Ordering::Release);
            } else if created {
                // SAFETY: a plain global, and a function that reads the clock.
                let (pid, now) = unsafe { (pg_sys::MyProcPid, pg_sys::GetCurrentTimestamp()) };
                slot.creator.store(pid, Ordering::Release);
                slot.created_at.store(now, Ordering::Release);
            }
            if STARTS_WORKER.replace(false) {
                slot.paused_by_operator.store(false, Ordering::Release);
                slot.start_over.store(true, Ordering::Release);
                slot.limiter.with(|limiter| limiter.try_again());
            }
            worker();
        }
        pg_sys::XactEvent::XACT_EVENT_ABORT | pg_sys::XactEvent::XACT_EVENT_PREPARE => {
            ARMED.set(false);
            STARTS_WORKER.set(false);
            CREATED.set(false);
        }
        _ => {}
    }
}

/// Wakes this database's worker now, or has the launcher start it.
pub fn worker() {
    if memory::get().is_none() {
        return;
    }
    let slot = memory::slot();
    // In this order: a worker that is just leaving, or resets its latch while it awaits a lock,
    // finds it, or the launcher does.
    if !slot.paused_by_operator.load(Ordering::SeqCst) {
        slot.pending_wakeup.store(true, Ordering::SeqCst);
    }
    let latch = slot.latch.load(Ordering::SeqCst);
    if !latch.is_null() {
        set(latch);
    } else if !slot.paused_by_operator.load(Ordering::SeqCst) {
        launcher();
    }
}

/// Wakes the launcher.
pub fn launcher() {
    let Some(shared) = memory::get() else { return };
    let launcher = shared.launcher.load(Ordering::Acquire);
    if !launcher.is_null() {
        set(launcher);
    }
}

/// A process's latch lives in shared memory as long as the server; setting one whose owner has
/// just gone wakes, at worst, another process once for nothing.
pub fn set(latch: *mut pg_sys::Latch) {
    // SAFETY: as said.
    unsafe { pg_sys::SetLatch(latch) };
}
