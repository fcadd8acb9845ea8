//! One poll of the queue: a short transaction that says what the worker is to do.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport::AgentOptions;

use super::sweep;
use crate::app;
use crate::http::{self, WorkerEndpoint};
use crate::pg::latch::LatchWait;
use crate::pg::session;
use crate::pg::transaction::{self, Failed};
use crate::shmem::{self, rolled_back, void_tokens};
use crate::store::{self, claim, queue};
use sync::error::CallError;
use sync::job::Job;
use sync::policy::{self, as_ms};

/// What a poll brought.
pub enum PollResult {
    /// The extension is not in this database any more.
    Gone,
    /// An operator has paused the worker.
    Paused,
    /// The database has become a template.
    Template,
    /// The database's own settings have changed; they are read when a process connects.
    Restart,
    /// The extension was created a moment ago, and there was no work yet: a dump may be coming in.
    RestoreInProgress,
    /// The extension has another version than the library.
    OtherVersion(String),
    /// A setting is missing; says which.
    NotConfigured(String),
    /// Claimed users; and in how many milliseconds the next one is due.
    Jobs { jobs: Vec<Job>, due: Option<i64>, endpoint: Box<WorkerEndpoint> },
}

const READ_ONLY: &str = "the database is read-only (default_transaction_read_only)";

/// Claims up to `capacity` users in the name of `claim`. `settings`: the database's settings that this
/// process has, if they are known. `usable`: options that an agent was made with already.
///
/// # Errors
/// A lock was not to be had in time, say; nothing is lost.
pub fn poll(
    capacity: usize,
    claim: i64,
    settings: Option<&str>,
    usable: Option<&AgentOptions>,
) -> Result<PollResult, Failed> {
    let mut result = transaction::run(AssertUnwindSafe(move || {
        let Some(version) = store::extension_version() else { return PollResult::Gone };
        transaction::commit_without_waiting();
        // First: the transaction that ends this wait may have changed what is read next.
        if !restore_is_over() {
            return PollResult::RestoreInProgress;
        }
        if settings != Some(store::database_settings().as_str()) {
            return PollResult::Restart;
        }
        // Before any table of ours is touched: another version's may be different.
        if version != env!("CARGO_PKG_VERSION") {
            let template = store::is_template();
            return if template { PollResult::Template } else { PollResult::OtherVersion(version) };
        }
        // An operator, or a provider whose disk is full, wants nothing to be written.
        let read_only = session::read_only();
        shmem::slot().read_only.store(read_only, Ordering::Relaxed);
        if read_only {
            return PollResult::NotConfigured(READ_ONLY.to_owned());
        }
        if store::paused() {
            return PollResult::Paused;
        }
        if store::is_template() {
            return PollResult::Template;
        }
        store::expect_auth_users();
        match configured(usable) {
            Ok((endpoint, app_id)) => claim_due(capacity, claim, &app_id, endpoint),
            Err(failure) => PollResult::NotConfigured(failure.to_string()),
        }
    }));
    if let Ok(PollResult::Jobs { jobs, due, .. }) = &mut result {
        // Users who are due come first.
        let again = if jobs.is_empty() { sweep::step() } else { None };
        *due = due.iter().copied().chain(again).min();
    }
    result
}

/// Where to send, if every setting for it can be used: no user is claimed before that is known.
fn configured(usable: Option<&AgentOptions>) -> Result<(WorkerEndpoint, String), CallError> {
    let app_id = app::app_id()?;
    let endpoint = http::worker_endpoint(&app_id)?;
    if usable != Some(endpoint.options()) {
        endpoint.agent(Arc::new(LatchWait))?; // a trial; the threads' own waits otherwise
    }
    Ok((endpoint, app_id))
}

/// A dump that comes in brings our state before the mapping; what we would write in between would
/// stand in its way. So a new extension is left alone until there is work, or it is five minutes
/// old and the process that created it has ended.
fn restore_is_over() -> bool {
    let slot = shmem::slot();
    let created_at = slot.created_at.load(Ordering::Acquire);
    if created_at == 0 {
        return true;
    }
    if store::is_being_restored(created_at, slot.creator.load(Ordering::Acquire)) {
        return false;
    }
    slot.created_at.store(0, Ordering::Release);
    true
}

fn claim_due(capacity: usize, claim: i64, app_id: &str, endpoint: WorkerEndpoint) -> PollResult {
    // Read before anything is written: an idle worker must not take a transaction id, which would write to the log
    // once a minute for nothing.
    let mut state = queue::state(claim);
    let retry_in = as_ms(policy::LOCKED_RECHECK);
    if state.has_missed || state.has_abandoned {
        let done = queue::reclaim_stale(state, claim);
        state = queue::state(claim);
        if !done || state.has_abandoned {
            state.due_in_ms = Some(state.due_in_ms.unwrap_or(retry_in).min(retry_in));
        }
    }
    let due = state.due_in_ms;
    let jobs = match due {
        Some(..=0) => claim::claim(capacity, claim, app_id),
        _ => Vec::new(),
    };
    let due = match jobs.len() {
        // The users who are due are locked by other sessions.
        0 => due.map(|ms| if ms <= 0 { retry_in } else { ms }),
        claimed if claimed < capacity => queue::state(claim).due_in_ms,
        _ => Some(0),
    };
    PollResult::Jobs { jobs, due, endpoint: Box::new(endpoint) }
}

/// Notes that the remote state of users is in doubt for whom a rolled-back transaction sent a request.
pub fn mark_rolled_back() {
    let users = rolled_back::take();
    if !users.is_empty() && transaction::run(|| store::doubt(&users)).is_err() {
        rolled_back::put_back(&users);
    }
}

/// Forgets stored tokens that a rollback brought back though CometChat has flushed them.
pub fn forget_void_tokens() {
    let void = void_tokens::void_tokens();
    if !void.is_empty() {
        let gone = transaction::run(|| {
            // For good: also where the database's commits do not wait for the disk.
            transaction::commit_durably();
            store::forget_void_tokens(&void)
        });
        void_tokens::forgotten(&gone.unwrap_or_default());
    }
}
