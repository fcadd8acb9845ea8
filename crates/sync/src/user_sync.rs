//! Makes CometChat agree with what is wanted of one user. Knows the API, not Postgres: a backend
//! runs it for a caller who waits, a thread of the worker for all other users.
//!
//! Keyed on CometChat's codes and safe to repeat at any point: whatever was interrupted is mended
//! by going again.

use cometchat::{Client, Error, ErrorKind, UserPatch};

use crate::model::{Certainty, RemoteState};
use crate::profile::Profile;

/// Why CometChat and we do not agree yet.
#[derive(Debug)]
pub enum SyncError {
    /// A request failed.
    Remote(Error),
    /// The plan has no room for a user who is to be created.
    NotCreated(Error),
    /// The token call failed, for a user who exists.
    Token(Error),
    /// Deactivated there, and not ours to undo.
    Deactivated,
    /// What is wanted cannot be read here; says why.
    Unreadable(String),
}

impl From<Error> for SyncError {
    fn from(error: Error) -> Self {
        SyncError::Remote(error)
    }
}

/// One user's way to agreement, and what is learned on it: that holds even if the way ends early.
pub struct UserSync<'a> {
    pub client: &'a Client,
    pub profile: &'a Profile,
    /// The token of a mapping that was inserted by hand: kept if CometChat knows it.
    pub imported_token: Option<String>,
    /// May reactivate a user whom others deactivated.
    pub may_reactivate: bool,
    /// A token is wanted now, and outranks the profile: the user is logging in.
    pub for_login: bool,
    pub remote: RemoteState,
    /// How far `remote` may be relied on.
    pub certainty: Certainty,
    /// The update that could not be sent, where that was not the end.
    pub update_error: Option<Error>,
    /// A deactivation of ours may be under way, for an account that is not there.
    deactivation_in_flight: bool,
}

/// CometChat says that there is no such (active) user.
struct Missing;

impl<'a> UserSync<'a> {
    /// The worker's: nobody waits, and nothing is undone that others did. `was_known`: something is
    /// stored about the user's existence there.
    pub fn new(
        client: &'a Client,
        profile: &'a Profile,
        remote: RemoteState,
        certainty: Certainty,
        was_known: bool,
    ) -> Self {
        // An attempt to deactivate forgets the profile, and is not over.
        let in_flight = matches!(certainty, Certainty::InFlight(_));
        UserSync {
            client,
            profile,
            imported_token: None,
            may_reactivate: false,
            for_login: false,
            deactivation_in_flight: in_flight && was_known && remote.sent.is_none(),
            remote,
            certainty,
            update_error: None,
        }
    }

    /// The user exists there with the wanted profile, and has a token if one is wanted.
    pub fn run(&mut self) -> Result<(), SyncError> {
        if self.reactivate_ours()? {
            return self.create_or_adopt(true, false);
        }
        if self.asks_again() {
            return self.create_or_adopt(true, true);
        }
        // A revocation that is still owed leaves nobody with a token, until the next login.
        let wants_token = self.for_login || !self.remote.revoke_pending;
        if self.remote.sent.is_some() {
            match self.update()? {
                Ok(()) if !wants_token => return Ok(()),
                Ok(()) => match self.mint(false) {
                    Err(SyncError::Remote(e) | SyncError::Token(e))
                        if e.kind() == ErrorKind::UidNotFound => {}
                    result => return result,
                },
                Err(Missing) => {}
            }
            self.remote.sent = None;
            self.remote.token = None;
        }
        // A user who has a token is most likely there.
        let likely_there = self.imported_token.is_some() || self.remote.token.is_some();
        match self.create_or_adopt(likely_there, false) {
            Err(SyncError::Remote(e) | SyncError::Token(e))
                if self.for_login
                    && self.remote.token.is_some()
                    && e.kind() != ErrorKind::Interrupted =>
            {
                self.update_error = Some(e); // as in `update`
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the user is to be read again, and the stored token tried: an answer was lost, and with it
    /// what became of profile or token. A user who is logging in does not wait for that.
    fn asks_again(&self) -> bool {
        !self.for_login && self.certainty.answer_was_lost() && self.remote.sent.is_some()
    }

    /// Reactivates whom we deactivated: the reason is gone, or nobody would ask. `false`: it was
    /// not us, if anybody.
    pub fn reactivate_ours(&mut self) -> Result<bool, SyncError> {
        if !self.remote.deactivated {
            return Ok(false);
        }
        let reactivated = self.client.reactivate_users(&[&self.remote.uid]);
        self.remote.note(reactivated)?;
        // A deactivation of ours that is under way still would come after it.
        self.remote.deactivated = matches!(self.certainty, Certainty::InFlight(_));
        Ok(true)
    }

    /// Sends what changed.
    fn update(&mut self) -> Result<Result<(), Missing>, SyncError> {
        let wanted = self.profile.as_sent();
        let Some(sent) = self.remote.sent.clone().filter(|sent| *sent != wanted) else {
            return Ok(Ok(()));
        };
        let result = if !self.profile.reads_first(&sent) {
            let patch = self.profile.patch_without_metadata(&sent);
            self.send(&patch)
        } else {
            let there = self.client.get_user(&self.remote.uid);
            there.and_then(|there| {
                let patch = self.profile.patch_for(&there, Some(&sent));
                self.send(&patch)
            })
        };
        match result {
            Ok(()) => {
                self.remote.sent = Some(wanted);
                Ok(Ok(()))
            }
            Err(e) if e.kind() == ErrorKind::UidNotFound => Ok(Err(Missing)),
            Err(e) if e.kind() == ErrorKind::Interrupted => Err(e.into()),
            // A user who is logging in is not kept out because an update could not be sent, nor
            // because CometChat refuses what the profile says.
            Err(e)
                if self.for_login
                    && (self.remote.token.is_some() || e.kind() == ErrorKind::BadUser) =>
            {
                self.update_error = Some(e);
                Ok(Ok(()))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn send(&mut self, patch: &UserPatch) -> Result<(), Error> {
        if patch.is_empty() {
            return Ok(());
        }
        let updated = self.client.update_user(&self.remote.uid, patch).map(drop);
        self.remote.note(updated)
    }

    /// Nothing is known for sure: create, or adopt who is there, and keep the token if it works.
    fn create_or_adopt(&mut self, likely_there: bool, try_token: bool) -> Result<(), SyncError> {
        let adopted = if likely_there { self.adopt()? } else { Err(Missing) };
        if adopted.is_err() {
            self.remote.token = None; // of somebody who is gone or deactivated
            self.create()?;
        }
        let of_old = match &self.remote.token {
            // One that a revocation is to end is none.
            None => self.imported_token.take().filter(|_| !self.remote.revoke_pending),
            token => token.clone().filter(|_| try_token && adopted.is_ok()),
        };
        if let Some(token) = of_old {
            match self.client.get_token(&self.remote.uid, &token) {
                Ok(_) => self.remote.token = Some(token),
                Err(e) if e.kind() == ErrorKind::TokenNotFound => self.remote.token = None,
                Err(e) => return Err(SyncError::Token(e)),
            }
        }
        if try_token && self.remote.revoke_pending {
            return Ok(()); // as in `run`
        }
        self.mint(false)
    }

    fn create(&mut self) -> Result<(), SyncError> {
        let created = self.client.create_user(&self.profile.to_create(&self.remote.uid), true);
        match self.remote.note(created) {
            Ok(created) => {
                self.remote.uid = created.user.uid;
                self.remote.mapped = true;
                self.remote.token = created.auth_token;
                self.remote.sent = Some(self.profile.as_sent());
                // A new user has no older tokens.
                self.remote.revoke_pending = false;
                // A deactivation that is under way would come after this.
                self.remote.deactivated |= self.deactivation_in_flight;
                return Ok(());
            }
            Err(e) if e.kind() == ErrorKind::UidExists => {}
            Err(e) if e.kind() == ErrorKind::PlanLimit => {
                // Who is mapped is most likely there, and needs no room.
                if self.remote.mapped && self.adopt()?.is_ok() {
                    return Ok(());
                }
                return Err(SyncError::NotCreated(e));
            }
            Err(e) => return Err(e.into()),
        }
        if self.adopt()?.is_ok() {
            return Ok(());
        }
        // Taken and yet not found: deactivated, by others. Nobody gets around a moderator's
        // decision by logging in.
        if !self.may_reactivate {
            return Err(SyncError::Deactivated);
        }
        let reactivated = self.client.reactivate_users(&[&self.remote.uid]);
        self.remote.note(reactivated)?;
        self.remote.mapped = true; // whatever comes next, they are there
        self.adopt()?.map_err(|Missing| SyncError::Deactivated)
    }

    /// Reads who is there and sends the fields that differ.
    fn adopt(&mut self) -> Result<Result<(), Missing>, SyncError> {
        let there = match self.client.get_user(&self.remote.uid) {
            Ok(user) if user.is_deactivated() => return Ok(Err(Missing)),
            Ok(user) => user,
            Err(e) if e.kind() == ErrorKind::UidNotFound => return Ok(Err(Missing)),
            Err(e) => return Err(e.into()),
        };
        let patch = self.profile.patch_for(&there, self.remote.sent.as_ref());
        self.remote.uid = there.uid;
        self.remote.mapped = true;
        match self.send(&patch) {
            Ok(()) => self.remote.sent = Some(self.profile.as_sent()),
            Err(e) if e.kind() == ErrorKind::UidNotFound => return Ok(Err(Missing)),
            Err(e) if self.for_login && e.kind() == ErrorKind::BadUser => {
                self.update_error = Some(e);
            }
            Err(e) => return Err(e.into()),
        }
        Ok(Ok(()))
    }

    /// Mints a token unless there is one (or always, with `force`), after the revocation that may
    /// be due before it.
    pub fn mint(&mut self, force: bool) -> Result<(), SyncError> {
        if self.remote.token.is_some() && !force {
            return Ok(());
        }
        if self.remote.revoke_pending {
            self.flush()?;
        }
        let minted = self.client.create_token(&self.remote.uid, force);
        let token = self.remote.note(minted).map_err(SyncError::Token)?;
        self.remote.token = Some(token.auth_token);
        self.remote.mapped = true;
        Ok(())
    }

    /// Ends every session of the user.
    pub fn flush(&mut self) -> Result<(), SyncError> {
        let flushed = self.client.flush_tokens(&self.remote.uid);
        self.remote.note(flushed)?;
        self.remote.revoke_pending = false;
        Ok(())
    }
}
