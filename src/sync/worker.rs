//! The worker of one database: claims, has its threads send, writes the outcome.
//!
//! Its main thread owns everything of Postgres and never waits for the network; its threads own the
//! network and never touch Postgres. No transaction is open and no lock held while requests are
//! under way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use transport::{AgentOptions, PollWait};

use super::brake::{Brake, Pulled};
use super::job::{Job, Outcome};
use super::look::{look, Work};
use super::outbox::Outbox;
use super::pool::Pool;
use super::queue;
use super::retry::{self, Verdict};
use crate::http::{self, WorkerClient, WorkerEndpoint};
use crate::pg::{bgworker, shared, transaction};
use crate::users;
use crate::{config, stats};

/// The safety probe: prepared transactions, restored rows, commits that found no library.
const PROBE: Duration = Duration::from_secs(60);

/// What cannot be sent now, for want of CometChat's permission or of threads, is claimed no faster
/// than this: claiming it and giving it back writes to the database.
const BREATH: Duration = Duration::from_secs(1);

/// How many users are claimed at a time, as a multiple of `concurrency`.
const AHEAD: usize = 4;

thread_local! {
    static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) };
}

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_worker_main(arg: pg_sys::Datum) {
    bgworker::accept_signals();
    // The argument is the database's oid, as `start_worker` gave it.
    bgworker::connect(Some(pg_sys::Oid::from(arg.value() as u32)));
    loop {
        bgworker::take_notice();
        let ready = transaction::run(|| {
            users::prepare_session();
            users::extension_version()?;
            Some((users::database_name(), users::database_settings()))
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
            // A catalog is locked, say.
            Err(failed) => {
                debug1!("cometchat: a worker cannot start: {} {}", failed.sqlstate, failed.message);
                bgworker::remain_wanted();
                bgworker::wait(None, Duration::from_secs(1));
            }
        }
    }
}

/// Ends the threads; called on every way out of the process.
pub fn stop_threads() {
    let pool = POOL.with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.take()));
    drop(pool);
}

struct Worker {
    /// Marks this worker's claims: a number that no earlier one had.
    claim: i64,
    /// There may be claims of an earlier worker, or that a dump brought along.
    stale: bool,
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
    /// What was last said about the configuration.
    complaint: Option<String>,
    /// The database's own settings at the start.
    settings: String,
    agent: Option<(AgentOptions, ureq::Agent)>,
}

impl Worker {
    fn new(database: String, settings: String) -> Self {
        let now = Instant::now();
        Worker {
            claim: users::fresh_claim(),
            stale: true,
            brake: Brake::default(),
            ready: VecDeque::new(),
            outbox: Outbox::default(),
            next_due: now,
            not_before: now,
            database,
            other_version: None,
            complaint: None,
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
            self.take_results();
            let enough = config::concurrency() / 2;
            if self.outbox.write_if_due(self.claim, enough, under_way()) {
                self.next_due = Instant::now(); // changed while in flight, or soon to be tried again
            }
            self.hand_over(); // what was claimed before comes before a new claim
            let room = self.may_send().unwrap_or(0);
            if room > 0 && !self.claim_and_send(room) {
                return;
            }
            self.hand_over();
            self.sleep();
        }
    }

    /// How many users may be claimed now.
    fn may_send(&self) -> Result<usize, ()> {
        let now = Instant::now();
        let due = self.next_due.max(self.not_before);
        if now < due || !http::throttled_for(shared::slot()).is_zero() {
            return Err(());
        }
        let under_way = self.ready.len() + under_way();
        if let Some(until) = self.brake.until() {
            // One at a time goes ahead to see.
            return if now >= until && under_way == 0 { Ok(1) } else { Err(()) };
        }
        let most = config::concurrency() * AHEAD;
        // A claim costs a transaction: not for a few users while many are still under way.
        if under_way > most / 2 {
            return Err(());
        }
        Ok(most - under_way)
    }

    /// `false`: this database needs no worker any more.
    fn claim_and_send(&mut self, room: usize) -> bool {
        let idle = self.ready.is_empty() && under_way() == 0 && self.outbox.len() == 0;
        bgworker::take_notice();
        if self.stale {
            let claim = self.claim;
            self.stale = transaction::run(move || queue::free_stale_claims(claim)).is_err();
        }
        match look(room, self.claim, &self.settings) {
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
                self.next_due = Instant::now() + wait.min(PROBE);
                let count = jobs.len();
                let paused = shared::slot().paused.load(Ordering::Acquire) != 0;
                if count == 0 && paused && under_way() == 0 {
                    // Nobody is left to look whether CometChat accepts requests again, and
                    // callers are being turned away: the next of them finds out.
                    self.go_on();
                }
                if count > 0 {
                    match self.client(&endpoint) {
                        Some(client) => {
                            self.ready.extend(jobs.into_iter().map(|job| (client.clone(), job)));
                        }
                        None => self.give_back(&jobs),
                    }
                }
            }
            Ok(Work::NotYet) => {
                self.stale = true;
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
                if self.complaint.as_ref() != Some(&why) {
                    log!("cometchat: sending waits in database \"{}\": {why}", self.database);
                    self.complaint = Some(why);
                }
                self.next_due = Instant::now() + PROBE;
            }
            // A lock was not to be had in time, say: nothing is lost.
            Err(failed) => {
                debug1!("cometchat: claiming failed: {} {}", failed.sqlstate, failed.message);
                self.next_due = Instant::now() + Duration::from_millis(200);
            }
        }
        true
    }

    /// A client for the threads, which are started if need be.
    fn client(&mut self, endpoint: &WorkerEndpoint) -> Option<WorkerClient> {
        POOL.with_borrow_mut(|slot| {
            let size = config::concurrency();
            if slot.as_ref().is_none_or(|pool| pool.size() != size && pool.under_way() == 0) {
                self.agent = None;
                drop(slot.take());
                *slot = Pool::start(size).ok();
            }
            let pool = slot.as_ref()?;
            if self.agent.as_ref().is_none_or(|(options, _)| options != endpoint.options()) {
                let waiter = Arc::new(PollWait::stopped_by(pool.stop_signal()));
                let agent = endpoint.agent(waiter).ok()?;
                self.agent = Some((endpoint.options().clone(), agent));
            }
            let (_, agent) = self.agent.as_ref()?;
            Some(endpoint.client(agent.clone(), pool.stopping()))
        })
    }

    /// Hands jobs to the threads. What was sent and is not written yet counts as in flight: a
    /// crash repeats no more than `concurrency` users.
    fn hand_over(&mut self) {
        POOL.with_borrow(|pool| {
            let Some(pool) = pool else { return };
            while pool.under_way() + self.outbox.len() < pool.size() {
                let Some((client, job)) = self.ready.pop_front() else { return };
                pool.send(client, job);
            }
        });
    }

    /// These cannot be sent now: their claims are given back.
    fn give_back(&mut self, jobs: &[Job]) {
        let (users, claim) = (jobs.iter().map(|job| job.user).collect(), self.claim);
        let _ = transaction::run(move || queue::give_back(users, claim));
        self.next_due = Instant::now() + Duration::from_secs(1);
    }

    fn take_results(&mut self) {
        let taken = POOL.with_borrow(|pool| pool.as_ref().map(Pool::take).unwrap_or_default());
        for done in taken {
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
        let under_way = under_way();
        let throttled = now + http::throttled_for(shared::slot());
        let mut until = self.next_due.max(self.not_before).max(throttled);
        if let Some(braked) = self.brake.until() {
            until = until.max(braked);
        }
        if under_way > 0 && self.may_send().is_err() {
            until = now + PROBE; // the bell rings sooner
        }
        if let Some(due) = self.outbox.due() {
            until = until.min(due);
        }
        bgworker::show_activity(if under_way > 0 { c"sending" } else { c"" });
        let nap = until.saturating_duration_since(now).min(PROBE);
        // The pool is not borrowed meanwhile: the process may end in this wait, and joins its
        // threads then.
        let bell = POOL.with_borrow(|pool| pool.as_ref().map(Pool::bell));
        let bell = bell.as_deref().map(AsFd::as_fd);
        if bgworker::wait(bell, nap + Duration::from_micros(999)) {
            self.next_due = Instant::now();
        }
    }
}

fn under_way() -> usize {
    POOL.with_borrow(|pool| pool.as_ref().map_or(0, Pool::under_way))
}
