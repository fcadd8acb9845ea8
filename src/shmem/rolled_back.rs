//! Users for whom a transaction has sent something and was then rolled back.
//!
//! CometChat does not roll back, and what was learned is lost: the worker is to note that what is stored
//! about them is in doubt. Noted in shared memory, since a transaction that is ending can write nothing
//! else; without the library preloaded, or after a crash, nobody is told.

use std::ffi::c_void;

use pgrx::{pg_guard, pg_sys};
use uuid::Uuid;

use super::undoable::Undoable;
use super::wake;
use crate::shmem;

/// Users that are remembered at the same time; the oldest makes room.
const MOST: usize = 256;

/// Users by database, until a worker has taken note.
pub struct Undone {
    entries: [Option<(u32, Uuid)>; MOST],
    next: usize,
    count: usize,
}

impl Undone {
    pub const fn new() -> Self {
        Undone { entries: [None; MOST], next: 0, count: 0 }
    }

    fn add(&mut self, database: u32, user: Uuid) {
        let entry = Some((database, user));
        if self.entries.contains(&entry) {
            return;
        }
        let at = self.entries.iter().position(Option::is_none).unwrap_or(self.next);
        self.next = (at + 1) % MOST;
        self.entries[at] = entry;
        self.recount();
    }

    fn take(&mut self, database: u32) -> Vec<Uuid> {
        let mut taken = Vec::new();
        for entry in &mut self.entries {
            if let Some((_, user)) = entry.take_if(|(of, _)| *of == database) {
                taken.push(user);
            }
        }
        self.recount();
        taken
    }

    fn recount(&mut self) {
        self.count = self.entries.iter().flatten().count();
    }

    /// How many, of all databases.
    pub fn count(&self) -> usize {
        self.count
    }
}

thread_local! {
    static SENT: Undoable<Uuid> = const { Undoable::new() };
}

/// Something is about to be sent for this user, and what comes of it stands or falls with the current
/// (sub)transaction.
pub fn about_to_send(user: Uuid) {
    if !shmem::preloaded() {
        return;
    }
    SENT.with(|sent| {
        sent.register(at_end, at_subtransaction_end);
        sent.push(user); // once for all requests of a call
    });
}

/// Takes those of this database; put back with [`put_back`] whom you could not deal with.
pub fn take() -> Vec<Uuid> {
    if !shmem::any_undone() {
        return Vec::new();
    }
    let database = database();
    shmem::with_undone(|undone| undone.take(database))
}

/// These are still to be dealt with.
pub fn put_back(users: &[Uuid]) {
    let database = database();
    shmem::with_undone(|undone| users.iter().for_each(|user| undone.add(database, *user)));
}

fn database() -> u32 {
    // SAFETY: a global that is set for good when the process connects.
    unsafe { pg_sys::MyDatabaseId }.into()
}

/// At the end of a transaction an error would be a crash, or hide the one that ended it: this only
/// writes memory that is there and sets a latch.
fn rolled_back(undone: &[Uuid]) {
    if !undone.is_empty() {
        put_back(undone);
        wake::worker();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    match event {
        XACT_EVENT_COMMIT => drop(SENT.with(Undoable::take)),
        // How a prepared transaction ends is not known here: to ask does no harm.
        XACT_EVENT_ABORT | XACT_EVENT_PREPARE => rolled_back(&SENT.with(Undoable::take)),
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
        SUBXACT_EVENT_COMMIT_SUB => SENT.with(|sent| sent.hand_on(ended, parent)),
        SUBXACT_EVENT_ABORT_SUB => rolled_back(&SENT.with(|sent| sent.take_of(ended))),
        _ => {}
    }
}
