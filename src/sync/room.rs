//! How a worker makes room for another database's, and what it leaves to its successor.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::brake::Brake;
use super::threads;
use super::worker::Worker;
use crate::pg::{bgworker, shared};

/// The brake as the last worker left it.
pub fn brake_of_the_last(now: Instant) -> Brake {
    let slot = shared::slot();
    let Some(kept) = slot.brake.with(Option::take) else { return Brake::default() };
    slot.paused.store(kept.pause, Ordering::Release);
    Brake::take_over(&kept, now)
}

impl Worker {
    /// Whether nothing is under way and nothing waits to be written.
    pub(super) fn is_done(&self) -> bool {
        self.ready.is_empty() && threads::under_way() == 0 && self.outbox.may_go()
    }

    /// Hands the process over if others wait for one: what is under way comes first, and the rest is
    /// for the database's next turn. `true`: it may end now.
    pub(super) fn makes_room(&mut self) -> bool {
        let slot = shared::slot();
        if !self.leaving && slot.turn.must_make_room() {
            self.leaving = true;
            self.put_back();
        }
        if !self.leaving || !self.is_done() {
            return false;
        }
        let now = Instant::now();
        let pause = slot.paused.load(Ordering::Acquire);
        slot.brake.with(|brake| *brake = self.brake.keep(now, pause));
        let due = if bgworker::is_wanted() { now } else { self.next_claim(now) };
        bgworker::leave_for(due.saturating_duration_since(now));
        true
    }

    /// Gives back, unharmed, those that were claimed ahead.
    pub(super) fn put_back(&mut self) {
        for (_, job) in self.ready.drain(..) {
            self.outbox.push(job.not_tried());
        }
    }
}

/// Whether no worker of this database has said this last.
pub fn is_new_complaint(why: &str) -> bool {
    let mut hasher = DefaultHasher::new();
    why.hash(&mut hasher);
    let hash = hasher.finish().max(1);
    shared::slot().complaint.swap(hash, Ordering::Relaxed) != hash
}
