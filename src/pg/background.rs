//! What a background process does as Postgres's own do: signals, connecting, waiting, reporting.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use pgrx::pg_sys;

use super::wait_event::WaitEvent;

#[cfg(not(feature = "pg18"))]
use pg_sys::pqsignal;
#[cfg(feature = "pg18")]
use pg_sys::pqsignal_be as pqsignal;

unsafe extern "C-unwind" {
    // Postgres's own handlers, without the guard that pgrx puts around calls from Rust.
    fn SignalHandlerForConfigReload(signal: i32);
    fn die(signal: i32);
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
pub fn wait(fd: Option<BorrowedFd<'_>>, time: Duration, event: WaitEvent) -> bool {
    let mut wanted = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH | pg_sys::WL_TIMEOUT;
    if fd.is_some() {
        wanted |= pg_sys::WL_SOCKET_READABLE;
    }
    pgrx::check_for_interrupts!();
    // SAFETY: on the process's main thread, whose latch MyLatch is.
    let events = unsafe {
        let events = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            wanted as i32,
            fd.map_or(-1, |fd| fd.as_raw_fd()),
            time.as_millis().min(3_600_000) as _,
            event.number(),
        ) as u32;
        if events & pg_sys::WL_LATCH_SET != 0 {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        events
    };
    pgrx::check_for_interrupts!();
    events & pg_sys::WL_LATCH_SET != 0
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

/// How many background processes the server may have, of all kinds.
pub fn max_worker_processes() -> i32 {
    // SAFETY: a plain global.
    unsafe { pg_sys::max_worker_processes }
}
