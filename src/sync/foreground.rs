//! The worker's job in a session, for servers where nothing can be preloaded: claim, send and
//! finish as three calls, between which `cometchat.process_queue` commits.

use std::cell::RefCell;
use std::time::Instant;

use super::job::{Done, Job, Outcome};
use super::queue;
use super::retry::Verdict;
use crate::config;
use crate::failure::Failure;
use crate::pg::latch;
use crate::{http, users};

/// What this session has claimed, and what became of it.
#[derive(Default)]
struct Batch {
    claim: i64,
    app_id: String,
    jobs: Vec<Job>,
    done: Vec<Done>,
}

thread_local! {
    static BATCH: RefCell<Batch> = RefCell::default();
}

/// Claims up to `most` users; says how many.
///
/// # Errors
/// [`Failure::NotConfigured`].
pub fn claim(most: usize) -> Result<usize, Failure> {
    let app_id = config::app_id()?;
    http::worker_endpoint(&app_id)?;
    let claim = users::fresh_claim();
    queue::free_old_claims();
    let jobs = queue::claim(most, claim, &app_id);
    let count = jobs.len();
    BATCH.set(Batch { claim, app_id, jobs, done: Vec::new() });
    Ok(count)
}

/// Sends for what was claimed, one user after the other; `false` when sending any more now is
/// useless.
///
/// # Errors
/// [`Failure::NotConfigured`].
pub fn send() -> Result<bool, Failure> {
    let (app_id, jobs) =
        BATCH.with_borrow_mut(|batch| (batch.app_id.clone(), std::mem::take(&mut batch.jobs)));
    let mut go_on = true;
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        if !go_on {
            done.push(job.not_tried());
            continue;
        }
        let deadline = Instant::now() + config::request_timeout();
        let one = job.run(&http::client(&app_id, deadline, || true)?);
        latch::raise_held_error();
        if let Outcome::Failed { verdict, .. } = &one.outcome {
            go_on = matches!(verdict, Verdict::Retry | Verdict::Park);
        }
        done.push(one);
    }
    BATCH.with_borrow_mut(|batch| batch.done = done);
    Ok(go_on)
}

/// Writes what became of them.
pub fn finish() {
    let batch = BATCH.take();
    if !batch.done.is_empty() {
        queue::finish(&batch.done, batch.claim, users::random);
    }
}
