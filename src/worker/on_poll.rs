//! What the worker does about each result of a poll.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use sync::pacing::{NextDue, Room};
use sync::policy::SAFETY_PROBE;
use sync::wall_clock::WallClock;

use super::poll::{poll, PollResult};
use super::room::is_new_complaint;
use super::run::Worker;
use super::{bgworker, notice, threads};
use crate::http::WorkerEndpoint;
use crate::pg::session;
use crate::pg::transaction::{self, Failed};
use crate::shmem;
use crate::store::claim::Claimed;
use crate::store::{self, queue};

/// How often a worker that is to end checks whether its requests are done.
const LEAVE_RECHECK: Duration = Duration::from_millis(50);

impl Worker {
    /// Claims as many users as there is `room` for. `false`: this database needs no worker any more.
    pub(super) fn claim_and_send(&mut self, room: Room) -> bool {
        let idle = self.is_done();
        bgworker::clear_pending_wakeup();
        self.free_stale_claims();
        self.look_at_the_clock();
        let usable = self.agent.as_ref().map(|(options, _)| options);
        let polled = poll(room, self.claim, &self.held(), self.settings.as_deref(), usable);
        if polled.is_ok() {
            self.pacing.polled();
        }
        match polled {
            Ok(PollResult::Gone) => {
                bgworker::exit_without_restart();
                return false;
            }
            // What is in flight comes first.
            Ok(PollResult::Paused | PollResult::Template | PollResult::Restart) if !idle => {
                self.pacing.due_in(Instant::now(), LEAVE_RECHECK);
            }
            Ok(PollResult::Paused) => return !self.leave_while_paused(),
            // It can only be copied while no process is connected to it.
            Ok(PollResult::Template) => {
                bgworker::exit_and_restart_in(SAFETY_PROBE);
                return false;
            }
            // Settings of the database are read when a process connects: the next one has them.
            Ok(PollResult::Restart) => return false,
            Ok(PollResult::Jobs { jobs, found_for_import, next, endpoint, .. }) => {
                if let Some(found) = found_for_import {
                    self.pacing.found_for_import(Instant::now(), found);
                }
                self.on_jobs(jobs, next, &endpoint)
            }
            Ok(PollResult::RestoreInProgress) => {
                self.pacing.set_stale_claims(Some(Instant::now()));
                self.pacing.due_in(Instant::now(), SAFETY_PROBE);
            }
            Ok(PollResult::OtherVersion(version)) => self.on_other_version(&version),
            // Nothing was sent, so nothing is held back: the next commit looks again.
            Ok(PollResult::NotConfigured(why)) => {
                self.log_cannot_send(&why);
                self.pacing.due_in(Instant::now(), SAFETY_PROBE);
            }
            Err(failed) => self.on_error(&failed),
        }
        true
    }

    fn free_stale_claims(&mut self) {
        let claim = self.claim;
        if self.pacing.has_stale_claims()
            && transaction::run(move || queue::free_stale_claims(claim)).unwrap_or(false)
        {
            self.pacing.set_stale_claims(None);
        }
    }

    /// Makes due who would otherwise wait until the clock says again what it said before it was set back.
    fn look_at_the_clock(&mut self) {
        let clock = WallClock::new(session::now(), Instant::now());
        if let Some(by) = clock.set_back_since(&self.clock) {
            if transaction::run(queue::clock_set_back).is_err() {
                return; // the next look sees it again
            }
            let seconds = by.as_secs();
            notice::tell(&format!("the clock was set back by {seconds} s: who waits is due now"));
        }
        self.clock = clock;
    }

    /// A paused worker gives its connection back; resume() has another one started. `true`: it is to
    /// end.
    fn leave_while_paused(&self) -> bool {
        let paused = &shmem::slot().paused_by_operator;
        paused.store(true, Ordering::Release);
        // Looked at again: resume() may have come between.
        if transaction::run(store::paused).unwrap_or(true) {
            bgworker::exit_without_restart();
            return true;
        }
        paused.store(false, Ordering::Release);
        false
    }

    fn on_jobs(&mut self, jobs: Claimed, next: NextDue, endpoint: &WorkerEndpoint) {
        self.pacing.claimed(Instant::now(), next);
        if jobs.is_empty() {
            let slot = shmem::slot();
            let told = [&slot.breaker_reason, &slot.outage];
            if threads::in_flight() == 0 && told.iter().any(|why| why.load(Ordering::Acquire) != 0)
            {
                // No probe is left to find out whether CometChat accepts requests again, and callers
                // are being turned away: the next of them finds out.
                told.iter().for_each(|why| why.store(0, Ordering::Release));
            }
            return;
        }
        match threads::client(&mut self.agent, endpoint) {
            Ok(client) => {
                shmem::slot().last_complaint.store(0, Ordering::Relaxed);
                jobs.singly.into_iter().for_each(|job| self.ready.push(client.clone(), job));
                if !jobs.together.is_empty() {
                    self.ready.set_import(client, jobs.together);
                }
            }
            Err(why) => {
                self.log_cannot_send(&why);
                self.release_claims(jobs.singly.into_iter().chain(jobs.together).collect());
            }
        }
    }

    fn on_other_version(&mut self, version: &str) {
        if is_new_complaint(version) {
            let library = env!("CARGO_PKG_VERSION");
            let cure = if is_older(version, library) {
                "run ALTER EXTENSION cometchat_ext UPDATE".to_owned()
            } else {
                format!("install cometchat_ext {version} if it is not, and restart the server")
            };
            notice::warn(&format!(
                "cometchat_ext {version} is installed in database \"{}\", the library is {library}; \
                 {cure}, nothing is sent until then",
                self.database
            ));
        }
        self.pacing.due_in(Instant::now(), SAFETY_PROBE);
    }

    fn on_error(&mut self, failed: &Failed) {
        let now = Instant::now();
        let log = if failed.will_pass() {
            // A lock was not to be had in time, say: nothing is lost.
            debug1!("cometchat: claiming failed: {} {}", failed.sqlstate, failed.message);
            self.pacing.lock_failed(now)
        } else {
            // Vault, say, or a table of ours that was damaged: an operator has to mend it.
            self.pacing.failed(now)
        };
        if log {
            self.log_cannot_send(&format!("{} {}", failed.sqlstate, failed.message));
        }
    }

    /// Logs why nothing is sent, once for each reason.
    fn log_cannot_send(&self, why: &str) {
        if is_new_complaint(why) {
            notice::tell(&format!("cannot send in database \"{}\": {why}", self.database));
        }
    }
}

/// Whether a version of the form `1.2.3` comes before another.
fn is_older(version: &str, than: &str) -> bool {
    let parts = |version: &str| -> Vec<u32> {
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    parts(version) < parts(than)
}
