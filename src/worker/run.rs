//! The worker of one database: its state and its loop.
//!
//! Its main thread owns everything of Postgres and never waits for the network; its threads own the
//! network and never touch Postgres. No transaction is open and no lock held while requests are in
//! flight.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sync::circuit_breaker::CircuitBreaker;
use sync::pacing::{Pacing, Room};
use sync::policy::SAFETY_PROBE;
use sync::wall_clock::WallClock;
use uuid::Uuid;

use super::bgworker;
use super::completions::CompletionBuffer;
use super::poll::{forget_void_tokens, mark_rolled_back};
use super::ready::Ready;
use super::threads::{self, SharedAgent};
use crate::config;
use crate::http;
use crate::pg::wait_event::WaitEvent;
use crate::pg::{background, session, transaction};
use crate::shmem::{self, turn};
use crate::store::{self, queue};

/// How often the backlog looks whether it may send: people may have used up what was left for it.
const BACKLOG_RECHECK: Duration = Duration::from_millis(20);

/// The state of a database's worker. It belongs to the main thread of the process, and ends with it.
pub struct Worker {
    /// Marks this worker's claims: a number that no earlier worker had.
    pub(super) claim: i64,
    pub(super) pacing: Pacing,
    /// The clock, when nobody waited for what went away with a step back.
    pub(super) clock: WallClock,
    /// Why new users wait, if that was logged.
    pub(super) plan_full: Option<String>,
    /// Users that are claimed and not handed to a thread yet.
    pub(super) ready: Ready,
    /// Since when users are being created together, if they are.
    pub(super) import_since: Option<Instant>,
    pub(super) completions: CompletionBuffer,
    /// Its name, for the log: there may be several workers.
    pub(super) database: String,
    /// It makes room for another database: nothing more is claimed.
    pub(super) leaving: bool,
    /// The database's own settings that are in force here, if that is known.
    pub(super) settings: Option<String>,
    pub(super) agent: SharedAgent,
}

/// The circuit breaker as the last worker left it.
fn last_breaker(now: Instant) -> CircuitBreaker {
    let slot = shmem::slot();
    let Some(saved) = slot.breaker.with(Option::take) else { return CircuitBreaker::default() };
    slot.breaker_reason.store(saved.reason, Ordering::Release);
    CircuitBreaker::restore(&saved.snapshot, now, turn::until(saved.until))
}

impl Worker {
    pub fn new(database: String, settings: Option<String>) -> Self {
        let now = Instant::now();
        Worker {
            claim: store::fresh_claim(),
            pacing: Pacing::new(now, last_breaker(now)),
            clock: WallClock::new(session::now(), now),
            plan_full: None,
            ready: Ready::default(),
            import_since: None,
            completions: CompletionBuffer::default(),
            database,
            leaving: false,
            settings,
            agent: None,
        }
    }

    /// Works until the database needs no worker, or others need its process.
    pub fn run(&mut self) {
        loop {
            let resumed = shmem::slot().start_over.swap(false, Ordering::AcqRel);
            if background::reload_if_asked() || resumed {
                self.start_over(); // a key may have been mended
            }
            forget_void_tokens();
            let recheck = mark_rolled_back();
            self.take_results();
            let enough = config::concurrency() / 2;
            if self.completions.write_if_due(self.claim, enough, threads::in_flight()) {
                // Changed while in flight, or soon to be tried again.
                self.pacing.due_now(Instant::now());
            }
            // Once it is written who waits for that.
            if self.completions.is_flushed() {
                self.resume_creating();
            }
            if self.make_room() {
                return;
            }
            self.dispatch(); // what was claimed before comes before a new claim
            if let Some(room) = self.may_claim() {
                if !self.claim_and_send(room) {
                    return;
                }
            }
            self.dispatch();
            self.sleep(recheck);
        }
    }

    /// An operator has changed a setting: what refused our requests may accept them now, and one request
    /// finds out.
    fn start_over(&mut self) {
        self.pacing.start_over(Instant::now());
        shmem::slot().import.with(|import| import.try_again());
        if http::throttled(shmem::slot()).is_some() {
            shmem::slot().limiter.with(|limiter| limiter.try_again());
            // Nothing is lost where it fails: they are due within a minute.
            let _ = transaction::run(queue::make_throttled_due);
        }
        self.release_put_off();
    }

    /// Whose jobs are not over: they wait, are being sent, or have an outcome that is to be written.
    pub(super) fn held(&self) -> HashSet<Uuid> {
        let mut held: HashSet<Uuid> = self.ready.users().chain(self.completions.users()).collect();
        threads::add_users(&mut held);
        held
    }

    /// How many users may be claimed now, if any.
    fn may_claim(&self) -> Option<Room> {
        let now = Instant::now();
        let may = !self.leaving && self.next_claim(now).is_some_and(|due| due <= now);
        may.then(|| self.room_now(now))
    }

    /// When the next claim may be made; `None` while there is no room for one.
    pub(super) fn next_claim(&self, now: Instant) -> Option<Instant> {
        self.pacing.next_claim(now, self.room(now), self.throttled_for(now))
    }

    pub(super) fn room(&self, now: Instant) -> Room {
        let in_flight = self.ready.people() + threads::in_flight();
        let room = self.pacing.room(in_flight, self.ready.backlog(), config::concurrency());
        Room { import: self.import_room(now), ..room }
    }

    /// No longer than `at_most`, if that is given.
    fn sleep(&mut self, at_most: Option<Duration>) {
        let now = Instant::now();
        if bgworker::has_pending_wakeup() {
            self.pacing.due_now(now); // the latch may have been reset while a lock was awaited
        }
        // While there is no room, a thread wakes us, or an outcome is to be written.
        let next_claim = self.next_claim(now).filter(|_| !self.leaving);
        let mut until = next_claim.unwrap_or(now + SAFETY_PROBE);
        shmem::slot().turn.set_idle(until > now && self.is_done());
        if self.ready.backlog() > 0 {
            until =
                until.min(now + http::throttled_for(shmem::slot()).backlog.max(BACKLOG_RECHECK));
        }
        if let Some(due) = self.completions.due() {
            until = until.min(due);
        }
        if let Some(at_most) = at_most {
            until = until.min(now + at_most);
        }
        background::show_activity(if threads::in_flight() > 0 { c"sending" } else { c"" });
        let timeout = until.saturating_duration_since(now).min(SAFETY_PROBE);
        let wakeup = threads::wakeup_fd();
        let wakeup = wakeup.as_deref().map(AsFd::as_fd);
        if background::wait(wakeup, timeout + Duration::from_micros(999), WaitEvent::WorkerMain) {
            self.pacing.due_now(Instant::now());
        }
    }
}
