//! What the database would hold of one user. The smallest store that the decisions need: it mirrors what
//! `src/store/claim.rs` (claim), `complete.rs` (FINISH) and `save.rs` (SAVE, QUEUE, FORGET) write, clause by
//! clause, for one user of one app, without locks, batches and arguments.

use std::time::Duration;

use cometchat::Effect;
use sync::job::{Job, JobResult, OnDelete, Outcome};
use sync::model::{
    Certainty, Mapping, RemoteState, SentFingerprint, SyncState, UserRow, UserStatus,
};
use sync::policy::{self, RetryDecision};
use sync::profile::{self, CallArguments};
use uuid::Uuid;

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
            status: self.status,
            names: vec![Some(self.name.clone())],
            own_names: 1,
            mapping: self
                .mapping
                .as_ref()
                .map(|(_, token)| Mapping { token: token.clone(), void: false }),
            known: self.state.as_ref().map(|s| self.sync_state(s)),
            ..UserRow::default()
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
            status: row.status,
            skip: false,
            on_delete: self.on_delete,
            wanted: profile::wanted(&row, CallArguments::default()),
            imported_token: row.imported_token(),
            remote: row.remote_in(APP),
            was_known: row.known_in(APP).is_some(),
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
            s.deactivated |= job.status != UserStatus::Active && remote.deactivated && same;
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
        let next = NextAttempt::of(done);
        let doubt = doubt_ms(done);
        let failed = matches!(done.outcome, Outcome::Failed { .. });
        let about = remote.is_something() || failed && job.was_known;
        s.uid = Some(remote.uid.clone());
        s.app_id = about.then(|| APP.to_owned());
        s.sent = remote.sent.clone();
        (s.deactivated, s.revoke_pending) = (remote.deactivated, remote.revoke_pending);
        s.next = if overtaken && (next.agreed || next.delay_ms.unwrap_or(0) <= 0) {
            Some(now)
        } else {
            let again = (next.agreed && doubt == Some(-2)).then(|| s.until.finite()).flatten();
            next.delay_ms.map(|ms| now + ms).into_iter().chain(again).min()
        };
        s.until = match doubt {
            None => Until::Settled,
            Some(ms) if ms < 0 => s.until,
            Some(ms) => Until::from_latest([s.until.finite(), Some(now + ms), None]),
        };
        if next.agreed {
            s.synced = job.revision;
        }
        if !overtaken {
            s.attempts = next.attempts;
        }
        s.failed = next.failed && !overtaken;
        if next.agreed || next.code.is_some() {
            s.code = next.code;
        }
        s.claim = None;
    }

    /// A session's write at the end of its call.
    pub fn save(&mut self, row: &UserRow, remote: &RemoteState) {
        let (now, start) = (self.now, row.wanted_revision().unwrap_or(0));
        let knew = row.remote_in(APP).deactivated;
        let doubt = Store::unsettled_ms(remote.effect);
        let doubt_at = doubt.map(|ms| now + ms);
        let look_at = doubt.map(|ms| now + ms.max(as_ms(policy::UNSETTLED_DELAY)));
        let app_id = remote.is_something().then(|| APP.to_owned());
        let is_new = self.state.is_none();
        let s = self.state.get_or_insert_with(State::default);
        let changed = !is_new && s.wanted != start;
        if remote.mapped {
            let token = remote.token.clone().filter(|_| !(s.deactivated && changed));
            self.mapping = Some((remote.uid.clone(), token));
        }
        let claimed = s.claim.map(|_| now + Store::in_flight_ms());
        s.sent = match &remote.sent {
            _ if s.deactivated && !knew => None,
            Some(sent) if changed => Some(SentFingerprint {
                profile: String::new(),
                metadata: String::new(),
                keys: sent.keys.clone(),
            }),
            sent => sent.clone(),
        };
        let same = s.app_id == app_id && s.uid.as_ref() == Some(&remote.uid);
        s.deactivated = remote.deactivated || s.deactivated && !(knew && !changed) && same;
        (s.app_id, s.uid) = (app_id, Some(remote.uid.clone()));
        s.revoke_pending = remote.revoke_pending;
        let earliest = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        s.next = match remote.synced_revision {
            _ if changed => earliest(s.next, Some(now)),
            None => earliest(s.next, look_at),
            Some(_) => earliest(earliest(s.until.finite(), claimed), look_at),
        };
        s.until = Until::from_latest([s.until.finite(), claimed, doubt_at]);
        match remote.synced_revision {
            Some(revision) if !changed => {
                (s.synced, s.attempts, s.failed) = (revision, 0, false);
            }
            None if !changed => {}
            _ => s.failed = false,
        }
        s.wanted += i64::from(changed);
        s.claim = None;
    }

    /// Leaves the user to the worker.
    pub fn queue(&mut self, wait: Option<Duration>, code: &str, revoke: bool) {
        let next = self.now + policy::first_delay(wait);
        let s = self.state.get_or_insert_with(State::default);
        (s.requested, s.failed, s.code) = (true, false, Some(code.to_owned()));
        s.revoke_pending |= revoke;
        (s.wanted, s.attempts) = (s.wanted + 1, s.attempts.max(1));
        s.next = Some(s.next.map_or(next, |due| due.min(next)));
    }

    /// A call was told that CometChat does not know the user.
    pub fn forget(&mut self, row: &UserRow) {
        let now = self.now;
        let seen = row.known.as_ref().and_then(|known| known.sent.as_ref()).map(|s| &s.profile);
        let id = self.user.to_string();
        let Some(s) = self.state.as_mut() else { return };
        let moved = s.sent.as_ref().map(|sent| &sent.profile) != seen;
        if moved {
            s.until = Until::from_latest([s.until.finite(), Some(now), None]);
            s.next = Some(now);
        }
        let keep = s.deactivated || moved;
        match &mut self.mapping {
            Some((uid, _)) if *uid == id && !keep => self.mapping = None,
            Some((_, token)) => *token = None,
            None => {}
        }
        if !keep {
            (s.app_id, s.uid, s.sent, s.revoke_pending) = (None, None, None, false);
            let claimed = s.claim.map(|_| now + Store::in_flight_ms());
            s.until = Until::from_latest([s.until.finite(), Some(now), claimed]);
        }
    }

    /// A revocation that sends nothing.
    pub fn forget_token(&mut self) {
        if let Some(s) = &mut self.state {
            s.revoke_pending = true;
        }
        if let Some((_, token)) = &mut self.mapping {
            *token = None;
        }
    }
}

/// `complete.rs`: what is written about the next attempt.
struct NextAttempt {
    agreed: bool,
    delay_ms: Option<i64>,
    attempts: i32,
    failed: bool,
    code: Option<String>,
}

impl NextAttempt {
    fn of(done: &JobResult) -> NextAttempt {
        let attempts = i32::try_from(done.job.attempts).unwrap();
        let Outcome::Failed { decision, code, .. } = &done.outcome else {
            let back = match done.job.status {
                UserStatus::Suspended { back_in_ms } => back_in_ms,
                _ => None,
            };
            let (agreed, failed, code) = (true, false, None);
            return NextAttempt { agreed, delay_ms: back, attempts: 0, failed, code };
        };
        let again = |wait: Duration, attempts| NextAttempt {
            agreed: false,
            delay_ms: Some(as_ms(wait)),
            attempts,
            failed: false,
            code: Some(code.clone()),
        };
        let failed = |attempts| NextAttempt {
            delay_ms: None,
            failed: true,
            ..again(Duration::ZERO, attempts + 1)
        };
        match decision {
            RetryDecision::Fail => failed(attempts),
            RetryDecision::Retry if attempts + 1 >= MAX_ATTEMPTS => failed(attempts),
            RetryDecision::Retry => again(policy::delay(done.job.attempts + 1, 0.5), attempts + 1),
            RetryDecision::Throttled(wait) => again(policy::throttled_delay(*wait), attempts),
            RetryDecision::Defer(wait) => again(*wait, attempts),
            RetryDecision::PlanFull => again(policy::NO_ROOM_DELAY, attempts),
            RetryDecision::Outage | RetryDecision::OpenCircuit => again(Duration::ZERO, attempts),
            RetryDecision::Interrupted => {
                NextAttempt { code: None, ..again(Duration::ZERO, attempts) }
            }
        }
    }
}

/// `complete.rs`: -1 as before; -2 as before, and looked at once more then; `None`: certain.
fn doubt_ms(done: &JobResult) -> Option<i64> {
    let agreed = !matches!(done.outcome, Outcome::Failed { .. });
    match done.job.certainty {
        _ if done.job.remote.effect != Effect::None => Store::unsettled_ms(done.job.remote.effect),
        Certainty::Settled => None,
        Certainty::InFlight(_) => Some(-2),
        Certainty::NeverAsked | Certainty::Unsettled if agreed => None,
        Certainty::NeverAsked | Certainty::Unsettled => Some(-1),
    }
}

fn as_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}
