//! Many users of the backlog, all of whom are to be created, in one request: CometChat's import has a
//! limit of its own. What it leaves behind is what single requests would, but for the token.
//!
//! Whoever is not certainly there after it goes singly: that finds them, or creates them.

use std::time::Instant;

use cometchat::{Client, Effect, Error, ErrorKind, ImportRow, RowOutcome};

use crate::job::{self, Job, JobResult, Outcome};
use crate::model::{Certainty, UserStatus};
use crate::policy::{RetryDecision, MAX_IMPORT_BYTES};
use crate::user_sync::SyncError;

pub mod availability; // whether the import is to be had

pub use availability::Availability;
pub use cometchat::MAX_IMPORT_USERS;

/// What the end of a request says about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// CometChat reported about users.
    Worked,
    /// The plan, the key or the address has no import.
    NotOffered,
    /// No report, for another reason.
    Failed,
    /// A limit, a shutdown, a rejected key: nothing about the import.
    Nothing,
}

/// An import that was tried.
#[derive(Debug)]
pub struct Imported {
    /// Of each user.
    pub results: Vec<JobResult>,
    pub verdict: Verdict,
    /// Why there was no report.
    pub reason: Option<String>,
}

impl Job {
    /// Whether the user can be created together with others: of whom nothing is known, and who is nobody's
    /// recent action. (A status message is a field that the import does not take.)
    pub fn is_importable(&self) -> bool {
        self.backlog
            && self.status == UserStatus::Active
            && !self.skip
            && self.wanted.unreadable.is_none()
            && self.wanted.profile.fields.status_message.is_none()
            && self.imported_token.is_none()
            && !self.was_known
            && !self.remote.is_something()
            && !self.remote.revoke_pending
            && self.certainty == Certainty::NeverAsked
    }
}

/// Splits off those who do not fit into one request.
pub fn fit(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let (mut bytes, mut fitting, mut rest) = (0, Vec::new(), Vec::new());
    for job in jobs {
        let user = job.wanted.profile.to_create(&job.remote.uid);
        bytes += serde_json::to_vec(&user).map_or(MAX_IMPORT_BYTES, |json| json.len());
        if fitting.is_empty() || bytes <= MAX_IMPORT_BYTES && fitting.len() < MAX_IMPORT_USERS {
            fitting.push(job);
        } else {
            rest.push(job);
        }
    }
    (fitting, rest)
}

/// Sends one request for all of them. `sent`: tells whether one was.
pub fn run(jobs: Vec<Job>, client: &Client, sent: impl Fn() -> bool) -> Imported {
    let started = Instant::now();
    let users: Vec<_> =
        jobs.iter().map(|job| job.wanted.profile.to_create(&job.remote.uid)).collect();
    match client.import_users(&users) {
        Ok(rows) => {
            let results = jobs.into_iter().zip(&rows).map(|(job, row)| settle(job, row, started));
            Imported { results: results.collect(), verdict: Verdict::Worked, reason: None }
        }
        Err(error) if !sent() && error.kind() != ErrorKind::Invalid => {
            let results = jobs.into_iter().map(Job::released).collect();
            Imported { results, verdict: Verdict::Nothing, reason: None }
        }
        Err(error) => fail(jobs, error, started),
    }
}

/// All of them go singly, since nobody knows what became of an import: a bug of ours, say.
pub fn all_singly(jobs: Vec<Job>, started: Instant) -> Imported {
    let results = jobs.into_iter().map(|job| singly(job, Effect::UnderWay, started)).collect();
    Imported { results, verdict: Verdict::Failed, reason: None }
}

fn settle(mut job: Job, row: &ImportRow, started: Instant) -> JobResult {
    let outcome = match (&row.outcome, row.kind()) {
        // An import may leave somebody alone who was there, and call that a success.
        (RowOutcome::Imported(Some(there)), _)
            if there.is_deactivated() || job.wanted.profile.contradicts(there) =>
        {
            return singly(job, Effect::Unknown, started);
        }
        (RowOutcome::Imported(there), _) => {
            if let Some(there) = there {
                job.remote.uid.clone_from(&there.uid);
            }
            job.remote.mapped = true;
            job.remote.sent = Some(job.wanted.profile.as_sent());
            Outcome::Synced
        }
        (RowOutcome::Failed { code, message }, Some(kind)) => {
            let error = Error::Api {
                status: 400,
                code: code.clone(),
                message: message.clone(),
                details: Vec::new(),
                retry_after: None,
            };
            let of_the_import = code.as_ref().is_some_and(|c| c.starts_with("ERR_IMPORT_"));
            match kind {
                ErrorKind::PlanLimit => job::failed(SyncError::NotCreated(error)),
                ErrorKind::BadUser if !of_the_import => job::failed(SyncError::Remote(error)),
                _ => return singly(job, Effect::Unknown, started),
            }
        }
        _ => return singly(job, Effect::Unknown, started),
    };
    JobResult { job, outcome, started, took: started.elapsed(), request_sent: true }
}

/// Back into the queue, due at once, and marked: CometChat has been asked about the user, so nothing is
/// created together with others any more.
fn singly(mut job: Job, effect: Effect, started: Instant) -> JobResult {
    job.remote.effect = effect.max(Effect::Unknown);
    let outcome = Outcome::Failed {
        decision: RetryDecision::Singly,
        pause: None,
        code: String::new(),
        status: None,
        reason: String::new(),
        message: None,
    };
    // No attempt of the user's own.
    JobResult { job, outcome, started, took: started.elapsed(), request_sent: false }
}

/// No report at all.
fn fail(jobs: Vec<Job>, error: Error, started: Instant) -> Imported {
    let verdict = verdict(&error);
    let effect = error.effect();
    let reason = Some(error.to_string());
    if verdict == Verdict::Failed {
        let results = jobs.into_iter().map(|job| singly(job, effect, started)).collect();
        return Imported { results, verdict, reason };
    }
    // Not about any of them: they are due as before. A rejected key, and a shutdown, are as they are
    // for single requests.
    let kind = error.kind();
    let of_all = matches!(kind, ErrorKind::KeyRejected | ErrorKind::Interrupted)
        && verdict == Verdict::Nothing;
    let outcome = of_all.then(|| job::failed(SyncError::Remote(error)));
    let results = jobs.into_iter().map(|mut job| match &outcome {
        None => job.released(),
        Some(outcome) => {
            job.remote.effect = effect;
            let (outcome, took) = (outcome.clone(), started.elapsed());
            JobResult { job, outcome, started, took, request_sent: true }
        }
    });
    Imported { results: results.collect(), verdict, reason }
}

/// What an error says about the import. A key may be allowed everything else: single requests find out.
fn verdict(error: &Error) -> Verdict {
    let (status, code) = (error.status(), error.code());
    let no_access = code == Some("AUTH_ERR_NO_ACCESS");
    match error.kind() {
        ErrorKind::KeyRejected if no_access => Verdict::NotOffered,
        ErrorKind::KeyRejected if status == Some(403) && code.is_none_or(|c| !is_about_key(c)) => {
            Verdict::NotOffered
        }
        ErrorKind::KeyRejected | ErrorKind::RateLimited | ErrorKind::Interrupted => {
            Verdict::Nothing
        }
        ErrorKind::PlanLimit | ErrorKind::WrongEndpoint => Verdict::NotOffered,
        ErrorKind::Server | ErrorKind::NotCometChat if matches!(status, Some(405 | 410 | 501)) => {
            Verdict::NotOffered
        }
        _ => Verdict::Failed,
    }
}

fn is_about_key(code: &str) -> bool {
    code.starts_with("AUTH_ERR_")
}
