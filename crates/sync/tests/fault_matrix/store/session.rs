//! What a session's call writes: `src/store/save.rs`.

use std::time::Duration;

use sync::model::{RemoteState, SentFingerprint, UserRow};
use sync::policy::{self, as_ms};

use super::{State, Store, Until, APP};

impl Store {
    /// A session's write at the end of its call.
    pub fn save(&mut self, row: &UserRow, remote: &RemoteState) {
        let (now, start) = (self.now, row.wanted_revision().unwrap_or(0));
        let knew = row.remote_in(APP).deactivated;
        let doubt = Store::unsettled_ms(remote.effect);
        let doubt_at = doubt.map(|ms| now + ms);
        let look_at = doubt.map(|ms| now + ms.max(as_ms(policy::UNSETTLED_DELAY)));
        let is_about_an_account = remote.is_something() || row.known_in(APP).is_some();
        let is_new = self.state.is_none();
        let s = self.state.get_or_insert_with(State::default);
        let changed = !is_new && s.wanted != start;
        if remote.mapped {
            let token = remote.token.clone().filter(|_| !(s.deactivated && changed));
            self.mapping = Some((remote.uid.clone(), token));
        }
        let learned = is_about_an_account.then(|| APP.to_owned());
        let both_sent = s.claim.is_some() || !is_new && s.outcomes != row.outcomes();
        let claimed = both_sent.then(|| now + Store::in_flight_ms());
        s.sent = match &remote.sent {
            _ if s.deactivated && !knew => None,
            Some(sent) if changed => Some(SentFingerprint {
                profile: String::new(),
                metadata: String::new(),
                keys: sent.keys.clone(),
            }),
            sent => sent.clone(),
        };
        let app_id = learned.or(s.app_id.clone().filter(|_| both_sent));
        let same = s.app_id == app_id && s.uid.as_ref() == Some(&remote.uid);
        s.deactivated = remote.deactivated || s.deactivated && (changed || !knew) && same;
        (s.app_id, s.uid) = (app_id, Some(remote.uid.clone()));
        s.revoke_pending = remote.revoke_pending || s.revoke_pending && !row.knew_revocation();
        let earliest = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        s.next = match remote.synced_revision {
            _ if changed => earliest(s.next, Some(now)),
            None => earliest(s.next, look_at),
            Some(_) => earliest(earliest(s.until.finite(), claimed), look_at),
        };
        let moments = [s.until.finite(), claimed, doubt_at];
        let asked = is_about_an_account || moments.iter().any(Option::is_some);
        if asked || s.until != Until::NeverAsked {
            s.until = Until::from_latest(moments);
        }
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
        let moved =
            s.outcomes != row.outcomes() || s.sent.as_ref().map(|sent| &sent.profile) != seen;
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
