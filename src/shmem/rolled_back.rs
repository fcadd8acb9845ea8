//! Users for whom a transaction sent a request and was then rolled back.
//!
//! CometChat does not roll back, and what was learned is lost: the worker is to note that what is stored
//! about them is in doubt. They are listed in shared memory, since a transaction that is ending can
//! write nothing else; without the library preloaded, or after a crash, the worker does not learn of them.

use std::cell::Cell;
use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};
use uuid::Uuid;

use super::side_effects::SideEffects;
use super::{memory, wake};
use crate::pg::session;

thread_local! {
    static SENT: SideEffects<Uuid> = const { SideEffects::new() };
    /// Those of whom nothing could be written, though the transaction may commit.
    static UNWRITTEN: Cell<Vec<Uuid>> = const { Cell::new(Vec::new()) };
}

/// A request for this user is about to be sent; what it brings is stored only if the current
/// (sub)transaction commits.
pub fn about_to_send(user: Uuid) {
    if !memory::preloaded() {
        return;
    }
    SENT.with(|sent| {
        sent.register(at_end, at_subtransaction_end);
        sent.push(user); // once for all requests of a call
    });
}

/// What the requests for this user brought could not be written: the worker hears of it however the
/// transaction ends.
pub fn as_if_rolled_back(user: Uuid) {
    if !memory::preloaded() {
        return;
    }
    SENT.with(|sent| sent.register(at_end, at_subtransaction_end));
    let mut unwritten = UNWRITTEN.take();
    if !unwritten.contains(&user) {
        unwritten.push(user);
    }
    UNWRITTEN.set(unwritten);
}

/// Takes the users of this database; give back with [`put_back`] those that could not be dealt with.
pub fn take() -> Vec<Uuid> {
    memory::rolled_back().map_or_else(Vec::new, |users| users.take(session::database()))
}

/// These users are still to be dealt with.
pub fn put_back(users: &[Uuid]) {
    let database = session::database();
    if let Some(rolled_back) = memory::rolled_back() {
        users.iter().for_each(|user| rolled_back.add(database, *user));
    }
}

/// At the end of a transaction an error would be a crash, or hide the one that ended it: this only
/// writes memory that is there and sets a latch.
fn rolled_back(users: &[Uuid]) {
    if !users.is_empty() {
        put_back(users);
        wake::worker();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    match event {
        XACT_EVENT_COMMIT => drop(SENT.with(SideEffects::take)),
        // How a prepared transaction ends is not known here: to ask does no harm.
        XACT_EVENT_ABORT | XACT_EVENT_PREPARE => rolled_back(&SENT.with(SideEffects::take)),
        _ => return,
    }
    rolled_back(&UNWRITTEN.take());
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
        SUBXACT_EVENT_COMMIT_SUB => SENT.with(|sent| sent.move_to_parent(ended, parent)),
        SUBXACT_EVENT_ABORT_SUB => rolled_back(&SENT.with(|sent| sent.take_subtransaction(ended))),
        _ => {}
    }
}
