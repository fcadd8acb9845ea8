//! The worker of one database: claims, has its threads send, writes the outcome.
//!
//! Its main thread owns everything of Postgres and never waits for the network; its threads own the
//! network and never touch Postgres. No transaction is open and no lock held while requests are
//! under way.

mod judge;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use super::brake::Brake;
use super::job::Job;
use super::look::{forget_void_tokens, look, note_undone, Work};
use super::outbox::Outbox;
use super::queue;
use super::room::{brake_of_the_last, is_new_complaint};
use super::suspects::Suspects;
use super::threads::{self, SharedAgent};
use crate::config;
use crate::http::{self, WorkerClient};
use crate::pg::{bgworker, shared, transaction};
use crate::users;

/// The safety probe: prepared transactions, restored rows, commits that found no library.
const PROBE: Duration = Duration::from_secs(60);

/// What cannot be sent now, for want of CometChat's permission or of threads, is claimed no faster
/// than this: claiming it and giving it back writes to the database.
const BREATH: Duration = Duration::from_secs(1);

/// Somebody has a user locked whom an earlier worker had claimed: whether that is over is looked at
/// after as long again as it has lasted, and no sooner than this.
const UNLOCKED: Duration = Duration::from_millis(500);

/// What should pass, a lock say, is said after so many looks that it ended: some ten seconds.
const SAID_AFTER: u32 = 20;

/// How many users are claimed at a time, as a multiple of `concurrency`.
const AHEAD: usize = 4;

/// What the worker of a database remembers.
pub struct Worker {
    /// Marks this worker's claims: a number that no earlier one had.
    claim: i64,
    /// Since when there may be claims of an earlier worker, or that a dump brought along.
    stale: Option<Instant>,
    pub(super) brake: Brake,
    pub(super) suspects: Suspects,
    /// Why new users wait, if that was said.
    pub(super) no_room: Option<String>,
    /// Claimed, not handed over yet.
    pub(super) ready: VecDeque<(WorkerClient, Job)>,
    pub(super) outbox: Outbox,
    next_due: Instant,
    /// Nothing is claimed before this, due or not.
    not_before: Instant,
    /// Its name, for the log: there may be several workers.
    database: String,
    /// Others wait for its process: nothing more is claimed.
    pub(super) leaving: bool,
    /// Looks in a row that an error ended.
    failures: u32,
    /// Looks in a row that failed for a reason that will pass.
    hindered: u32,
    /// The database's own settings that are in force here, if that is known.
    settings: Option<String>,
    agent: SharedAgent,
}

impl Worker {
    pub fn new(database: String, settings: Option<String>) -> Self {
        let now = Instant::now();
        Worker {
            claim: users::fresh_claim(),
            stale: Some(now),
            brake: brake_of_the_last(now),
            suspects: Suspects::default(),
            no_room: None,
            ready: VecDeque::new(),
            outbox: Outbox::default(),
            next_due: now,
            not_before: now,
            database,
            leaving: false,
            failures: 0,
            hindered: 0,
            settings,
            agent: None,
        }
    }

    /// Works until the database needs no worker, or others need its process.
    pub fn run(&mut self) {
        loop {
            if bgworker::reload_if_asked() {
                self.next_due = Instant::now(); // a key may have been mended
                self.not_before = self.next_due;
                self.brake.look_now(Instant::now());
                self.try_again();
                self.ask_for_suspects_again();
            }
            forget_void_tokens();
            note_undone();
            self.take_results();
            self.go_on_creating();
            let enough = config::concurrency() / 2;
            if self.outbox.write_if_due(self.claim, enough, threads::under_way()) {
                self.next_due = Instant::now(); // changed while in flight, or soon to be tried again
            }
            if self.makes_room() {
                return;
            }
            self.hand_over(); // what was claimed before comes before a new claim
            let room = self.may_claim();
            if room > 0 && !self.claim_and_send(room) {
                return;
            }
            self.hand_over();
            self.sleep();
        }
    }

    /// An operator has changed something: whoever refused our requests is asked again, by one of them.
    fn try_again(&mut self) {
        if http::throttled(shared::slot()).is_some() {
            shared::slot().limiter.with(|limiter| limiter.try_again());
            // Nothing is lost where it fails: they are due within a minute.
            let _ = transaction::run(queue::retry_throttled);
        }
    }

    /// How many users may be claimed now; 0 until [`Self::next_claim`].
    fn may_claim(&self) -> usize {
        let now = Instant::now();
        if self.leaving || self.next_claim(now) > now {
            0
        } else {
            self.room()
        }
    }

    /// When the next claim may be made, if there is room then.
    pub(super) fn next_claim(&self, now: Instant) -> Instant {
        let throttled = now + http::throttled_for(shared::slot());
        let due = self.next_due.max(self.not_before).max(throttled);
        self.brake.until().map_or(due, |until| until.max(due))
    }

    /// For how many users there is room. There will be more once an outcome is there, or written.
    fn room(&self) -> usize {
        let under_way = self.ready.len() + threads::under_way();
        let most = match self.brake.until() {
            Some(_) => 1, // one at a time goes ahead to see
            None => config::concurrency() * AHEAD,
        };
        // A claim costs a transaction: not for a few users while many are still under way.
        if under_way > most / 2 {
            0
        } else {
            most - under_way
        }
    }

    /// `false`: this database needs no worker any more.
    fn claim_and_send(&mut self, room: usize) -> bool {
        let idle = self.is_done();
        bgworker::take_notice();
        if self.stale.is_some() {
            let claim = self.claim;
            if transaction::run(move || queue::free_stale_claims(claim)).unwrap_or(false) {
                self.stale = None;
            }
        }
        let usable = self.agent.as_ref().map(|(options, _)| options);
        let work = look(room, self.claim, self.settings.as_deref(), usable);
        if work.is_ok() {
            (self.failures, self.hindered) = (0, 0);
        }
        match work {
            Ok(Work::Gone) => {
                bgworker::leave_for_good();
                return false;
            }
            // What is under way comes first.
            Ok(Work::Asleep | Work::Template | Work::Restart) if !idle => {
                self.next_due = Instant::now() + Duration::from_millis(50);
            }
            // It gives its connection back while it is paused; resume() has another one started.
            Ok(Work::Asleep) => {
                let asleep = &shared::slot().asleep;
                asleep.store(true, Ordering::Release);
                // Looked at again: resume() may have come between.
                if transaction::run(users::paused).unwrap_or(true) {
                    bgworker::leave_for_good();
                    return false;
                }
                asleep.store(false, Ordering::Release);
            }
            // It can only be copied while nobody is connected.
            Ok(Work::Template) => {
                bgworker::leave_for(PROBE);
                return false;
            }
            // Settings of the database are read when a process connects: the next one has them.
            Ok(Work::Restart) => return false,
            Ok(Work::Jobs { jobs, due, endpoint }) => {
                let wait = due.map_or(PROBE, |ms| Duration::from_millis(ms.max(0).unsigned_abs()));
                let longest =
                    self.stale.map_or(PROBE, |since| since.elapsed().clamp(UNLOCKED, PROBE));
                self.next_due = Instant::now() + wait.min(longest);
                let count = jobs.len();
                let paused = shared::slot().paused.load(Ordering::Acquire) != 0;
                if count == 0 && paused && threads::under_way() == 0 {
                    // Nobody is left to look whether CometChat accepts requests again, and
                    // callers are being turned away: the next of them finds out.
                    shared::slot().paused.store(0, Ordering::Release);
                }
                if count > 0 {
                    match threads::client(&mut self.agent, &endpoint) {
                        Ok(client) => {
                            shared::slot().complaint.store(0, Ordering::Relaxed);
                            self.ready.extend(jobs.into_iter().map(|job| (client.clone(), job)));
                        }
                        Err(why) => {
                            self.complain(why);
                            self.give_back(jobs);
                        }
                    }
                }
            }
            Ok(Work::NotYet) => {
                self.stale = Some(Instant::now());
                self.next_due = Instant::now() + PROBE;
            }
            Ok(Work::OtherVersion(version)) => {
                if is_new_complaint(&version) {
                    warning!(
                        "cometchat_ext {version} is installed in database \"{}\", the library is \
                         {}; run ALTER EXTENSION cometchat_ext UPDATE, nothing is sent until then",
                        self.database,
                        env!("CARGO_PKG_VERSION")
                    );
                }
                self.next_due = Instant::now() + PROBE;
            }
            Ok(Work::NotConfigured(why)) => {
                // Nothing was sent, so nothing is held back: the next commit looks again.
                self.complain(why);
                self.next_due = Instant::now() + PROBE;
            }
            // A lock was not to be had in time, say: nothing is lost.
            Err(failed) if failed.will_pass() => {
                debug1!("cometchat: claiming failed: {} {}", failed.sqlstate, failed.message);
                self.hindered += 1;
                if self.hindered == SAID_AFTER {
                    self.complain(format!("{} {}", failed.sqlstate, failed.message));
                }
                self.next_due = Instant::now() + Duration::from_millis(200);
            }
            // Vault, say, or a table of ours that somebody broke: for an operator to mend.
            Err(failed) => {
                self.failures += 1;
                if self.failures > 3 {
                    self.complain(format!("{} {}", failed.sqlstate, failed.message));
                }
                let wait = Duration::from_millis(100 << self.failures.min(7));
                self.not_before = Instant::now() + wait;
            }
        }
        true
    }

    /// Says why nothing is sent, once for each reason.
    fn complain(&mut self, why: String) {
        if is_new_complaint(&why) {
            log!("cometchat: sending waits in database \"{}\": {why}", self.database);
        }
    }

    /// Hands jobs to the threads, as far as there is room.
    fn hand_over(&mut self) {
        threads::hand_over(|pool| {
            let has_room = self.outbox.has_room(pool.under_way(), pool.size());
            if has_room {
                self.ready.pop_front()
            } else {
                None
            }
        });
    }

    /// These cannot be sent now: their claims are given back.
    fn give_back(&mut self, jobs: Vec<Job>) {
        self.rest(BREATH);
        let (users, claim) = (jobs.iter().map(|job| job.user).collect(), self.claim);
        if transaction::run(move || queue::give_back(users, claim)).is_err() {
            // Nobody else frees a living worker's claims: it goes on trying.
            for job in jobs {
                self.outbox.push(job.not_tried());
            }
        }
    }

    fn take_results(&mut self) {
        for mut done in threads::take() {
            self.judge(&mut done);
            self.outbox.push(done);
        }
    }

    fn sleep(&mut self) {
        let now = Instant::now();
        if bgworker::is_wanted() {
            self.next_due = now; // the latch may have been reset while a lock was awaited
        }
        let mut until = self.next_claim(now);
        shared::slot().turn.set_idle(until > now && self.is_done());
        if self.leaving || self.room() == 0 {
            until = now + PROBE; // the bell rings sooner, or the outbox is due
        }
        if let Some(due) = self.outbox.due() {
            until = until.min(due);
        }
        bgworker::show_activity(if threads::under_way() > 0 { c"sending" } else { c"" });
        let nap = until.saturating_duration_since(now).min(PROBE);
        let bell = threads::bell();
        let bell = bell.as_deref().map(AsFd::as_fd);
        if bgworker::wait(bell, nap + Duration::from_micros(999)) {
            self.next_due = Instant::now();
        }
    }
}
