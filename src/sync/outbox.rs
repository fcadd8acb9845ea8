//! Outcomes on their way into the database: written together, and kept until they are.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use pgrx::Uuid;

use super::finish;
use super::job::Done;
use crate::pg::{bgworker, transaction};
use crate::users;

/// No outcome waits longer than this for company.
const GATHER: Duration = Duration::from_millis(1);

/// After a write that failed for a reason that will pass, a lock say.
const AGAIN: Duration = Duration::from_millis(200);

/// What is done and not written yet.
#[derive(Default)]
pub struct Outbox {
    results: Vec<Done>,
    /// When what is there is to be written.
    due: Option<Instant>,
}

impl Outbox {
    pub fn push(&mut self, done: Done) {
        self.results.push(done);
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
    }

    pub fn len(&self) -> usize {
        self.results.len()
    }

    /// When it is to be written; `None` while it is empty.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes if it is time, or there is `enough`, or nothing more is `coming`. `true`: something
    /// was written.
    pub fn write_if_due(&mut self, claim: i64, enough: usize, coming: usize) -> bool {
        let now = Instant::now();
        let first_try = self.due.is_some_and(|due| due <= now + GATHER);
        let time = self.due.is_some_and(|due| due <= now);
        if !(time || first_try && (self.results.len() >= enough || coming == 0)) {
            return false;
        }
        self.due = None;
        let results = std::mem::take(&mut self.results);
        match write(&results, claim) {
            Ok(locked) => {
                self.keep(results.into_iter().filter(|done| locked.contains(&done.job.user)));
            }
            Err(failed) if is_about_data(&failed) => {
                for done in results {
                    self.write_alone(done, claim);
                }
            }
            Err(failed) => {
                log(&failed);
                self.keep(results);
            }
        }
        bgworker::report_statistics();
        true
    }

    /// One of a batch stood in the way of the others.
    fn write_alone(&mut self, done: Done, claim: i64) {
        let (user, revision) = (done.job.user, done.job.revision);
        let one = [done];
        match write(&one, claim) {
            Ok(locked) if locked.is_empty() => return,
            Ok(_) => {}
            Err(failed) => {
                if is_about_data(&failed) {
                    let code = format!("DATABASE {}", failed.sqlstate);
                    if transaction::run(move || finish::park(user, claim, revision, &code)).is_ok()
                    {
                        return;
                    }
                }
                log(&failed);
            }
        }
        self.keep(one);
    }

    /// These are written again a little later.
    fn keep(&mut self, results: impl IntoIterator<Item = Done>) {
        self.results.extend(results);
        if !self.results.is_empty() {
            self.due = Some(Instant::now() + AGAIN);
        }
    }
}

fn log(failed: &transaction::Failed) {
    debug1!("cometchat: writing outcomes failed: {} {}", failed.sqlstate, failed.message);
}

/// Returns those whom somebody else has locked.
fn write(results: &[Done], claim: i64) -> Result<Vec<Uuid>, transaction::Failed> {
    let write = || finish::all_but_the_locked(results, claim, users::random);
    transaction::run(AssertUnwindSafe(write))
}

/// Data exceptions and violated constraints: trying again will not mend them.
fn is_about_data(failed: &transaction::Failed) -> bool {
    failed.sqlstate.starts_with("22") || failed.sqlstate.starts_with("23")
}
