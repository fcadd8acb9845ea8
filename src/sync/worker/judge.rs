//! What an outcome means for everybody else: whether sending goes on, is held back, or rests.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use super::{Worker, BREATH};
use crate::pg::{shared, transaction};
use crate::sync::brake::Pulled;
use crate::sync::job::{Done, Outcome};
use crate::sync::queue;
use crate::sync::retry::{self, Verdict};
use crate::sync::suspects::Guilt;
use crate::{config, stats};

/// A refusal about everybody comes in CometChat's own words as a rule; without them it may be what a
/// firewall thinks of one user.
fn is_cometchats(code: &str) -> bool {
    code.contains("ERR_")
}

impl Worker {
    /// Looks at what became of a user. What is written of it may depend on how others fared.
    pub(super) fn judge(&mut self, done: &mut Done) {
        let counters = &shared::slot().stats;
        let (user, asked, started) = (done.job.user, done.asked, done.started);
        let Outcome::Failed { verdict, code, reason, pause, .. } = &mut done.outcome else {
            if asked {
                stats::add(&counters.synced, 1);
                self.suspects.answered(user, started);
                self.go_on();
            }
            return;
        };
        match *verdict {
            Verdict::Pause | Verdict::Outage => match self.suspects.refused(user, started) {
                Guilt::Open => {
                    let sure = is_cometchats(code) || self.suspects.open() > 1;
                    self.hold(reason, *pause, sure);
                    let now = Instant::now();
                    let next = self.brake.until().unwrap_or(now).saturating_duration_since(now);
                    // Somebody else goes first.
                    let alone = self.suspects.delay(user);
                    *verdict = Verdict::PutOff(if sure { next } else { next.max(alone) });
                }
                // The line may have broken: that is nobody's attempt until it keeps breaking.
                Guilt::Own(times) if *verdict == Verdict::Outage && times < 3 => {
                    *verdict = Verdict::PutOff(retry::delay(times, 1.0));
                }
                Guilt::Own(_) => {
                    *verdict = Verdict::Retry;
                    stats::add(&counters.retried, 1);
                }
            },
            Verdict::Retry => {
                stats::add(&counters.retried, 1);
                if self.brake.one_failed(user, config::concurrency()) {
                    self.hold(reason, 0, true);
                }
            }
            Verdict::Throttled(wait) => self.rest(retry::throttled_delay(wait)),
            // Whoever asked asks again when it is time to. (It says nothing of those who exist.)
            Verdict::NoRoom => {
                if asked {
                    let again = shared::slot().quota.with(|quota| quota.wait(retry::unix_ms()));
                    *verdict = Verdict::PutOff(again);
                }
                self.say_no_room(reason);
            }
            Verdict::Stopped | Verdict::PutOff(_) => {}
            // About one user; CometChat itself answered.
            Verdict::Park => {
                stats::add(&counters.parked, 1);
                if asked {
                    self.suspects.answered(user, started);
                    self.go_on();
                }
            }
        }
    }

    /// Claims nothing for a while.
    pub(super) fn rest(&mut self, time: Duration) {
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

    /// Something was mended, perhaps: who was put off until the next probe need not wait for it.
    pub(super) fn ask_for_suspects_again(&mut self) {
        let users = self.suspects.waiting();
        if !users.is_empty() && transaction::run(move || queue::due_now(users)).is_err() {
            debug1!("cometchat: those who were put off wait for the next probe");
        }
    }

    /// Stops sending but for probes; says why once.
    fn hold(&mut self, reason: &str, pause: u32, sure: bool) {
        let now = Instant::now();
        match self.brake.pull(reason, now, sure) {
            Pulled::Already => return,
            Pulled::Again => {}
            Pulled::First => {
                log!("cometchat: sending is paused in database \"{}\": {reason}", self.database);
            }
        }
        shared::slot().paused.store(pause, Ordering::Release);
        self.next_due = now;
        self.put_back();
    }

    /// The plan has no room for another user; says so once.
    fn say_no_room(&mut self, reason: &str) {
        if self.no_room.is_none() && shared::slot().quota.with(|quota| quota.is_used_up()) {
            self.no_room = Some(reason.to_owned());
            log!(
                "cometchat: sending is paused in database \"{}\" for new users: {reason}",
                self.database
            );
        }
    }

    /// Somebody could be created again: those who wait for that are due.
    pub(super) fn go_on_creating(&mut self) {
        if !shared::slot().quota.with(|quota| quota.take_freed()) {
            return;
        }
        if transaction::run(queue::new_users_are_due).is_err() {
            shared::slot().quota.with(|quota| quota.free_again());
            return self.rest(BREATH);
        }
        self.next_due = Instant::now();
        if let Some(reason) = self.no_room.take() {
            log!(
                "cometchat: sending goes on in database \"{}\" for new users after {reason}",
                self.database
            );
        }
    }
}
