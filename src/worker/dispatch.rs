//! Hands claimed users to the threads, and takes the results back.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use sync::error::ErrorCode;
use sync::job::{Job, JobResult, Outcome};
use sync::pacing::{Counter, Event};
use sync::policy::{self, RetryDecision, MIN_CLAIM_INTERVAL};
use sync::rate_limiter::Priority;

use super::pool::{Done, Work};
use super::run::Worker;
use super::{notice, threads};
use crate::pg::transaction;
use crate::shmem::stats;
use crate::store::queue;
use crate::{config, http, shmem};

/// For so long, the backlog that is claimed waits for CometChat's limit.
const LONGEST_HOLD: Duration = Duration::from_secs(2);

impl Worker {
    /// Hands jobs to the threads, as far as there is room.
    pub(super) fn dispatch(&mut self) {
        let slot = shmem::slot();
        threads::dispatch(|pool| {
            if !self.completions.has_room(pool.in_flight(), pool.size()) {
                return None;
            }
            if let Some((client, jobs)) = self.ready.pop_import() {
                self.import_since = Some(Instant::now());
                return Some((client, Work::Import(jobs)));
            }
            // A thread in which the backlog waits for the limit is none that sends for people.
            let next = self.ready.pop(|| http::room(slot, Priority::Backlog) > pool.in_flight());
            next.map(|(client, job)| (client, Work::User(Box::new(job))))
        });
        // Not kept for long: whoever of them logs in meanwhile would wait for the worker.
        if self.ready.backlog() > 0 && http::throttled_for(slot).backlog > LONGEST_HOLD {
            self.completions.release(self.ready.take_backlog());
        }
    }

    /// These cannot be sent now: their claims are given back.
    pub(super) fn release_claims(&mut self, jobs: Vec<Job>) {
        self.pacing.rest(Instant::now(), MIN_CLAIM_INTERVAL);
        let (users, claim) = (jobs.iter().map(|job| job.user).collect(), self.claim);
        if transaction::run(move || queue::release_claims(users, claim)).is_err() {
            // No other process releases a running worker's claims: the completion buffer tries again.
            self.completions.release(jobs);
        }
    }

    /// Takes the threads' results.
    pub(super) fn take_results(&mut self) {
        for done in threads::take() {
            match done {
                Done::User(result) => self.take_result(*result),
                Done::Import(imported) => self.take_import(imported),
            }
        }
    }

    pub(super) fn take_result(&mut self, mut done: JobResult) {
        if is_without_room(&done) && !done.request_sent && !quota_is_used_up() {
            done = done.job.released(); // a create has succeeded since
        }
        let plan_wait = || shmem::slot().quota.with(|quota| quota.wait(policy::unix_ms()));
        let (now, concurrency) = (Instant::now(), config::concurrency());
        let effect = self.pacing.on_outcome(&mut done, now, concurrency, plan_wait);
        let counters = &shmem::slot().stats;
        match effect.counter {
            Some(Counter::Synced) => counters.user_synced(policy::unix_ms()),
            Some(Counter::Retried) => stats::add(&counters.retried, 1),
            Some(Counter::Failed) => stats::add(&counters.failed, 1),
            None => {}
        }
        if let Some(event) = effect.event {
            self.on_event(event);
        }
        self.completions.push(done);
    }

    /// Tells sessions and the log what a result means for all users.
    fn on_event(&mut self, event: Event) {
        let reason_for_sessions = &shmem::slot().breaker_reason;
        match event {
            Event::CircuitOpened { reason, pause, first } => {
                if first {
                    notice::tell(&format!(
                        "sending is paused in database \"{}\": {reason}",
                        self.database
                    ));
                }
                reason_for_sessions.store(pause.map_or(0, |p| p as u32), Ordering::Release);
                let code = ErrorCode::first_of(&reason).filter(|_| pause.is_none());
                shmem::slot().outage.store(code.map_or(0, ErrorCode::number), Ordering::Release);
                self.release_ready();
            }
            Event::CircuitClosed { reason } => {
                notice::tell(&format!(
                    "sending resumed in database \"{}\" (was {reason})",
                    self.database
                ));
                reason_for_sessions.store(0, Ordering::Release);
                shmem::slot().outage.store(0, Ordering::Release);
            }
            Event::PlanFull { reason } => {
                if self.plan_full.is_none() && quota_is_used_up() {
                    notice::tell(&format!(
                        "sending is paused in database \"{}\" for new users: {reason}",
                        self.database
                    ));
                    self.plan_full = Some(reason);
                }
            }
        }
    }

    /// Something may have been mended: users who were put off until the next probe are due at once.
    pub(super) fn release_put_off(&mut self) {
        let users = self.pacing.put_off();
        if !users.is_empty() && transaction::run(move || queue::make_due(users)).is_err() {
            debug1!("cometchat: users that were put off wait for the next probe");
        }
    }

    /// A create succeeded again: users who wait for that are due.
    pub(super) fn resume_creating(&mut self) {
        if !shmem::slot().quota.with(|quota| quota.take_freed()) {
            return;
        }
        let now = Instant::now();
        if transaction::run(queue::make_plan_limited_due).is_err() {
            shmem::slot().quota.with(|quota| quota.free_again());
            return self.pacing.rest(now, MIN_CLAIM_INTERVAL);
        }
        self.pacing.due_now(now);
        if let Some(reason) = self.plan_full.take() {
            notice::tell(&format!(
                "sending resumed in database \"{}\" for new users (was {reason})",
                self.database
            ));
        }
    }
}

fn quota_is_used_up() -> bool {
    shmem::slot().quota.with(|quota| quota.is_used_up())
}

/// Whether the plan had no room for a user who was to be created.
pub(super) fn is_without_room(done: &JobResult) -> bool {
    matches!(done.outcome, Outcome::Failed { decision: RetryDecision::PlanFull, .. })
}
