//! The worker of one database: claims, has its threads send, writes the outcome.
//!
//! Its main thread owns everything of Postgres and never waits for the network; its threads own the
//! network and never touch Postgres. No transaction is open and no lock held while requests are
//! under way.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use super::brake::{Brake, Pulled};
use super::job::{Job, Outcome};
use super::look::{forget_void_tokens, look, Work};
use super::outbox::Outbox;
use super::queue;
use super::retry::{self, Verdict};
use super::threads::{self, SharedAgent};
use crate::http::{self, WorkerClient};
use crate::pg::{bgworker, shared, transaction};
use crate::users;
use crate::{config, stats};

/// The safety probe: prepared transactions, restored rows, commits that found no library.
const PROBE: Duration = Duration::from_secs(60);

/// What cannot be sent now, for want of CometChat's permission or of threads, is claimed no faster
/// than this: claiming it and giving it back writes to the database.
const BREATH: Duration = Duration::from_secs(1);

/// Somebody has a user locked whom an earlier worker had claimed: whether that is over is looked at
/// after as long again as it has lasted, and no sooner than this.
const UNLOCKED: Duration = Duration::from_millis(500);

/// How many users are claimed at a time, as a multiple of `concurrency`.
const AHEAD: usize = 4;

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_worker_main(arg: pg_sys::Datum) {
    bgworker::accept_signals();
    // The argument is the database's oid, as `start_worker` gave it.
    bgworker::connect(Some(pg_sys::Oid::from(arg.value() as u32)));
    let mut told = false;
    loop {
        bgworker::take_notice();
        let ready = transaction::run(|| {
            users::prepare_session();
            users::extension_version()?;
            Some((users::database_name(), users::take_on_database_settings()))
        });
        match ready {
            Ok(Some((database, settings))) => {
                if bgworker::be_the_worker() {
                    Worker::new(database, settings).run();
                }
                return;
            }
            Ok(None) if bgworker::is_wanted() => {} // created this moment
            Ok(None) => return,
            // A catalog is locked, say: that passes. Anything else is for an operator to mend.
            Err(failed) => {
                if !failed.will_pass() && !std::mem::replace(&mut told, true) {
                    let transaction::Failed { sqlstate, message } = failed;
                    log!("cometchat: a worker cannot start: {sqlstate} {message}");
                }
                bgworker::remain_wanted();
                bgworker::wait(None, Duration::from_secs(1));
            }
        }
    }
}

struct Worker {
    /// Marks this worker's claims: a number that no earlier one had.
    claim: i64,
    /// Since when there may be claims of an earlier worker, or that a dump brought along.
    stale: Option<Instant>,
    brake: Brake,
    /// Claimed, not handed over yet.
    ready: VecDeque<(WorkerClient, Job)>,
    outbox: Outbox,
    next_due: Instant,
    /// Nothing is claimed before this, due or not.
    not_before: Instant,
    /// Its name, for the log: there may be several workers.
    database: String,
    /// The version of the extension that was last complained of.
    other_version: Option<String>,
    /// What was last said about why nothing is sent.
    complaint: Option<String>,
    /// Looks in a row that an error ended.
    failures: u32,
    /// The database's own settings that are in force here, if that is known.
    settings: Option<String>,
    agent: SharedAgent,
}

impl Worker {
    fn new(database: String, settings: Option<String>) -> Self {
        let now = Instant::now();
        Worker {
            claim: users::fresh_claim(),
            stale: Some(now),
            brake: Brake::default(),
            ready: VecDeque::new(),
            outbox: Outbox::default(),
            next_due: now,
            not_before: now,
            database,
            other_version: None,
            complaint: None,
            failures: 0,
            settings,
            agent: None,
        }
    }

    fn run(&mut self) {
        loop {
            if bgworker::reload_if_asked() {
                self.next_due = Instant::now(); // a key may have been mended
                self.not_before = self.next_due;
                self.brake.look_now(Instant::now());
            }
            forget_void_tokens();
            self.take_results();
            let enough = config::concurrency() / 2;
            if self.outbox.write_if_due(self.claim, enough, threads::under_way()) {
                self.next_due = Instant::now(); // changed while in flight, or soon to be tried again
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

    /// How many users may be claimed now; 0 until [`Self::next_claim`].
    fn may_claim(&self) -> usize {
        let now = Instant::now();
        if self.next_claim(now) > now {
            0
        } else {
            self.room()
        }
    }

    /// When the next claim may be made, if there is room then.
    fn next_claim(&self, now: Instant) -> Instant {
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
        let idle = self.ready.is_empty() && threads::under_way() == 0 && self.outbox.may_go();
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
            self.failures = 0;
        }
        match work {
            Ok(Work::Gone) => {
                bgworker::leave_for_good();
                return false;
            }
            // What is under way comes first.
            Ok(Work::Asleep | Work::Restart) if !idle => {
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
                    self.go_on();
                }
                if count > 0 {
                    match threads::client(&mut self.agent, &endpoint) {
                        Ok(client) => {
                            self.complaint = None;
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
                if self.other_version.as_ref() != Some(&version) {
                    warning!(
                        "cometchat_ext {version} is installed in database \"{}\", the library is \
                         {}; run ALTER EXTENSION cometchat_ext UPDATE, nothing is sent until then",
                        self.database,
                        env!("CARGO_PKG_VERSION")
                    );
                    self.other_version = Some(version);
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
        if self.complaint.as_ref() != Some(&why) {
            log!("cometchat: sending waits in database \"{}\": {why}", self.database);
            self.complaint = Some(why);
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
        for done in threads::take() {
            self.judge(&done.outcome, done.asked);
            self.outbox.push(done);
        }
    }

    /// What an outcome means for everybody else.
    fn judge(&mut self, outcome: &Outcome, asked: bool) {
        let counters = &shared::slot().stats;
        match outcome {
            Outcome::Agreed | Outcome::Removed => {
                stats::add(&counters.synced, 1);
                if asked {
                    self.go_on();
                }
            }
            Outcome::Failed { verdict, code, pause, .. } => match verdict {
                Verdict::Pause | Verdict::Outage => self.hold(code, *pause),
                Verdict::Retry => {
                    stats::add(&counters.retried, 1);
                    if self.brake.one_failed(config::concurrency()) {
                        self.hold(code, 0);
                    }
                }
                Verdict::Throttled(wait) => self.rest(retry::throttled_delay(*wait)),
                Verdict::Stopped => {}
                // About one user; CometChat itself answered.
                Verdict::Park => {
                    stats::add(&counters.parked, 1);
                    if asked {
                        self.go_on();
                    }
                }
            },
        }
    }

    /// Claims nothing for a while.
    fn rest(&mut self, time: Duration) {
        self.not_before = self.not_before.max(Instant::now() + time.min(BREATH));
    }

    /// CometChat answers: whatever held sending back is over.
    fn go_on(&mut self) {
        if let Some(code) = self.brake.release() {
            log!("cometchat: sending goes on in database \"{}\" after {code}", self.database);
            shared::slot().paused.store(0, Ordering::Release);
            self.next_due = Instant::now();
        }
    }

    /// Stops sending but for probes; says why once.
    fn hold(&mut self, code: &str, pause: u32) {
        let now = Instant::now();
        match self.brake.pull(code, now) {
            Pulled::Already => return,
            Pulled::Again => {}
            Pulled::First => {
                log!("cometchat: sending is paused in database \"{}\": {code}", self.database);
            }
        }
        shared::slot().paused.store(pause, Ordering::Release);
        self.next_due = now;
        // Those that were claimed ahead go back, unharmed.
        for (_, job) in self.ready.drain(..) {
            self.outbox.push(job.not_tried());
        }
    }

    fn sleep(&mut self) {
        let now = Instant::now();
        if bgworker::is_wanted() {
            self.next_due = now; // the latch may have been reset while a lock was awaited
        }
        let mut until = self.next_claim(now);
        if self.room() == 0 {
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
