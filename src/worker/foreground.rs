//! The worker's job in a session, for servers where nothing can be preloaded: claim, send and
//! finish as three calls, between which `cometchat.process_queue` commits.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};

use sync::job::{Job, JobResult, Outcome};
use sync::pacing::Room;
use sync::policy::RetryDecision;

use crate::pg::{latch, rights, session};
use crate::store::control::record_run;
use crate::store::{self, claim, complete, queue};
use crate::{app, http, shmem};
use sync::error::CallError;

/// What this session has claimed, and the results. It lasts from one call to the next.
#[derive(Default)]
struct Batch {
    claim: i64,
    app_id: String,
    jobs: VecDeque<Job>,
    done: Vec<JobResult>,
    /// Why the sending ended; `None` after a cancel.
    ended: Option<String>,
}

thread_local! {
    static BATCH: RefCell<Batch> = RefCell::default();
}

const DONE: &str = "done";

/// Claims up to `limit` users; returns how many. None while an operator has paused the sending.
///
/// # Errors
/// [`CallError::NotConfigured`]; [`CallError::ReadOnly`].
pub fn claim(limit: usize) -> Result<usize, CallError> {
    if rights::are_restricted() {
        return Err(CallError::Unauthorized); // SECURITY: as in `caller::identify`
    }
    if session::read_only() {
        return Err(CallError::ReadOnly);
    }
    session::refuse_transaction_block();
    one_version()?;
    finish(); // what an earlier call of this session may have left behind
    let claimed = claim_due(limit);
    match &claimed {
        Ok(0) if store::paused() => record_run("paused"),
        Ok(0) => record_run(DONE),
        Ok(_) => record_run("sending"),
        Err(failure) => record_run(&failure.to_string()),
    }
    claimed
}

/// Like the worker, this sends nothing while extension and library are of different versions.
fn one_version() -> Result<(), CallError> {
    let (library, installed) = (env!("CARGO_PKG_VERSION"), store::database().version);
    match installed {
        Some(installed) if installed != library => Err(CallError::NotConfigured(format!(
            "extension {installed}, library {library}; run ALTER EXTENSION cometchat_ext UPDATE"
        ))),
        _ => Ok(()),
    }
}

fn claim_due(limit: usize) -> Result<usize, CallError> {
    let Some(home) = store::control::sending() else { return Ok(0) };
    let app_id = app::app_id()?;
    http::worker_endpoint(&app_id)?;
    if home.last_run_is_ahead {
        queue::clock_set_back();
    }
    home.settle();
    store::catch_up_with_ids(); // what finish() writes must not fail for it
    let claim = store::session_claim();
    let state = queue::state(claim);
    queue::reclaim_stale(state, claim);
    queue::free_claims_of_sessions(claim);
    let room = Room { users: limit, backlog: limit, import: 0 };
    let nobody = HashSet::new(); // what this process had is written
    let mut jobs = claim::claim(room, claim, &app_id, &nobody).singly;
    while state.has_backfill && jobs.is_empty() && queue::continue_backfill(&app_id) {
        jobs = claim::claim(room, claim, &app_id, &nobody).singly;
    }
    let jobs: VecDeque<Job> = jobs.into();
    let count = jobs.len();
    BATCH.set(Batch { claim, app_id, jobs, done: Vec::new(), ended: None });
    Ok(count)
}

/// Sends for what was claimed, one user after the other; `false` when sending any more now is
/// useless. However it ends, a cancel included, [`finish`] writes what was done until then.
///
/// # Errors
/// [`CallError::NotConfigured`], or why the circuit breaker is open.
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

/// CometChat's code, or ours, of the failure that ended it. Our own limit is none: the next run goes on.
fn last_code(last: Option<&JobResult>) -> String {
    match last.map(|done| &done.outcome) {
        Some(Outcome::Failed { decision: RetryDecision::Throttled(_), .. })
            if http::throttled(shmem::slot()).is_none() =>
        {
            DONE.to_owned()
        }
        Some(Outcome::Failed { code, .. }) => code.clone(),
        _ => DONE.to_owned(),
    }
}

fn send_all() -> Result<bool, CallError> {
    let app_id = BATCH.with_borrow(|batch| batch.app_id.clone());
    // A user whose request failed as if all users were concerned; the next user's decides.
    let mut first_refused: Option<usize> = None;
    while let Some(job) = BATCH.with_borrow_mut(|batch| batch.jobs.pop_front()) {
        let client = match http::queue_client(&app_id, job.backlog) {
            Ok(client) => client,
            Err(failure) => {
                BATCH.with_borrow_mut(|batch| batch.jobs.push_front(job));
                return Err(failure);
            }
        };
        let done = job.run(&client);
        let decision = match &done.outcome {
            Outcome::Failed { decision, .. } => Some(*decision),
            Outcome::Synced | Outcome::Removed => None,
        };
        let proceed = BATCH.with_borrow_mut(|batch| {
            batch.done.push(done);
            match (decision, first_refused) {
                (None | Some(RetryDecision::Fail), refused) => {
                    // CometChat answers: only that user was concerned.
                    if let Some(refused) = refused.and_then(|at| batch.done.get_mut(at)) {
                        refused.count_as_attempt();
                    }
                    first_refused = None;
                    true
                }
                (Some(RetryDecision::Retry), None) | (Some(RetryDecision::PlanFull), _) => true,
                (Some(RetryDecision::OpenCircuit | RetryDecision::Outage), None) => {
                    first_refused = Some(batch.done.len() - 1);
                    true
                }
                _ => false,
            }
        });
        latch::rethrow_pending_error();
        if !proceed {
            return Ok(false);
        }
    }
    Ok(first_refused.is_none()) // else the next batch would begin with the same user
}

/// Writes the results; users who were not tried are due as before.
pub fn finish() {
    BATCH.with_borrow_mut(|batch| {
        batch.done.extend(batch.jobs.drain(..).map(Job::released));
        if !batch.done.is_empty() {
            complete::write(&batch.done, batch.claim, store::random);
            record_run(batch.ended.as_deref().unwrap_or("canceled"));
            batch.done.clear(); // not where the write was cancelled: it is made up for later
        }
    });
}
