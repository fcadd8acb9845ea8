//! When a worker claims next and how many users, and what an outcome means for everybody else.
//!
//! Pure: the worker says what happened and gets back what to write, to log and to count.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::attribution::{Attribution, Scope};
use crate::circuit_breaker::{CircuitBreaker, Tripped};
use crate::error::PauseReason;
use crate::job::{JobResult, Outcome};
use crate::policy::{
    self, RetryDecision, ERRORS_BEFORE_LOG, LOCKED_RECHECK, LOCK_FAILURES_BEFORE_LOG, LOCK_RETRY,
    MIN_CLAIM_INTERVAL, PREFETCH_FACTOR, SAFETY_PROBE,
};

mod import; // when users are looked for who can be created together
mod next; // how many users, and when
pub use next::{NextDue, Room, ThrottledFor};

/// What the worker of a database remembers of how things went.
pub struct Pacing {
    pub breaker: CircuitBreaker,
    attribution: Attribution,
    /// When users are due, as far as is known.
    next_due: Instant,
    /// The same of the backlog.
    backlog_due: Instant,
    /// When the backlog is due to be created together.
    import_due: Instant,
    /// Nothing is looked for before this that could be.
    import_not_before: Instant,
    /// Nothing is claimed before this, due or not.
    not_before: Instant,
    /// Since when there may be claims of an earlier worker, or that a dump brought along.
    stale_since: Option<Instant>,
    /// Polls in a row that an error ended.
    errors: u32,
    /// Polls in a row that failed for a reason that passes, a lock say.
    lock_failures: u32,
}

/// What is counted of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Synced,
    Retried,
    Failed,
}

/// What an outcome changes for everybody.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Sending stops but for probes; `first`: it went on until now, and `reason` is to be logged.
    CircuitOpened { reason: String, pause: Option<PauseReason>, first: bool },
    /// Sending resumes; it had stopped because of this.
    CircuitClosed { reason: String },
    /// The plan has no room for another user.
    PlanFull { reason: String },
}

/// What becomes of an outcome besides being written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effect {
    pub counter: Option<Counter>,
    pub event: Option<Event>,
}

impl Pacing {
    /// A worker that starts now, with the breaker that the last one left.
    pub fn new(now: Instant, breaker: CircuitBreaker) -> Self {
        Pacing {
            breaker,
            attribution: Attribution::default(),
            next_due: now,
            backlog_due: now,
            import_due: now,
            import_not_before: now,
            not_before: now,
            stale_since: Some(now),
            errors: 0,
            lock_failures: 0,
        }
    }

    /// When the next claim may be made; `None` while there is no room for one.
    pub fn next_claim(&self, now: Instant, room: Room, throttled: ThrottledFor) -> Option<Instant> {
        if room.users == 0 {
            return None;
        }
        let people = self.next_due.max(now + throttled.people);
        let backlog = self.backlog_due.max(now + throttled.backlog);
        let import = self.import_due.max(now + throttled.import);
        let mut due = people;
        for (at, room) in [(backlog, room.backlog), (import, room.import)] {
            due = if room > 0 { due.min(at) } else { due };
        }
        let due = due.max(self.not_before);
        Some(self.breaker.open_until().map_or(due, |until| until.max(due)))
    }

    /// How many users may be claimed while so many are being worked on, and so many of the backlog wait
    /// besides: people do not wait behind these.
    pub fn room(&self, in_flight: usize, waiting_backlog: usize, concurrency: usize) -> Room {
        let users = self.capacity(in_flight, concurrency);
        let backlog = self.capacity(in_flight + waiting_backlog, concurrency).min(users);
        Room { users, backlog, import: 0 }
    }

    fn capacity(&self, in_flight: usize, concurrency: usize) -> usize {
        let most = match self.breaker.open_until() {
            Some(_) => 1, // a probe
            None => concurrency * PREFETCH_FACTOR,
        };
        // A claim costs a transaction: not for a few users while many are in flight.
        if in_flight > most / 2 {
            0
        } else {
            most - in_flight
        }
    }

    /// There may be work at once.
    pub fn due_now(&mut self, now: Instant) {
        self.next_due = now;
    }

    /// There may be work in `wait`.
    pub fn due_in(&mut self, now: Instant, wait: Duration) {
        let due = now + wait;
        (self.next_due, self.backlog_due, self.import_due) = (due, due, due);
    }

    /// An operator has changed something: what held sending back is tried again at once.
    pub fn start_over(&mut self, now: Instant) {
        self.due_in(now, Duration::ZERO);
        (self.not_before, self.import_not_before) = (now, now);
        self.breaker.probe_now(now);
    }

    /// Claims nothing for `time`, or [`MIN_CLAIM_INTERVAL`] at the most.
    pub fn rest(&mut self, now: Instant, time: Duration) {
        self.not_before = self.not_before.max(now + time.min(MIN_CLAIM_INTERVAL));
    }

    /// Whether there may be claims of somebody who is gone.
    pub fn has_stale_claims(&self) -> bool {
        self.stale_since.is_some()
    }

    pub fn set_stale_claims(&mut self, since: Option<Instant>) {
        self.stale_since = since;
    }

    /// A poll was not ended by an error.
    pub fn polled(&mut self) {
        (self.errors, self.lock_failures) = (0, 0);
    }

    /// The next user is due in `wait`, if that is known. A stale claim that somebody has locked is
    /// looked at after as long again as that has lasted.
    pub fn claimed(&mut self, now: Instant, next: NextDue) {
        let longest = self.stale_since.map_or(SAFETY_PROBE, |since| {
            now.saturating_duration_since(since).clamp(LOCKED_RECHECK, SAFETY_PROBE)
        });
        self.next_due = now + next.people.unwrap_or(SAFETY_PROBE).min(longest);
        self.backlog_due = now + next.backlog.unwrap_or(SAFETY_PROBE);
        self.import_due = self.backlog_due;
    }

    /// A poll failed for a reason that passes. `true`: it has failed so often that it is to be logged.
    pub fn lock_failed(&mut self, now: Instant) -> bool {
        self.lock_failures += 1;
        self.due_in(now, LOCK_RETRY);
        self.lock_failures == LOCK_FAILURES_BEFORE_LOG
    }

    /// A poll failed for a reason that an operator has to mend. `true`: to be logged.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.errors = self.errors.saturating_add(1);
        self.not_before = now + policy::error_backoff(self.errors);
        self.errors > ERRORS_BEFORE_LOG
    }

    /// Those who were put off until the next probe.
    pub fn put_off(&self) -> Vec<Uuid> {
        self.attribution.waiting()
    }

    /// Looks at an outcome. What is written of it may change, depending on how others fared.
    /// `plan_wait`: how long creates wait for room in the plan.
    pub fn on_outcome(
        &mut self,
        done: &mut JobResult,
        now: Instant,
        concurrency: usize,
        plan_wait: impl FnOnce() -> Duration,
    ) -> Effect {
        let (user, sent, request_sent) = (done.job.user, done.started, done.request_sent);
        let Outcome::Failed { decision, code, reason, pause, .. } = &mut done.outcome else {
            let event = if request_sent { self.answered(user, sent, now) } else { None };
            return Effect { counter: request_sent.then_some(Counter::Synced), event };
        };
        let (mut counter, mut event) = (None, None);
        match *decision {
            RetryDecision::OpenCircuit | RetryDecision::Outage => {
                (counter, event) = self.refused(user, sent, now, decision, (code, reason, *pause));
            }
            RetryDecision::Retry => {
                counter = Some(Counter::Retried);
                if self.breaker.record_failure(user, concurrency) {
                    event = self.trip(reason, None, now, true);
                }
            }
            // People had come before it.
            RetryDecision::Throttled(wait) if done.job.backlog && !request_sent => {
                self.backlog_due = self.backlog_due.max(now + policy::throttled_delay(wait));
            }
            RetryDecision::Throttled(wait) => self.rest(now, policy::throttled_delay(wait)),
            // Whose create was refused tries again when it is time to probe. (It says nothing of
            // those who exist.)
            RetryDecision::PlanFull => {
                event = Some(Event::PlanFull { reason: reason.clone() });
                if request_sent {
                    *decision = RetryDecision::Defer(plan_wait());
                }
            }
            RetryDecision::Interrupted | RetryDecision::Singly | RetryDecision::Defer(_) => {}
            // About one user; CometChat itself answered.
            RetryDecision::Fail => {
                counter = Some(Counter::Failed);
                if request_sent {
                    event = self.answered(user, sent, now);
                }
            }
        }
        Effect { counter, event }
    }

    /// A refusal that may concern one user or all: says which, as far as is known.
    fn refused(
        &mut self,
        user: Uuid,
        sent: Instant,
        now: Instant,
        decision: &mut RetryDecision,
        (code, reason, pause): (&str, &str, Option<PauseReason>),
    ) -> (Option<Counter>, Option<Event>) {
        let (mut counter, mut event) = (None, None);
        match self.attribution.refused(user, sent) {
            Scope::Undecided => {
                let sure = policy::is_of_cometchat(code) || self.attribution.open() > 1;
                event = self.trip(reason, pause, now, sure);
                let until = self.breaker.open_until().unwrap_or(now);
                let probe = until.saturating_duration_since(now);
                // Somebody else goes first.
                let alone = self.attribution.delay(user);
                *decision = RetryDecision::Defer(if sure { probe } else { probe.max(alone) });
            }
            // The line may have broken: that is no attempt of this user's until it goes on so.
            Scope::OneUser(times) if *decision == RetryDecision::Outage && times < 3 => {
                *decision = RetryDecision::Defer(policy::delay(times, 1.0));
            }
            Scope::OneUser(_) => {
                *decision = RetryDecision::Retry;
                counter = Some(Counter::Retried);
            }
        }
        (counter, event)
    }

    fn answered(&mut self, user: Uuid, sent: Instant, now: Instant) -> Option<Event> {
        self.attribution.answered(user, sent);
        let reason = self.breaker.close()?;
        self.due_in(now, Duration::ZERO);
        Some(Event::CircuitClosed { reason })
    }

    fn trip(
        &mut self,
        reason: &str,
        pause: Option<PauseReason>,
        now: Instant,
        sure: bool,
    ) -> Option<Event> {
        let first = match self.breaker.trip(reason, now, sure) {
            Tripped::AlreadyOpen => return None,
            Tripped::ProbeFailed => false,
            Tripped::Opened => true,
        };
        self.due_in(now, Duration::ZERO);
        Some(Event::CircuitOpened { reason: reason.to_owned(), pause, first })
    }
}

#[cfg(test)]
mod tests;
