//! One look at the queue: a short transaction that says what the worker is to do.

use super::job::Job;
use super::queue;
use crate::config;
use crate::http::{self, WorkerEndpoint};
use crate::pg::transaction::{self, Failed};
use crate::users;

/// What a look at the queue brought.
pub enum Work {
    /// The extension is not in this database any more.
    Gone,
    /// An operator has paused the worker.
    Asleep,
    /// The database's own settings have changed; they are read when a process connects.
    Restart,
    /// The extension has another version than the library.
    OtherVersion(String),
    /// A setting is missing; says which.
    NotConfigured(String),
    /// Claimed users; and in how many milliseconds the next one is due.
    Jobs { jobs: Vec<Job>, due: Option<i64>, endpoint: Box<WorkerEndpoint> },
}

/// Claims up to `room` users in the name of `claim`. `settings`: the database's settings that this
/// process has.
///
/// # Errors
/// A lock was not to be had in time, say; nothing is lost.
pub fn look(room: usize, claim: i64, settings: &str) -> Result<Work, Failed> {
    let settings = settings.to_owned();
    transaction::run(move || {
        let Some(version) = users::extension_version() else { return Work::Gone };
        transaction::commit_without_waiting();
        if users::database_settings() != settings {
            return Work::Restart;
        }
        if users::paused() {
            return Work::Asleep;
        }
        if version != env!("CARGO_PKG_VERSION") {
            return Work::OtherVersion(version);
        }
        let endpoint =
            config::app_id().and_then(|app_id| Ok((http::worker_endpoint(&app_id)?, app_id)));
        match endpoint {
            Ok((endpoint, app_id)) => claim_due(room, claim, &app_id, endpoint),
            Err(failure) => Work::NotConfigured(failure.to_string()),
        }
    })
}

fn claim_due(room: usize, claim: i64, app_id: &str, endpoint: WorkerEndpoint) -> Work {
    // Looked at first: an idle worker must not take a transaction id, which would write to the log
    // once a minute for nothing.
    let due = queue::next_due();
    let jobs = match due {
        Some(..=0) => queue::claim(room, claim, app_id),
        _ => Vec::new(),
    };
    let due = match jobs.len() {
        0 => due,
        some if some < room => queue::next_due(),
        _ => Some(0),
    };
    Work::Jobs { jobs, due, endpoint: Box::new(endpoint) }
}
