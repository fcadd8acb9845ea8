//! Outcomes on their way into the database: written together, and kept until they are.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use uuid::Uuid;

use sync::job::JobResult;

use super::bgworker;
use crate::pg::transaction;
use crate::store::{self, complete};

/// No outcome waits longer than this for company.
const MAX_BATCH_DELAY: Duration = Duration::from_millis(1);

/// After a write that failed for a reason that will pass, a lock say.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// How many locked users are kept, as a multiple of those that may be in flight.
const LOCKED: usize = 4;

/// What is done and not written yet.
#[derive(Default)]
pub struct CompletionBuffer {
    results: Vec<JobResult>,
    /// Tried, but somebody else holds the user's lock: written along with the next results.
    locked: Vec<JobResult>,
    /// When what is there is to be written.
    due: Option<Instant>,
}

impl CompletionBuffer {
    pub fn push(&mut self, done: JobResult) {
        let soon = Instant::now() + MAX_BATCH_DELAY;
        // Who is locked does not hold up a new result; a write that fails as a whole does.
        self.due = match self.due {
            Some(due) if !self.results.is_empty() => Some(due),
            due => Some(due.map_or(soon, |due| due.min(soon))),
        };
        self.results.push(done);
    }

    /// Whether more may be sent, with `in_flight` requests under way already. What was sent and is
    /// not written yet counts as in flight, so that a crash repeats no more than `most` users; but
    /// not whoever is locked, unless they are many: somebody's long transaction must not stop the
    /// others.
    pub fn has_room(&self, in_flight: usize, most: usize) -> bool {
        in_flight + self.results.len() < most && self.locked.len() < most * LOCKED
    }

    /// Whether the worker may end. Not even then is whoever is locked waited for, which may take for
    /// ever: the next worker sends them again.
    pub fn is_flushed(&self) -> bool {
        self.results.is_empty()
    }

    /// When it is to be written; `None` while it is empty.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes if it is time, or there is `enough`, or nothing more is `coming`. `true`: something
    /// was written.
    pub fn write_if_due(&mut self, claim: i64, enough: usize, coming: usize) -> bool {
        let now = Instant::now();
        let first_try = self.due.is_some_and(|due| due <= now + MAX_BATCH_DELAY);
        let time = self.due.is_some_and(|due| due <= now);
        if !(time || first_try && (self.results.len() >= enough || coming == 0)) {
            return false;
        }
        self.due = None;
        let mut results = std::mem::take(&mut self.locked);
        results.append(&mut self.results);
        let all = results.len();
        match write(&results, claim) {
            Ok(locked) => {
                self.locked = results;
                self.locked.retain(|done| locked.contains(&done.job.user));
            }
            Err(failed) if failed.will_pass() => {
                log(&failed);
                self.results = results;
            }
            // What an app's own trigger raises, say: most likely about one of them.
            Err(_) => {
                for done in results {
                    self.write_alone(done, claim);
                }
            }
        }
        let left = self.results.len() + self.locked.len();
        if left > 0 {
            self.due = Some(Instant::now() + RETRY_DELAY);
        }
        bgworker::report_statistics();
        left < all
    }

    /// One of a batch stood in the way of the others.
    fn write_alone(&mut self, done: JobResult, claim: i64) {
        let (user, revision) = (done.job.user, done.job.revision);
        match write(std::slice::from_ref(&done), claim) {
            Ok(locked) if locked.is_empty() => {}
            Ok(_) => self.locked.push(done),
            Err(failed) => {
                log(&failed);
                let why = format!("SQLSTATE {}", failed.sqlstate);
                let mark_failed = move || complete::mark_failed(user, claim, revision, &why);
                if failed.will_pass() || transaction::run(mark_failed).is_err() {
                    self.results.push(done);
                }
            }
        }
    }
}

fn log(failed: &transaction::Failed) {
    debug1!("cometchat: writing outcomes failed: {} {}", failed.sqlstate, failed.message);
}

/// Returns those whom somebody else has locked.
fn write(results: &[JobResult], claim: i64) -> Result<Vec<Uuid>, transaction::Failed> {
    let write = || complete::write_unlocked(results, claim, store::random);
    transaction::run(AssertUnwindSafe(write))
}
