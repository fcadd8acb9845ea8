//! Waiting the way a backend must: on its latch, serving interrupts.
//!
//! While a request waits, cancel, terminate, the death of the postmaster, procsignal barriers and
//! reloads are served as in any of Postgres's own waits. An ERROR that one of them raises is kept
//! until ureq has unwound, and raised then ([`rethrow_pending_error`]): no socket is leaked and no lock
//! of the connection pool is poisoned.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::pg_sys::{self, panic::CaughtError, PgTryBuilder};
use transport::{Interest, Interrupted, Wait};

use super::wait_event::WaitEvent;

thread_local! {
    // Of the main thread: from the wait in which it was raised until it is raised again.
    static PENDING_ERROR: RefCell<Option<CaughtError>> = const { RefCell::new(None) };
}

/// The waiter of a backend's main thread.
#[derive(Clone, Copy, Debug)]
pub struct LatchWait;

impl Wait for LatchWait {
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        until: Option<Instant>,
    ) -> Result<bool, Interrupted> {
        loop {
            serve_interrupts()?;
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            let socket = match interest {
                Interest::Readable => pg_sys::WL_SOCKET_READABLE,
                Interest::Writable => pg_sys::WL_SOCKET_WRITEABLE,
            };
            if latch_or(Some((fd, socket)), left, WaitEvent::Http)? & socket != 0 {
                return Ok(true);
            }
        }
    }

    fn check(&self) -> Result<(), Interrupted> {
        serve_interrupts()
    }
}

/// Sleeps for `time` or until the latch is set, whichever comes first.
///
/// # Errors
/// [`Interrupted`] when an interrupt raised an error; see [`rethrow_pending_error`].
pub fn sleep(time: Duration) -> Result<(), Interrupted> {
    serve_interrupts()?;
    latch_or(None, Some(time), WaitEvent::Turn)?;
    serve_interrupts()
}

/// Forgets the error of an earlier call that ended by a panic: it is not about the call that begins now.
pub fn discard_pending_error() {
    PENDING_ERROR.take();
}

/// Raises what an interrupt raised while a request was waiting. Call it with ureq off the stack.
pub fn rethrow_pending_error() {
    if let Some(error) = PENDING_ERROR.take() {
        error.rethrow();
    }
}

fn serve_interrupts() -> Result<(), Interrupted> {
    if PENDING_ERROR.with_borrow(Option::is_some) {
        return Err(Interrupted); // the layers above us retry while they unwind
    }
    if !pg_sys::submodules::elog::interrupt_pending() {
        return Ok(());
    }
    keep_error(|| {
        pgrx::check_for_interrupts!();
    })
}

/// One wait; clears the latch if it was set. Returns the events.
fn latch_or(
    socket: Option<(BorrowedFd<'_>, u32)>,
    time: Option<Duration>,
    event: WaitEvent,
) -> Result<u32, Interrupted> {
    let mut wanted = pg_sys::WL_LATCH_SET | pg_sys::WL_EXIT_ON_PM_DEATH;
    // Rounded up to Postgres's milliseconds: waking a fraction early would spin.
    let timeout = time.map_or(-1, |t| t.as_millis().min(60_000) as i64 + 1);
    if time.is_some() {
        wanted |= pg_sys::WL_TIMEOUT;
    }
    let (fd, interest) = socket.map_or((-1, 0), |(fd, interest)| (fd.as_raw_fd(), interest));
    let mut events = 0;
    keep_error(|| {
        // SAFETY: on the backend's main thread, whose latch MyLatch is; the descriptor is borrowed
        // for the time of the call.
        unsafe {
            events = pg_sys::WaitLatchOrSocket(
                pg_sys::MyLatch,
                (wanted | interest) as i32,
                fd,
                timeout as _,
                event.number(),
            ) as u32;
            if events & pg_sys::WL_LATCH_SET != 0 {
                pg_sys::ResetLatch(pg_sys::MyLatch);
            }
        }
    })?;
    Ok(events)
}

/// Runs `f`; an ERROR that it raises is kept for [`rethrow_pending_error`].
fn keep_error(f: impl FnOnce()) -> Result<(), Interrupted> {
    PgTryBuilder::new(AssertUnwindSafe(|| {
        f();
        Ok(())
    }))
    .catch_others(|error| {
        PENDING_ERROR.set(Some(error));
        Err(Interrupted)
    })
    .execute()
}
