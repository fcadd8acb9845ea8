//! One user's work for CometChat, outside any transaction. Knows nothing of Postgres.

use std::time::{Duration, Instant};

use cometchat::{Client, Error, ErrorKind};
use uuid::Uuid;

use crate::error::{self, CallError, PauseReason};
use crate::model::{Certainty, RemoteState, UserStatus};
use crate::policy::{self, RetryDecision};
use crate::profile::DesiredProfile;
use crate::user_sync::{SyncError, UserSync};

mod ending; // what a ban or a deletion asks of CometChat

/// What becomes of a deleted user (`cometchat.on_delete`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    #[default]
    Deactivate,
    Delete,
    Keep,
}

/// A claimed user, with all that is needed to send.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub user: Uuid,
    /// The app that it is about.
    pub app_id: String,
    /// The revision that was read.
    pub revision: i64,
    pub attempts: u32,
    /// It is nobody's recent action: people go first.
    pub backlog: bool,
    pub status: UserStatus,
    /// Not to be synced by itself (anonymous or unconfirmed), and not in CometChat yet.
    pub skip: bool,
    pub on_delete: OnDelete,
    pub wanted: DesiredProfile,
    pub imported_token: Option<String>,
    pub remote: RemoteState,
    /// Something is stored about the user's existence there.
    pub was_known: bool,
    /// A revocation was owed when the job began.
    pub knew_revocation: bool,
    /// How far that may be relied on.
    pub certainty: Certainty,
}

/// A job that was tried.
#[derive(Debug)]
pub struct JobResult {
    pub job: Job,
    pub outcome: Outcome,
    /// Since when.
    pub started: Instant,
    /// For so long.
    pub took: Duration,
    /// Whether a request was sent at all.
    pub request_sent: bool,
}

/// How it went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// CometChat agrees.
    Synced,
    /// Nothing is to be remembered of the user any more.
    Removed,
    /// Not yet.
    Failed {
        decision: RetryDecision,
        /// Why no user can be synced now, if so.
        pause: Option<PauseReason>,
        /// CometChat's code, or ours.
        code: String,
        /// The answer's HTTP status, if there was an answer.
        status: Option<u16>,
        /// What the log says: ours, and CometChat's.
        reason: String,
        message: Option<String>,
    },
}

impl JobResult {
    /// What failed is an attempt of this user's, however it reads.
    pub fn count_as_attempt(&mut self) {
        if let Outcome::Failed { decision, .. } = &mut self.outcome {
            *decision = RetryDecision::Retry;
        }
    }
}

impl Job {
    /// Whether the job deactivates a user who, as far as is known, is active.
    pub fn deactivates(&self) -> bool {
        let to_be = match self.status {
            UserStatus::Active | UserStatus::Unknown => false,
            UserStatus::Suspended { .. } => true,
            UserStatus::Deleted => self.on_delete == OnDelete::Deactivate,
        };
        to_be && self.may_be_there() && !self.remote.deactivated
    }

    /// Whether the job makes a user active who certainly is not. (Of a new user nothing is certain: the
    /// row says so by default.)
    pub fn activates(&self) -> bool {
        let inactive = self.remote.sent.is_none() && self.certainty == Certainty::Settled;
        self.status == UserStatus::Active && !self.skip && inactive
    }

    /// CometChat may have the user, for all we know.
    fn may_be_there(&self) -> bool {
        self.was_there() || self.certainty != Certainty::Settled
    }

    /// CometChat has the user, or had.
    fn was_there(&self) -> bool {
        self.remote.mapped || self.was_known
    }

    /// The requests that the user's own actions cost: an edit, and a revocation. Others ban, delete and
    /// reactivate users.
    pub fn requests_of_the_user(&self) -> (u64, u64) {
        if self.status != UserStatus::Active || self.skip || self.remote.deactivated {
            return (0, 0);
        }
        let wanted = self.wanted.profile.as_sent();
        let edit = match &self.remote.sent {
            _ if self.wanted.unreadable.is_some() => 0,
            Some(_) if self.certainty.answer_was_lost() => 2, // a look, and a try of the token
            Some(sent) if *sent == wanted => 0,
            Some(sent) if !self.wanted.profile.reads_first(sent) => 1,
            Some(_) => 2, // what is there is read before it is written
            None if self.remote.mapped => 2,
            None => 1, // a create; whoever is new has a whole budget
        };
        (edit, u64::from(self.remote.revoke_pending))
    }

    /// Does the work; what was learned on the way stays in the job.
    pub fn run(mut self, client: &Client) -> JobResult {
        let request_sent = !self.skip
            && (matches!(self.status, UserStatus::Active | UserStatus::Unknown)
                || self.may_be_there());
        let started = Instant::now();
        let result = match self.status {
            _ if self.skip => Ok(false),
            UserStatus::Active | UserStatus::Unknown if self.wanted.unreadable.is_some() => {
                self.only_revoke(client).map(|()| false)
            }
            UserStatus::Active | UserStatus::Unknown => self.converge(client).map(|()| false),
            UserStatus::Suspended { .. } if !self.may_be_there() => Ok(false),
            UserStatus::Deleted if !self.may_be_there() => Ok(true),
            UserStatus::Suspended { .. } => self.suspend(client).map(|()| false),
            UserStatus::Deleted => self.remove(client).map_err(SyncError::from),
        };
        let outcome = match result {
            Ok(false) => Outcome::Synced,
            Ok(true) => Outcome::Removed,
            Err(error) => failed(error),
        };
        JobResult { job: self, outcome, started, took: started.elapsed(), request_sent }
    }

    /// Back into the queue as it was.
    pub fn released(self) -> JobResult {
        let outcome = Outcome::Failed {
            decision: RetryDecision::Interrupted, // so that nothing is written of it
            pause: None,
            code: String::new(),
            status: None,
            reason: String::new(),
            message: None,
        };
        let (started, took) = (Instant::now(), Duration::ZERO);
        JobResult { job: self, outcome, started, took, request_sent: false }
    }

    fn converge(&mut self, client: &Client) -> Result<(), SyncError> {
        let remote = std::mem::take(&mut self.remote);
        let profile = &self.wanted.profile;
        let mut way = UserSync::new(client, profile, remote, self.certainty, self.was_known);
        way.imported_token = self.imported_token.take();
        let mut result = way.run();
        if way.remote.revoke_pending && may_still_flush(&result) {
            // A revocation that is still owed. Of somebody who is not there nothing is.
            result = match (way.flush(), result) {
                (Err(SyncError::Remote(e)), Err(refused)) if e.kind() == ErrorKind::UidNotFound => {
                    Err(refused)
                }
                (flushed, result) => flushed.and(result),
            };
        }
        self.remote = way.remote;
        result
    }

    /// What is wanted cannot be read; a revocation does not depend on it.
    fn only_revoke(&mut self, client: &Client) -> Result<(), SyncError> {
        if self.remote.revoke_pending && self.remote.mapped {
            client.flush_tokens(&self.remote.uid)?;
            self.remote.revoke_pending = false;
        }
        Err(SyncError::Unreadable(self.wanted.unreadable.clone().unwrap_or_default()))
    }
}

/// Whether tokens can be ended all the same: CometChat refused what is wanted of this user, and nothing else.
fn may_still_flush(result: &Result<(), SyncError>) -> bool {
    match result {
        Ok(()) => true,
        Err(SyncError::Deactivated) => false, // no token works
        Err(error) => policy::decide(error) == RetryDecision::Fail,
    }
}

pub(crate) fn failed(sync_error: SyncError) -> Outcome {
    let (decision, pause) = (policy::decide(&sync_error), PauseReason::from_error(&sync_error));
    let code = error::stored_code(&sync_error);
    let message = match &sync_error {
        SyncError::Deactivated => None,
        SyncError::Unreadable(why) => Some(why.clone()),
        SyncError::Remote(error) | SyncError::Token(error) | SyncError::NotCreated(error) => {
            match error {
                Error::Api { message, details, .. } => {
                    let field = details.first().map(|d| format!("{}: {}", d.field, d.message));
                    field.or_else(|| message.clone())
                }
                other => Some(other.to_string()),
            }
        }
    };
    let status = match &sync_error {
        SyncError::Deactivated | SyncError::Unreadable(_) => None,
        SyncError::Remote(error) | SyncError::Token(error) | SyncError::NotCreated(error) => {
            error.status()
        }
    };
    let ours = CallError::from(sync_error).code().as_str();
    let reason = if code == ours { code.clone() } else { format!("{ours} ({code})") };
    Outcome::Failed { decision, pause, code, status, reason, message }
}
