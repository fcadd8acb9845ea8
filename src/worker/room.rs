//! How a worker makes room for another database's, and what it leaves to its successor.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Instant;

use sync::circuit_breaker::CircuitBreaker;

use super::run::Worker;
use super::{bgworker, threads};
use crate::shmem::{self, turn, KeptBreaker};

/// The circuit breaker as the last worker left it.
pub fn last_breaker(now: Instant) -> CircuitBreaker {
    let slot = shmem::slot();
    let Some(kept) = slot.breaker.with(Option::take) else { return CircuitBreaker::default() };
    slot.breaker_reason.store(kept.reason, Ordering::Release);
    CircuitBreaker::restore(&kept.snapshot, now, turn::until(kept.until))
}

impl Worker {
    /// Whether nothing is under way and nothing waits to be written.
    pub(super) fn is_done(&self) -> bool {
        self.ready.is_empty() && threads::in_flight() == 0 && self.completions.is_flushed()
    }

    /// Hands the process over if others wait for one: what is under way comes first, and the rest is
    /// for the database's next turn. `true`: it may end now.
    pub(super) fn makes_room(&mut self) -> bool {
        let slot = shmem::slot();
        if !self.leaving && slot.turn.must_make_room() {
            self.leaving = true;
            self.put_back();
        }
        if !self.leaving || !self.is_done() {
            return false;
        }
        let now = Instant::now();
        let reason = slot.breaker_reason.load(Ordering::Acquire);
        let kept = self.pacing.breaker.snapshot(now).map(|(snapshot, open_for)| KeptBreaker {
            snapshot,
            until: turn::moment_in(open_for),
            reason,
        });
        slot.breaker.with(|breaker| *breaker = kept);
        let due = if bgworker::has_pending_wakeup() { now } else { self.next_claim(now) };
        bgworker::leave_for(due.saturating_duration_since(now));
        true
    }

    /// Gives back, unharmed, those that were claimed ahead.
    pub(super) fn put_back(&mut self) {
        for (_, job) in self.ready.drain(..) {
            self.completions.push(job.released());
        }
    }
}

/// Whether no worker of this database has said this last.
pub fn log_once(why: &str) -> bool {
    let mut hasher = DefaultHasher::new();
    why.hash(&mut hasher);
    let hash = hasher.finish().max(1);
    shmem::slot().complaint.swap(hash, Ordering::Relaxed) != hash
}
