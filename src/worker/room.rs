//! How a worker makes room for another database's worker, and what it leaves to its successor.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::run::Worker;
use super::{bgworker, threads};
use crate::shmem::{self, turn, SavedBreaker};

impl Worker {
    /// Whether nothing is in flight and nothing waits to be written.
    pub(super) fn is_done(&self) -> bool {
        self.ready.is_empty() && threads::in_flight() == 0 && self.completions.is_flushed()
    }

    /// Ends if other databases wait for a process: requests in flight come first, and the rest is for
    /// the database's next turn. `true`: it may end now.
    pub(super) fn make_room(&mut self) -> bool {
        let slot = shmem::slot();
        if !self.leaving && slot.turn.must_make_room() {
            self.leaving = true;
            self.release_ready();
        }
        if !self.leaving || !self.is_done() {
            return false;
        }
        let now = Instant::now();
        let reason = slot.breaker_reason.load(Ordering::Acquire);
        let saved = self.pacing.breaker.snapshot(now).map(|(snapshot, open_for)| SavedBreaker {
            snapshot,
            until: turn::moment_in(open_for),
            reason,
        });
        slot.breaker.with(|breaker| *breaker = saved);
        let due = match self.next_claim(now) {
            Some(due) if !bgworker::has_pending_wakeup() => due,
            _ => now,
        };
        bgworker::exit_and_restart_in(due.saturating_duration_since(now));
        true
    }

    /// Releases the claims of users who were not handed to a thread yet.
    pub(super) fn release_ready(&mut self) {
        self.completions.release(self.ready.take());
    }
}

/// Whether `why` is to be logged: not if it is what a worker of this database logged last.
pub fn is_new_complaint(why: &str) -> bool {
    let mut hasher = DefaultHasher::new();
    why.hash(&mut hasher);
    let hash = hasher.finish().max(1);
    shmem::slot().last_complaint.swap(hash, Ordering::Relaxed) != hash
}
