//! The worker's job in a session, for servers where nothing can be preloaded: claim, send and
//! finish as three calls, between which `cometchat.process_queue` commits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use super::job::{Done, Job, Outcome};
use super::retry::Verdict;
use super::{finish, queue};
use crate::config;
use crate::failure::Failure;
use crate::pg::{latch, rights};
use crate::{http, users};

/// What this session has claimed, and what became of it.
#[derive(Default)]
struct Batch {
    claim: i64,
    app_id: String,
    jobs: VecDeque<Job>,
    done: Vec<Done>,
}

thread_local! {
    static BATCH: RefCell<Batch> = RefCell::default();
}

/// Claims up to `most` users; says how many. None while an operator has paused the sending.
///
/// # Errors
/// [`Failure::NotConfigured`].
pub fn claim(most: usize) -> Result<usize, Failure> {
    if rights::are_restricted() {
        return Err(Failure::Unauthorized); // SECURITY: as in `caller::identify`
    }
    finish(); // what an earlier call of this session may have left behind
    if users::paused() {
        return Ok(0);
    }
    let app_id = config::app_id()?;
    http::worker_endpoint(&app_id)?;
    let claim = users::session_claim();
    queue::clear_up(queue::next_due(claim), claim);
    let jobs: VecDeque<Job> = queue::claim(most, claim, &app_id).into();
    let count = jobs.len();
    BATCH.set(Batch { claim, app_id, jobs, done: Vec::new() });
    Ok(count)
}

/// Sends for what was claimed, one user after the other; `false` when sending any more now is
/// useless. However it ends, a cancel included, [`finish`] writes what was done until then.
///
/// # Errors
/// [`Failure::NotConfigured`], or why sending is paused for everybody.
pub fn send() -> Result<bool, Failure> {
    let app_id = BATCH.with_borrow(|batch| batch.app_id.clone());
    while let Some(job) = BATCH.with_borrow_mut(|batch| batch.jobs.pop_front()) {
        let deadline = Instant::now() + config::request_timeout();
        let client = match http::client(&app_id, deadline, |_| true) {
            Ok(client) => client,
            Err(failure) => {
                BATCH.with_borrow_mut(|batch| batch.jobs.push_front(job));
                return Err(failure);
            }
        };
        let done = job.run(&client);
        let go_on = match &done.outcome {
            Outcome::Failed { verdict, .. } => matches!(verdict, Verdict::Retry | Verdict::Park),
            Outcome::Agreed | Outcome::Removed => true,
        };
        BATCH.with_borrow_mut(|batch| batch.done.push(done));
        latch::raise_held_error();
        if !go_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes what became of them; those that were not tried are due as before.
pub fn finish() {
    BATCH.with_borrow_mut(|batch| {
        batch.done.extend(batch.jobs.drain(..).map(Job::not_tried));
        if !batch.done.is_empty() {
            finish::all(&batch.done, batch.claim, users::random);
            batch.done.clear(); // not where the write was cancelled: it is made up for later
        }
    });
}
