//! One poll of the queue: a short transaction that says what the worker is to do.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use pgrx::debug1;
use transport::AgentOptions;
use uuid::Uuid;

use super::sweep;
use crate::app;
use crate::http::{self, WorkerEndpoint};
use crate::pg::latch::LatchWait;
use crate::pg::session;
use crate::pg::transaction::{self, Failed};
use crate::shmem::{self, rolled_back, void_tokens};
use crate::store::claim::{self, Claimed};
use crate::store::{self, queue};
use sync::error::CallError;
use sync::pacing::{NextDue, Room};
use sync::policy;
use sync::rate_limiter::Priority;

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
    /// Claimed users; and in how long the next one is due.
    Jobs {
        jobs: Claimed,
        /// How many were found for an import, where one was looked for.
        found_for_import: Option<usize>,
        next: NextDue,
        has_backfill: bool,
        endpoint: Box<WorkerEndpoint>,
    },
}

const READ_ONLY: &str = "the database is read-only (default_transaction_read_only)";

/// Claims as many users as there is `room` for in the name of `claim`. `settings`: the database's settings
/// that this process has, if they are known. `usable`: options that an agent was made with already.
///
/// # Errors
/// A lock was not to be had in time, say; nothing is lost.
pub fn poll(
    room: Room,
    claim: i64,
    held: &HashSet<Uuid>,
    settings: Option<&str>,
    usable: Option<&AgentOptions>,
) -> Result<PollResult, Failed> {
    let mut result = transaction::run(AssertUnwindSafe(move || {
        // First: the transaction that ends this wait may have changed what is read next.
        let restored = restore_is_over();
        let database = store::database();
        let Some(version) = database.version else { return PollResult::Gone };
        transaction::commit_without_waiting();
        if !restored {
            return PollResult::RestoreInProgress;
        }
        if settings != Some(database.settings.as_str()) {
            return PollResult::Restart;
        }
        let is_template = database.is_template;
        // Before any table of ours is touched: another version's may be different.
        if version != env!("CARGO_PKG_VERSION") {
            return if is_template {
                PollResult::Template
            } else {
                PollResult::OtherVersion(version)
            };
        }
        // An operator, or a provider whose disk is full, wants nothing to be written.
        let read_only = session::read_only();
        shmem::slot().read_only.store(read_only, Ordering::Relaxed);
        if read_only {
            return PollResult::NotConfigured(READ_ONLY.to_owned());
        }
        let Some(home) = store::control::sending() else { return PollResult::Paused };
        if is_template {
            return PollResult::Template;
        }
        home.expect_auth_users();
        home.settle();
        match configured(usable) {
            Ok((endpoint, app_id)) => claim_due(room, claim, held, &app_id, endpoint),
            Err(failure) => PollResult::NotConfigured(failure.to_string()),
        }
    }));
    if let Ok(PollResult::Jobs { jobs, next, has_backfill, endpoint, .. }) = &mut result {
        look_further(jobs.is_empty(), next, *has_backfill, endpoint.app_id());
    }
    result
}

/// Looks for work that is in no queue yet, once those who are due are claimed.
fn look_further(idle: bool, next: &mut NextDue, has_backfill: bool, app_id: &str) {
    if idle {
        next.people = next.people.into_iter().chain(sweep::step()).min();
    }
    if has_backfill && next.backlog != Some(Duration::ZERO) && continue_backfill(app_id) {
        next.backlog = Some(Duration::ZERO);
    }
}

/// Queues the next page of a backfill, in a transaction of its own. `true`: its users are due.
fn continue_backfill(app_id: &str) -> bool {
    let queued = transaction::run(AssertUnwindSafe(|| {
        transaction::commit_without_waiting();
        queue::continue_backfill(app_id)
    }));
    queued.unwrap_or_else(|failed| {
        debug1!("cometchat: the backfill waits: {} {}", failed.sqlstate, failed.message);
        false
    })
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

fn claim_due(
    room: Room,
    claim: i64,
    held: &HashSet<Uuid>,
    app_id: &str,
    endpoint: WorkerEndpoint,
) -> PollResult {
    // Read before anything is written: an idle worker must not take a transaction id, which would write to the log
    // once a minute for nothing.
    let mut state = queue::state(claim);
    let mut recheck = None;
    if state.has_missed || state.has_abandoned {
        let done = queue::reclaim_stale(state, claim);
        state = queue::state(claim);
        if !done || state.has_abandoned {
            recheck = Some(policy::LOCKED_RECHECK);
        }
    }
    let sendable = http::room(shmem::slot(), Priority::Backlog);
    let room = Room { backlog: room.backlog.min(sendable), ..room };
    let is_due = |due: Option<i64>| due.is_some_and(|ms| ms <= 0);
    let backlog_is_due = is_due(state.backlog_due_in_ms);
    let may_import = room.import > 0 && backlog_is_due;
    let jobs = if is_due(state.due_in_ms) || may_import || room.backlog > 0 && backlog_is_due {
        claim::claim(room, claim, app_id, held)
    } else {
        Claimed::default()
    };
    let of_backlog = jobs.of_backlog();
    let people = jobs.len() - of_backlog;
    if !jobs.is_empty() && jobs.len() < room.users + room.import {
        state = queue::state(claim);
    }
    let next = NextDue {
        people: until_due(state.due_in_ms, people, room.users).into_iter().chain(recheck).min(),
        backlog: until_due(state.backlog_due_in_ms, of_backlog, room.backlog + room.import),
    };
    let found_for_import = may_import.then_some(jobs.found_for_import);
    let (has_backfill, endpoint) = (state.has_backfill, Box::new(endpoint));
    PollResult::Jobs { jobs, found_for_import, next, has_backfill, endpoint }
}

/// In how long the next one is due, after `claimed` were claimed of those that there was `room` for.
fn until_due(due_in_ms: Option<i64>, claimed: usize, room: usize) -> Option<Duration> {
    let due = due_in_ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
    match due {
        // Those that are due are locked by other sessions.
        Some(Duration::ZERO) if claimed == 0 && room > 0 => Some(policy::LOCKED_RECHECK),
        due => due,
    }
}

/// Notes that the remote state of users is in doubt for whom a rolled-back transaction sent a request. In how
/// long that is to be tried again, of users whom another transaction has locked.
pub fn mark_rolled_back() -> Option<Duration> {
    let users = rolled_back::take();
    if users.is_empty() {
        return None;
    }
    let noted = transaction::run(|| store::doubt_unlocked(&users)).unwrap_or_default();
    let left: Vec<Uuid> = users.into_iter().filter(|user| !noted.contains(user)).collect();
    rolled_back::put_back(&left);
    (!left.is_empty()).then_some(policy::LOCKED_RECHECK)
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
