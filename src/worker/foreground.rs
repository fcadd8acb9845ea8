//! The worker's job in a session, for servers where nothing can be preloaded: claim, send and
//! finish as three calls, between which `cometchat.process_queue` commits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use sync::job::{Job, JobResult, Outcome};
use sync::policy::RetryDecision;

use crate::config;
use crate::pg::{latch, rights, session};
use crate::store::statement::Statement;
use crate::store::{self, claim, complete};
use crate::{app, http};
use sync::error::CallError;

/// What this session has claimed, and what became of it.
#[derive(Default)]
struct Batch {
    claim: i64,
    app_id: String,
    jobs: VecDeque<Job>,
    done: Vec<JobResult>,
    /// Why no more was sent; `None` after a cancel.
    ended: Option<String>,
}

thread_local! {
    static BATCH: RefCell<Batch> = RefCell::default();
}

static RUN: Statement = Statement::new(
    "UPDATE cometchat.control AS c SET process_queue_run_at = now(), process_queue_result = $1 WHERE c.only_row",
);

/// Remembers how far this run has come, for `health()`.
fn note(result: &str) {
    RUN.write(&[result.into()]);
}

const DONE: &str = "done";

/// Claims up to `most` users; says how many. None while an operator has paused the sending.
///
/// # Errors
/// [`CallError::NotConfigured`]; [`CallError::ReadOnly`].
pub fn claim(most: usize) -> Result<usize, CallError> {
    if rights::are_restricted() {
        return Err(CallError::Unauthorized); // SECURITY: as in `caller::identify`
    }
    if session::read_only() {
        return Err(CallError::ReadOnly);
    }
    session::refuse_transaction_block();
    finish(); // what an earlier call of this session may have left behind
    let claimed = claim_due(most);
    match &claimed {
        Ok(0) if store::paused() => note("paused"),
        Ok(0) => note(DONE),
        Ok(_) => note("sending"),
        Err(failure) => note(&failure.to_string()),
    }
    claimed
}

fn claim_due(most: usize) -> Result<usize, CallError> {
    if store::paused() {
        return Ok(0);
    }
    let app_id = app::app_id()?;
    http::worker_endpoint(&app_id)?;
    let claim = store::session_claim();
    claim::reclaim_stale(claim::next_due(claim), claim);
    let jobs: VecDeque<Job> = claim::claim(most, claim, &app_id).into();
    let count = jobs.len();
    BATCH.set(Batch { claim, app_id, jobs, done: Vec::new(), ended: None });
    Ok(count)
}

/// Sends for what was claimed, one user after the other; `false` when sending any more now is
/// useless. However it ends, a cancel included, [`finish`] writes what was done until then.
///
/// # Errors
/// [`CallError::NotConfigured`], or why sending is paused for everybody.
pub fn send() -> Result<bool, CallError> {
    let sent = send_all();
    let ended = match &sent {
        Ok(true) => DONE.to_owned(),
        Ok(false) => BATCH.with_borrow(|batch| last_code(batch.done.last())),
        Err(failure) => failure.to_string(),
    };
    BATCH.with_borrow_mut(|batch| batch.ended = Some(ended));
    sent
}

/// CometChat's code, or ours, of the failure that ended it.
fn last_code(last: Option<&JobResult>) -> String {
    match last.map(|done| &done.outcome) {
        Some(Outcome::Failed { code, .. }) => code.clone(),
        _ => DONE.to_owned(),
    }
}

fn send_all() -> Result<bool, CallError> {
    let app_id = BATCH.with_borrow(|batch| batch.app_id.clone());
    // Whoever was refused as if it concerned everybody, and the next one has not been asked for.
    let mut suspect: Option<usize> = None;
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
        let verdict = match &done.outcome {
            Outcome::Failed { decision, .. } => Some(*decision),
            Outcome::Synced | Outcome::Removed => None,
        };
        let go_on = BATCH.with_borrow_mut(|batch| {
            batch.done.push(done);
            match (verdict, suspect) {
                (None | Some(RetryDecision::Fail), refused) => {
                    // CometChat answers: it concerned that one alone.
                    if let Some(refused) = refused.and_then(|at| batch.done.get_mut(at)) {
                        refused.count_as_attempt();
                    }
                    suspect = None;
                    true
                }
                (Some(RetryDecision::Retry), None) | (Some(RetryDecision::PlanFull), _) => true,
                (Some(RetryDecision::OpenCircuit | RetryDecision::Outage), None) => {
                    suspect = Some(batch.done.len() - 1);
                    true
                }
                _ => false,
            }
        });
        latch::rethrow_pending_error();
        if !go_on {
            return Ok(false);
        }
    }
    Ok(suspect.is_none()) // else the same one would come next
}

/// Writes what became of them; those that were not tried are due as before.
pub fn finish() {
    BATCH.with_borrow_mut(|batch| {
        batch.done.extend(batch.jobs.drain(..).map(Job::released));
        if !batch.done.is_empty() {
            complete::all(&batch.done, batch.claim, store::random);
            note(batch.ended.as_deref().unwrap_or("canceled"));
            batch.done.clear(); // not where the write was cancelled: it is made up for later
        }
    });
}
