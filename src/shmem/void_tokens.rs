//! Stored tokens that CometChat has flushed, or may have.
//!
//! A flush is not undone by a rollback, which would bring a dead token back. So before a transaction
//! flushes a token, the token counts as void in all sessions, and the worker forgets it in a
//! transaction of its own: whatever becomes of the first one, the server's end included, the token is
//! not stored any more. What the worker could not forget then, because the row was locked say, stays
//! void until it can. Without the library preloaded only this session knows.

use std::ffi::c_void;
use std::time::{Duration, Instant};

use pgrx::{pg_guard, pg_sys};
use transport::Interrupted;
use uuid::Uuid;

use super::side_effects::SideEffects;
use super::{memory, wake};
use crate::pg::{latch, session};

pub use super::memory::Void;

thread_local! {
    static FLUSHED: SideEffects<Void> = const { SideEffects::new() };
}

/// How long a revocation waits for the worker to forget the token first. It takes a few milliseconds,
/// unless the row is locked; the token is void all the same then.
const WAIT_FOR_WORKER: Duration = Duration::from_millis(100);

/// This token is about to be flushed for the current (sub)transaction: it is void from now on, and
/// forgotten for good if the worker can do that now.
///
/// # Errors
/// An interrupt raised an error while this waited.
pub fn forget_first(user: Uuid, token: &str) -> Result<(), Interrupted> {
    note(user, token);
    // A transaction that sees one snapshot throughout could not write the row after the worker.
    if !wake::worker_is_up() || session::has_one_snapshot() {
        return Ok(());
    }
    wake::worker();
    let until = Instant::now() + WAIT_FOR_WORKER;
    while is_void(user, token) && Instant::now() < until {
        latch::sleep(Duration::from_millis(1))?;
    }
    Ok(())
}

fn note(user: Uuid, token: &str) {
    let void = Void { user, token: hash(token) };
    memory::void_tokens().add(session::database(), void);
    FLUSHED.with(|flushed| {
        flushed.register(at_end, at_subtransaction_end);
        flushed.push(void);
    });
}

/// The current transaction could not forget the user's token after all: it stays void when the
/// transaction commits.
pub fn stays_void(user: Uuid) {
    FLUSHED.with(|flushed| flushed.forget(|void| void.user == user));
    wake::at_commit();
}

/// Whether a stored token of `user` is void.
pub fn is_void(user: Uuid, token: &str) -> bool {
    let all = memory::void_tokens();
    // As a rule there are none, and each login asks.
    !all.is_empty() && all.contains(session::database(), Void { user, token: hash(token) })
}

/// The void tokens of this database that have not been forgotten yet.
pub fn void_tokens() -> Vec<Void> {
    memory::void_tokens().of_database(session::database())
}

/// These have been forgotten for good.
pub fn forgotten(done: &[Void]) {
    memory::void_tokens().remove(session::database(), done);
}

/// Tells tokens apart; says nothing about them.
pub fn hash(token: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(token);
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// What a rollback brings back stays void, and the worker is to forget it.
///
/// At the end of a transaction an error would be a crash, or hide the one that ended it: this only
/// writes memory that is there and sets a latch.
fn rolled_back(back: &[Void]) {
    if !back.is_empty() {
        wake::worker();
    }
}

/// What the transaction has forgotten is not stored any more.
fn committed() {
    let done = FLUSHED.with(SideEffects::take);
    if !done.is_empty() {
        forgotten(&done);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    match event {
        XACT_EVENT_COMMIT => committed(),
        // How a prepared transaction ends is not known here. If it commits, the token is not stored.
        XACT_EVENT_ABORT | XACT_EVENT_PREPARE => rolled_back(&FLUSHED.with(SideEffects::take)),
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    ended: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _arg: *mut c_void,
) {
    use pg_sys::SubXactEvent::{SUBXACT_EVENT_ABORT_SUB, SUBXACT_EVENT_COMMIT_SUB};
    match event {
        SUBXACT_EVENT_COMMIT_SUB => FLUSHED.with(|flushed| flushed.move_to_parent(ended, parent)),
        SUBXACT_EVENT_ABORT_SUB => {
            rolled_back(&FLUSHED.with(|flushed| flushed.take_subtransaction(ended)))
        }
        _ => {}
    }
}
