//! The completion buffer: results that are not written yet, written in batches.

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use uuid::Uuid;

use sync::job::{Job, JobResult};

use crate::pg::{background, transaction};
use crate::store::{self, complete};

/// No result waits longer than this for others to be written with.
const MAX_BATCH_DELAY: Duration = Duration::from_millis(1);

/// After a write that failed for a reason that will pass, a lock say.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What is written waits no longer for a lock.
const LOCK_WAIT: &CStr = c"20ms";

/// Locked users are tried again for no longer than this at a time.
const MAX_TIME_FOR_LOCKED: Duration = Duration::from_millis(100);

/// How many locked users are kept, as a multiple of those that may be in flight.
const MAX_LOCKED_FACTOR: usize = 4;

/// Results that are not written yet. The worker's, until its process ends.
#[derive(Default)]
pub struct CompletionBuffer {
    results: Vec<JobResult>,
    /// Tried, but another transaction holds a row of the user's.
    locked: Vec<JobResult>,
    /// When the results are to be written.
    due: Option<Instant>,
    /// When those of locked users are to be tried again.
    locked_due: Option<Instant>,
}

impl CompletionBuffer {
    pub fn push(&mut self, done: JobResult) {
        let soon = Instant::now() + MAX_BATCH_DELAY;
        // A locked user does not delay a new result; a write that fails as a whole does.
        self.due = match self.due {
            Some(due) if !self.results.is_empty() => Some(due),
            due => Some(due.map_or(soon, |due| due.min(soon))),
        };
        self.results.push(done);
    }

    /// These users were not tried: they are due as before.
    pub fn release(&mut self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            self.push(job.released());
        }
    }

    /// Whether more may be sent, with `in_flight` requests already. A result that is not written yet
    /// counts as in flight, so that a crash repeats no more than `max` users; but not those of locked
    /// users, unless they are many: one long transaction must not stop all other users.
    pub fn has_room(&self, in_flight: usize, max: usize) -> bool {
        in_flight + self.results.len() < max && self.locked.len() < max * MAX_LOCKED_FACTOR
    }

    /// Whether the worker may end. It does not wait for locked users, which may take for ever: the next
    /// worker sends them again.
    pub fn is_flushed(&self) -> bool {
        self.results.is_empty()
    }

    /// Whom the results are about.
    pub fn users(&self) -> impl Iterator<Item = Uuid> + use<'_> {
        self.results.iter().chain(&self.locked).map(|done| done.job.user)
    }

    /// When the next write is due; `None` while the buffer is empty.
    pub fn due(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.locked_due).min()
    }

    /// Writes if a write is due, or there are `enough` results, or no more are `coming`. `true`:
    /// something was written.
    pub fn write_if_due(&mut self, claim: i64, enough: usize, coming: usize) -> bool {
        let now = Instant::now();
        let before = self.results.len() + self.locked.len();
        if self.locked_due.is_some_and(|due| due <= now) {
            self.write_locked(claim);
        }
        let first_try = self.due.is_some_and(|due| due <= now + MAX_BATCH_DELAY);
        let time = self.due.is_some_and(|due| due <= now);
        if time || first_try && (self.results.len() >= enough || coming == 0) {
            self.write_results(claim);
            background::report_statistics();
        }
        self.results.len() + self.locked.len() < before
    }

    fn write_results(&mut self, claim: i64) {
        self.due = None;
        let results = std::mem::take(&mut self.results);
        match write(&results, claim) {
            Ok(locked) => {
                let is_locked = |done: &JobResult| locked.contains(&done.job.user);
                results.into_iter().filter(is_locked).for_each(|done| self.keep_locked(done));
            }
            Err(failed) if failed.will_pass() && !failed.is_about_a_lock() => {
                log(&failed);
                self.results = results;
            }
            // An error of the app's own trigger, say, or a locked mapping: most likely about one of the users.
            Err(_) => results.into_iter().for_each(|done| self.write_alone(done, claim)),
        }
        if !self.results.is_empty() {
            self.due = Some(Instant::now() + RETRY_DELAY);
        }
    }

    /// Tries those of locked users again, each alone, as far as that holds nobody else up; whose turn does not
    /// come is the first the next time.
    fn write_locked(&mut self, claim: i64) {
        let until = Instant::now() + MAX_TIME_FOR_LOCKED;
        self.locked_due = None;
        let mut locked = std::mem::take(&mut self.locked).into_iter();
        while Instant::now() < until {
            let Some(done) = locked.next() else { break };
            self.write_alone(done, claim);
        }
        self.locked.splice(0..0, locked);
        if !self.locked.is_empty() {
            self.locked_due = Some(Instant::now() + RETRY_DELAY);
        }
    }

    fn keep_locked(&mut self, done: JobResult) {
        self.locked.push(done);
        self.locked_due.get_or_insert(Instant::now() + RETRY_DELAY);
    }

    /// One result of a batch made the whole write fail.
    fn write_alone(&mut self, done: JobResult, claim: i64) {
        let (user, revision) = (done.job.user, done.job.revision);
        match write(std::slice::from_ref(&done), claim) {
            Ok(locked) if locked.is_empty() => {}
            Ok(_) => self.keep_locked(done),
            Err(failed) if failed.is_about_a_lock() => self.keep_locked(done),
            Err(failed) => {
                log(&failed);
                let ids_were_taken = failed.sqlstate == store::UNIQUE_VIOLATION
                    && transaction::run(store::catch_up_with_ids).unwrap_or(false);
                let why = format!("SQLSTATE {}", failed.sqlstate);
                let mark_failed = move || complete::mark_failed(user, claim, revision, &why);
                let again = ids_were_taken || failed.will_pass();
                if again || transaction::run(mark_failed).is_err() {
                    self.results.push(done);
                    self.due.get_or_insert(Instant::now() + RETRY_DELAY);
                }
            }
        }
    }
}

fn log(failed: &transaction::Failed) {
    debug1!("cometchat: writing outcomes failed: {} {}", failed.sqlstate, failed.message);
}

/// Returns the users that another transaction has locked.
fn write(results: &[JobResult], claim: i64) -> Result<Vec<Uuid>, transaction::Failed> {
    let write = || {
        transaction::wait_for_locks(LOCK_WAIT);
        complete::write_unlocked(results, claim, store::random)
    };
    transaction::run(AssertUnwindSafe(write))
}
