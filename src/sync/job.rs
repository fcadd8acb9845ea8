//! One user's work for CometChat, outside any transaction. Knows nothing of Postgres.

use cometchat::{Client, Error, ErrorKind};
use pgrx::Uuid;

use super::retry::{self, Verdict};
use crate::converge::{Convergence, Trouble};
use crate::failure::Failure;
use crate::profile::Wanted;
use crate::users::{Learned, Presence};

/// What becomes of a deleted user (`cometchat.on_delete`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    Deactivate,
    Delete,
    Keep,
}

/// A claimed user, with all that is needed to send.
#[derive(Clone, Debug)]
pub struct Job {
    pub user: Uuid,
    /// The app that it is about.
    pub app_id: String,
    /// The revision that was read.
    pub revision: i64,
    pub attempts: u32,
    pub presence: Presence,
    /// Not to be synced by itself (anonymous or unconfirmed), and not in CometChat yet.
    pub skip: bool,
    pub on_delete: OnDelete,
    pub wanted: Wanted,
    pub token_by_hand: Option<String>,
    pub learned: Learned,
}

/// A job that was tried.
#[derive(Debug)]
pub struct Done {
    pub job: Job,
    pub outcome: Outcome,
    /// Whether CometChat was asked at all.
    pub asked: bool,
}

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// CometChat agrees.
    Agreed,
    /// Nothing is to be remembered of the user any more.
    Removed,
    /// Not yet.
    Failed {
        verdict: Verdict,
        /// For everybody, see `Failure::pause_number`.
        pause: u32,
        code: String,
        message: Option<String>,
    },
}

impl Job {
    /// Whether it is to deactivate somebody who, for all we know, is active.
    pub fn deactivates(&self) -> bool {
        let there = self.learned.mapped || self.learned.sent.is_some();
        let to_be = match self.presence {
            Presence::Active => false,
            Presence::ShutOut { .. } => there,
            Presence::Gone => self.on_delete == OnDelete::Deactivate,
        };
        to_be && !self.skip && !self.learned.deactivated
    }

    /// The requests that the user's own doing costs: an edit, and a revocation. Banning, deleting and
    /// bringing somebody back is others' doing.
    pub fn requests_of_the_user(&self) -> (u64, u64) {
        if self.presence != Presence::Active || self.skip || self.learned.deactivated {
            return (0, 0);
        }
        let wanted = self.wanted.profile.as_sent();
        let edit = match &self.learned.sent {
            Some(sent) if *sent == wanted => 0,
            Some(sent) if sent.metadata == wanted.metadata => 1,
            Some(_) => 2, // metadata is read before it is written
            None if self.learned.mapped => 2,
            None => 1, // a create; whoever is new has a whole budget
        };
        (edit, u64::from(self.learned.revoke_pending))
    }

    /// Does the work; what was learned on the way stays in the job.
    pub fn run(mut self, client: &Client) -> Done {
        let result = match self.presence {
            _ if self.skip => Ok(false),
            Presence::Active => self.converge(client).map(|()| false),
            Presence::ShutOut { .. } => self.shut_out(client).map(|()| false),
            Presence::Gone => self.remove(client).map_err(Trouble::from),
        };
        let outcome = match result {
            Ok(false) => Outcome::Agreed,
            Ok(true) => Outcome::Removed,
            Err(trouble) => failed(&trouble),
        };
        Done { job: self, outcome, asked: true }
    }

    /// Back into the queue as it was.
    pub fn not_tried(self) -> Done {
        let (code, message) = ("NOT_TRIED".to_owned(), None);
        Done {
            job: self,
            outcome: Outcome::Failed { verdict: Verdict::Stopped, pause: 0, code, message },
            asked: false,
        }
    }

    fn converge(&mut self, client: &Client) -> Result<(), Trouble> {
        let mut way = Convergence {
            client,
            profile: &self.wanted.profile,
            token_by_hand: self.token_by_hand.take(),
            may_reactivate: false,
            for_login: false,
            learned: std::mem::take(&mut self.learned),
            not_updated: None,
        };
        let mut result = way.run();
        if result.is_ok() && way.learned.revoke_pending {
            result = way.flush(); // a revocation that is still owed
        }
        self.learned = way.learned;
        result
    }

    /// Banned or softly deleted: every session ends, and nobody can start another. In this order,
    /// since a reactivated user's old tokens would work again.
    fn shut_out(&mut self, client: &Client) -> Result<(), Trouble> {
        if !self.learned.mapped && self.learned.sent.is_none() {
            return Ok(()); // never was there
        }
        self.deactivate(client)?;
        self.learned.sent = None;
        Ok(())
    }

    fn deactivate(&mut self, client: &Client) -> Result<(), Error> {
        let uid = self.learned.uid.clone();
        // However far this comes, the stored token is handed out no more.
        self.learned.token = None;
        match client.flush_tokens(&uid) {
            Ok(()) => {
                self.learned.revoke_pending = false;
                // Active until now, so the deactivation is ours, also if its answer is lost and
                // the next attempt finds it done. If it never comes about, the user will be
                // reactivated for nothing, which does no harm.
                self.learned.deactivated = true;
            }
            Err(e) if e.kind() == ErrorKind::UidNotFound => {} // deactivated already, or not there
            Err(e) => return Err(e),
        }
        let outcome = client.deactivate_users(&[&uid])?;
        // Deactivated already, no flush of ours worked, and no earlier attempt was cut off: that was
        // others. What they do leaves no trace here, and their decision stands.
        if outcome.done.iter().any(|done| done.eq_ignore_ascii_case(&uid)) {
            self.learned.deactivated = true;
        }
        Ok(())
    }

    /// Deleted here. `true`: nothing is to be remembered.
    fn remove(&mut self, client: &Client) -> Result<bool, Error> {
        self.learned.token = None;
        self.learned.mapped = false;
        self.learned.sent = None;
        match self.on_delete {
            OnDelete::Keep => Ok(true),
            OnDelete::Deactivate => {
                self.deactivate(client)?;
                // Remembered, so that a new sign-up with the same id may be reactivated.
                Ok(!self.learned.deactivated)
            }
            OnDelete::Delete => match client.delete_user(&self.learned.uid, true) {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == ErrorKind::UidNotFound => Ok(true),
                Err(e) => Err(e),
            },
        }
    }
}

fn failed(trouble: &Trouble) -> Outcome {
    let (code, message) = match trouble {
        Trouble::Deactivated => ("USER_DEACTIVATED".to_owned(), None),
        Trouble::Remote(error) | Trouble::Token(error) => {
            let code =
                error.code().map_or_else(|| error.kind().as_str().to_uppercase(), str::to_owned);
            let message = match error {
                Error::Api { message, details, .. } => {
                    let field = details.first().map(|d| format!("{}: {}", d.field, d.message));
                    field.or_else(|| message.clone())
                }
                other => Some(other.to_string()),
            };
            (code, message)
        }
    };
    let pause = Failure::pause_number(trouble);
    Outcome::Failed { verdict: retry::verdict(trouble), pause, code, message }
}
