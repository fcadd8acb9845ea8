//! One call at a time for one user: one works, up to three wait.
//!
//! Heavyweight locks of the transaction, so that the next caller finds what this one committed.
//! They carry a tag of our own in the advisory space and cannot meet an application's advisory
//! locks (whose fourth field is 1 or 2).
//!
//! Their number is bounded: the server has room for a few thousand, for all its sessions. A
//! large transaction keeps one lock that says so ([`has_large_transactions`]), and releases each
//! further user's with its call. What it has written of such a user is locked as a row; the next
//! caller waits for that.

use std::cell::Cell;
use std::ffi::c_void;
use std::time::{Duration, Instant};

use pgrx::{pg_guard, pg_sys};
use uuid::Uuid;

use super::latch;

/// Callers that may wait for one user while another works.
const MAX_WAITERS: u16 = 3;

/// The fourth field of our lock tags: the user's lock; then the places in the queue for it.
const LOCK_TAG: u16 = 0x4343;

/// The lock of a large transaction, on the whole database: it has worked on more users than it keeps
/// locks for.
const LARGE_TRANSACTION_TAG: u16 = LOCK_TAG + MAX_WAITERS + 1;

/// Users whose locks a transaction keeps until its end.
const MAX_HELD: u32 = 32;

thread_local! {
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
    /// Users that this transaction has locked and not released.
    static HELD_COUNT: Cell<u32> = const { Cell::new(0) };
}

/// How a wait for the user's lock ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is ours until the transaction ends, or [`release_user`].
    Acquired,
    /// All places are taken.
    QueueFull,
    /// The deadline passed.
    TimedOut,
    /// An interrupt raised an error: call [`latch::rethrow_pending_error`].
    Interrupted,
}

/// Takes the lock on `user`, waiting until `deadline` if another call has it.
pub fn user(user: Uuid, deadline: Instant) -> Outcome {
    if try_lock(user, LOCK_TAG) {
        return Outcome::Acquired;
    }
    let Some(place) = (LOCK_TAG + 1..=LOCK_TAG + MAX_WAITERS).find(|place| try_lock(user, *place))
    else {
        return Outcome::QueueFull;
    };
    // Polled rather than queued for: a wait in the lock manager could not end at our deadline
    // without raising an error. Three waiters at most make this cheap.
    let mut pause = Duration::from_millis(1);
    let outcome = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Outcome::TimedOut;
        }
        if latch::sleep(pause.min(left)).is_err() {
            return Outcome::Interrupted; // the transaction ends, and its locks with it
        }
        if try_lock(user, LOCK_TAG) {
            break Outcome::Acquired;
        }
        pause = (pause * 2).min(Duration::from_millis(8));
    };
    release(user, place);
    outcome
}

/// Takes the lock on `user` for the rest of this transaction if no call has it, and the transaction
/// may keep one more.
pub fn is_free(user: Uuid) -> bool {
    HELD_COUNT.get() < MAX_HELD && try_lock(user, LOCK_TAG) && {
        count_one();
        true
    }
}

/// Whether the transaction keeps a user's lock until its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// It has enough of them: [`release_user`] is to be called with the end of the call.
    No,
}

/// A call has taken its user's lock, and asks whether the transaction may keep it.
pub fn keep_until_end() -> Kept {
    if HELD_COUNT.get() < MAX_HELD {
        count_one();
        return Kept::Yes;
    }
    // It conflicts only with the check in `has_large_transactions`, which is over at once.
    // SAFETY: a fully initialised tag; an error of waiting is raised through.
    unsafe {
        let mode = pg_sys::RowExclusiveLock as i32;
        pg_sys::LockAcquire(
            &tag(Uuid::from_bytes([0; 16]), LARGE_TRANSACTION_TAG),
            mode,
            false,
            false,
        );
    }
    Kept::No
}

/// The call is over whose lock is not [`Kept`].
pub fn release_user(user: Uuid) {
    release(user, LOCK_TAG);
}

/// Whether a transaction of another session keeps fewer locks than it has worked on users.
pub fn has_large_transactions() -> bool {
    let tag = tag(Uuid::from_bytes([0; 16]), LARGE_TRANSACTION_TAG);
    let mode = pg_sys::ShareLock as i32;
    // SAFETY: a fully initialised tag; this neither blocks nor raises, and is released at once.
    unsafe {
        let got = pg_sys::LockAcquire(&tag, mode, false, true);
        if got == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return true;
        }
        pg_sys::LockRelease(&tag, mode, false);
    }
    false
}

fn count_one() {
    if !REGISTERED.get() {
        // SAFETY: registered once; the callback stays valid, since libraries are never unloaded.
        unsafe { pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut()) };
        REGISTERED.set(true);
    }
    HELD_COUNT.set(HELD_COUNT.get() + 1);
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if matches!(event, XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE) {
        HELD_COUNT.set(0);
    }
}

fn try_lock(user: Uuid, field4: u16) -> bool {
    // SAFETY: a fully initialised tag; LockAcquire with dontWait neither blocks nor raises for a
    // lock that is taken. The lock manager releases it at the end of the transaction.
    unsafe {
        pg_sys::LockAcquire(&tag(user, field4), pg_sys::ExclusiveLock as i32, false, true)
            != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

fn release(user: Uuid, field4: u16) {
    // SAFETY: a fully initialised tag of a lock that this transaction holds.
    unsafe { pg_sys::LockRelease(&tag(user, field4), pg_sys::ExclusiveLock as i32, false) };
}

fn tag(user: Uuid, field4: u16) -> pg_sys::LOCKTAG {
    let bytes = user.as_bytes();
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    pg_sys::LOCKTAG {
        // SAFETY: a global that is set for good when the backend connects.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.into(),
        locktag_field2: word(0) ^ word(8),
        locktag_field3: word(4) ^ word(12),
        locktag_field4: field4,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}
