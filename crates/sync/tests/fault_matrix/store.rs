//! What the database would hold of one user. The smallest store that the decisions need: it mirrors what
//! `src/store/claim.rs` (claim), `complete.rs` (FINISH) and `save.rs` (SAVE, QUEUE, FORGET) write, clause by
//! clause, for one user of one app, without locks, batches and arguments.

use std::time::Duration;

use cometchat::Effect;
use sync::job::{Job, JobResult, OnDelete, Outcome};
use sync::model::{AuthUser, Certainty, Mapping, SentFingerprint, SyncState, UserRow, UserStatus};
use sync::policy::{self, as_ms};
use sync::profile::{self, CallArguments};
use uuid::Uuid;

mod session;

use sync::next_attempt::{Doubt, NextAttempt};

pub const APP: &str = simulator::DEFAULT_APP;
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
pub const MAX_ATTEMPTS: i32 = 12;

/// `sync_state.unsettled_until`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Until {
    /// `-infinity`
    #[default]
    NeverAsked,
    /// null
    Settled,
    /// `infinity`
    Claimed,
    At(i64),
}

impl Until {
    fn finite(self) -> Option<i64> {
        if let Until::At(at) = self {
            Some(at)
        } else {
            None
        }
    }

    fn from_latest(moments: [Option<i64>; 3]) -> Until {
        moments.into_iter().flatten().max().map_or(Until::Settled, Until::At)
    }
}

/// `cometchat.sync_state`.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub app_id: Option<String>,
    pub uid: Option<String>,
    pub sent: Option<SentFingerprint>,
    pub deactivated: bool,
    pub revoke_pending: bool,
    pub until: Until,
    pub requested: bool,
    pub wanted: i64,
    pub synced: i64,
    pub next: Option<i64>,
    pub attempts: i32,
    pub claim: Option<i64>,
    pub outcomes: i64,
    pub failed: bool,
    pub code: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Store {
    /// Milliseconds.
    pub now: i64,
    pub user: Uuid,
    /// What `auth.users` says.
    pub status: UserStatus,
    pub name: String,
    /// uid and token of `public.cometchat_users`.
    pub mapping: Option<(String, Option<String>)>,
    pub state: Option<State>,
    pub on_delete: OnDelete,
}

impl Store {
    pub fn row(&self) -> UserRow {
        let id = self.user.to_string();
        let last = self.state.as_ref().and_then(|s| s.uid.clone());
        let last = last.filter(|_| self.status == UserStatus::Deleted);
        let mapped = self.mapping.as_ref().map(|(uid, _)| uid.clone());
        UserRow {
            uid: mapped.or(last).unwrap_or_else(|| id.clone()),
            user_id: id,
            auth: AuthUser {
                status: self.status,
                names: vec![Some(self.name.clone())],
                own_names: 1,
                ..AuthUser::default()
            },
            mapping: self
                .mapping
                .as_ref()
                .map(|(_, token)| Mapping { token: token.clone(), void: false }),
            known: self.state.as_ref().map(|s| self.sync_state(s)),
        }
    }

    fn sync_state(&self, s: &State) -> SyncState {
        SyncState {
            app_id: s.app_id.clone(),
            uid: s.uid.clone(),
            sent: s.sent.clone(),
            deactivated: s.deactivated,
            revoke_pending: s.revoke_pending,
            certainty: match s.until {
                Until::NeverAsked => Certainty::NeverAsked,
                Until::Settled | Until::Claimed => Certainty::Settled,
                Until::At(at) if at > self.now => Certainty::InFlight(at - self.now),
                Until::At(_) => Certainty::Unsettled,
            },
            requested: s.requested,
            claim: s.claim,
            wanted_revision: s.wanted,
            outcomes: s.outcomes,
            attempts: s.attempts,
            ..SyncState::default()
        }
    }

    /// The trigger's write after `status` or `name` changed.
    pub fn mark_due(&mut self) {
        let uid = self.mapping.as_ref().map(|(uid, _)| uid.clone());
        let (now, deleted) = (self.now, self.status == UserStatus::Deleted);
        let s = self.state.get_or_insert_with(State::default);
        (s.wanted, s.next, s.attempts, s.failed) = (s.wanted + 1, Some(now), 0, false);
        if deleted {
            s.uid = uid.or(s.uid.take());
            self.mapping = None; // the foreign key's cascade
        }
    }

    pub fn in_flight_ms() -> i64 {
        as_ms(policy::in_flight_for(REQUEST_TIMEOUT))
    }

    pub fn unsettled_ms(effect: Effect) -> Option<i64> {
        policy::unsettled_for(effect, REQUEST_TIMEOUT).map(as_ms)
    }

    /// Claims the user, if due.
    pub fn claim(&mut self, claim: i64) -> Option<Job> {
        let now = self.now;
        let s = self.state.as_mut().filter(|s| s.claim.is_none() && s.next <= Some(now))?;
        s.next?;
        s.claim = Some(claim);
        if s.until == Until::Settled {
            s.until = Until::Claimed;
        }
        let row = self.row();
        let job = Job {
            user: self.user,
            app_id: APP.to_owned(),
            revision: row.wanted_revision().unwrap_or(0),
            attempts: row.known.as_ref().map_or(0, |k| k.attempts.unsigned_abs()),
            backlog: false,
            status: row.auth.status,
            skip: false,
            on_delete: self.on_delete,
            wanted: profile::wanted(&row, CallArguments::default()),
            imported_token: row.imported_token(),
            remote: row.remote_in(APP),
            was_known: row.known_in(APP).is_some(),
            knew_revocation: row.knew_revocation(),
            certainty: row.certainty_in(APP),
        };
        let s = self.state.as_mut()?;
        if job.deactivates() {
            (s.deactivated, s.app_id) = (true, Some(APP.to_owned()));
            s.uid = Some(job.remote.uid.clone());
        }
        Some(job)
    }

    /// Gives the claimed user back, to be tried so many milliseconds from now.
    pub fn put_off(&mut self, wait_ms: i64) {
        let next = self.now + wait_ms;
        if let Some(s) = &mut self.state {
            (s.claim, s.next) = (None, Some(next));
            if s.until == Until::Claimed {
                s.until = Until::Settled;
            }
        }
    }

    /// A worker that starts frees what an earlier one left behind.
    pub fn free_stale_claims(&mut self) {
        if let Some(s) = self.state.as_mut().filter(|s| s.claim.is_some()) {
            s.claim = None;
            s.until = Until::At(self.now + Store::in_flight_ms());
        }
    }

    /// Writes what became of a claimed user.
    pub fn complete(&mut self, done: &JobResult, claim: i64) {
        let (now, job, remote) = (self.now, &done.job, &done.job.remote);
        let is_there = self.status != UserStatus::Deleted;
        let Some(s) = self.state.as_mut() else { return };
        if s.claim != Some(claim) {
            let same = s.app_id.as_deref() == Some(APP) && s.uid.as_ref() == Some(&remote.uid);
            if job.status != UserStatus::Active && remote.deactivated && same && !s.deactivated {
                (s.deactivated, s.attempts, s.failed) = (true, 0, false);
                s.wanted += 1;
                s.next = Some(s.next.map_or(now, |due| due.min(now)));
            }
            return;
        }
        let changed = s.wanted != job.revision;
        let mut overtaken = changed;
        if remote.mapped && is_there {
            match &mut self.mapping {
                Some((uid, _)) if !uid.eq_ignore_ascii_case(&remote.uid) => overtaken = true,
                mapping => *mapping = Some((remote.uid.clone(), remote.token.clone())),
            }
        }
        if matches!(done.outcome, Outcome::Removed) && !changed {
            self.state = None;
            return;
        }
        let next = NextAttempt::after(done, 0.5, MAX_ATTEMPTS);
        let doubt = Doubt::after(done, REQUEST_TIMEOUT);
        let failed = matches!(done.outcome, Outcome::Failed { .. });
        let about = remote.is_something() || job.was_known && (failed || remote.revoke_pending);
        s.uid = Some(remote.uid.clone());
        s.app_id = about.then(|| APP.to_owned());
        s.sent = remote.sent.clone();
        s.deactivated = remote.deactivated;
        s.revoke_pending =
            remote.revoke_pending || s.revoke_pending && (changed || !job.knew_revocation);
        s.next = if overtaken && (next.synced || next.delay_ms.unwrap_or(0) <= 0) {
            Some(now)
        } else {
            let again =
                (next.synced && doubt == Doubt::CheckWhenOver).then(|| s.until.finite()).flatten();
            next.delay_ms.map(|ms| now + ms).into_iter().chain(again).min()
        };
        s.until = match doubt {
            Doubt::Settled if changed && s.until.finite().is_some() => s.until,
            Doubt::Settled => Until::Settled,
            Doubt::AsBefore | Doubt::CheckWhenOver => s.until,
            Doubt::For(ms) => Until::from_latest([s.until.finite(), Some(now + ms), None]),
        };
        if next.synced {
            s.synced = job.revision;
        }
        if !overtaken {
            s.attempts = next.attempts;
        }
        s.failed = next.failed && !overtaken;
        if next.synced || next.code.is_some() {
            s.code = next.code;
        }
        s.outcomes += 1;
        s.claim = None;
    }
}
