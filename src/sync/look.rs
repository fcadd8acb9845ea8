//! One look at the queue: a short transaction that says what the worker is to do.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport::AgentOptions;

use super::job::Job;
use super::{queue, sweep};
use crate::config;
use crate::failure::Failure;
use crate::http::{self, WorkerEndpoint};
use crate::pg::latch::LatchWait;
use crate::pg::transaction::{self, Failed};
use crate::pg::{revoked, session, shared, undone};
use crate::users;

/// What a look at the queue brought.
pub enum Work {
    /// The extension is not in this database any more.
    Gone,
    /// An operator has paused the worker.
    Asleep,
    /// The database has become a template.
    Template,
    /// The database's own settings have changed; they are read when a process connects.
    Restart,
    /// The extension was created a moment ago, and nobody has had work yet.
    NotYet,
    /// The extension has another version than the library.
    OtherVersion(String),
    /// A setting is missing; says which.
    NotConfigured(String),
    /// Claimed users; and in how many milliseconds the next one is due.
    Jobs { jobs: Vec<Job>, due: Option<i64>, endpoint: Box<WorkerEndpoint> },
}

const READ_ONLY: &str = "the database is read-only (default_transaction_read_only)";

/// What a lock stood in the way of is tried again after this many milliseconds.
const AGAIN: i64 = 500;

/// Claims up to `room` users in the name of `claim`. `settings`: the database's settings that this
/// process has, if it knows. `usable`: what an agent can be made of.
///
/// # Errors
/// A lock was not to be had in time, say; nothing is lost.
pub fn look(
    room: usize,
    claim: i64,
    settings: Option<&str>,
    usable: Option<&AgentOptions>,
) -> Result<Work, Failed> {
    let mut work = transaction::run(AssertUnwindSafe(move || {
        let Some(version) = users::extension_version() else { return Work::Gone };
        transaction::commit_without_waiting();
        // First: whoever ends this wait may have changed what is read next.
        if !is_settled() {
            return Work::NotYet;
        }
        if settings != Some(users::database_settings().as_str()) {
            return Work::Restart;
        }
        // An operator, or a provider whose disk is full, wants nothing to be written.
        let read_only = session::read_only();
        shared::slot().read_only.store(read_only, Ordering::Relaxed);
        if read_only {
            return Work::NotConfigured(READ_ONLY.to_owned());
        }
        if users::paused() {
            return Work::Asleep;
        }
        if users::is_template() {
            return Work::Template;
        }
        users::expect_auth_users();
        if version != env!("CARGO_PKG_VERSION") {
            return Work::OtherVersion(version);
        }
        match configured(usable) {
            Ok((endpoint, app_id)) => claim_due(room, claim, &app_id, endpoint),
            Err(failure) => Work::NotConfigured(failure.to_string()),
        }
    }));
    if let Ok(Work::Jobs { jobs, due, .. }) = &mut work {
        // People come first.
        let again = if jobs.is_empty() { sweep::step() } else { None };
        *due = due.iter().copied().chain(again).min();
    }
    work
}

/// Where to send, if every setting for it can be used: nobody is claimed before that is known.
fn configured(usable: Option<&AgentOptions>) -> Result<(WorkerEndpoint, String), Failure> {
    let app_id = config::app_id()?;
    let endpoint = http::worker_endpoint(&app_id)?;
    if usable != Some(endpoint.options()) {
        endpoint.agent(Arc::new(LatchWait))?; // a trial; the threads' own waits otherwise
    }
    Ok((endpoint, app_id))
}

/// A dump that comes in brings our state before the mapping; what we would write in between would
/// stand in its way. So a new extension is left alone until somebody has work, or nobody seems to
/// be at it any more.
fn is_settled() -> bool {
    let slot = shared::slot();
    let created_at = slot.created_at.load(Ordering::Acquire);
    if created_at == 0 {
        return true;
    }
    if users::is_being_restored(created_at, slot.creator.load(Ordering::Acquire)) {
        return false;
    }
    slot.created_at.store(0, Ordering::Release);
    true
}

fn claim_due(room: usize, claim: i64, app_id: &str, endpoint: WorkerEndpoint) -> Work {
    // Looked at first: an idle worker must not take a transaction id, which would write to the log
    // once a minute for nothing.
    let mut due = queue::next_due(claim);
    if due.missed || due.stale {
        let done = queue::clear_up(due, claim);
        due = queue::next_due(claim);
        if !done || due.stale {
            due.in_ms = Some(due.in_ms.unwrap_or(AGAIN).min(AGAIN));
        }
    }
    let due = due.in_ms;
    let jobs = match due {
        Some(..=0) => queue::claim(room, claim, app_id),
        _ => Vec::new(),
    };
    let due = match jobs.len() {
        // Who is due is locked by somebody else.
        0 => due.map(|ms| if ms <= 0 { AGAIN } else { ms }),
        some if some < room => queue::next_due(claim).in_ms,
        _ => Some(0),
    };
    Work::Jobs { jobs, due, endpoint: Box::new(endpoint) }
}

/// What transactions have sent that were then rolled back may have had its effect.
pub fn note_undone() {
    let users = undone::take();
    if !users.is_empty() && transaction::run(|| users::doubt(&users)).is_err() {
        undone::put_back(&users);
    }
}

/// What a rollback brought back though CometChat has flushed it goes for good.
pub fn forget_void_tokens() {
    let void = revoked::void_tokens();
    if !void.is_empty() {
        let gone = transaction::run(|| users::forget_void_tokens(&void));
        revoked::forgotten(&gone.unwrap_or_default());
    }
}
