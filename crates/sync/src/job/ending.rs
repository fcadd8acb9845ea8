//! What a ban or a deletion asks of CometChat.

use cometchat::{Client, Effect, Error, ErrorKind};

use super::{Job, OnDelete};
use crate::model::Certainty;
use crate::user_sync::SyncError;

/// After so many failed attempts a user is deactivated whose tokens CometChat fails to end.
const ATTEMPTS_TO_FLUSH: u32 = 2;

impl Job {
    /// Banned or softly deleted: every session ends, and nobody can start another. In this order,
    /// since a reactivated user's old tokens would work again.
    pub(super) fn suspend(&mut self, client: &Client) -> Result<(), SyncError> {
        let was_there = self.was_there();
        Ok(self.deactivate(client, was_there)?)
    }

    fn deactivate(&mut self, client: &Client, was_there: bool) -> Result<(), Error> {
        let uid = self.remote.uid.clone();
        // However far this comes, the stored token is handed out no more; and should the user return
        // while it is under way, they are as good as unknown (see [`UserSync::new`]).
        self.remote.token = None;
        self.remote.sent = None;
        let flushed = client.flush_tokens(&uid);
        let mut refused = None;
        match self.remote.note(flushed) {
            Ok(()) => {
                self.remote.revoke_pending = false;
                // Active until now, so the deactivation is ours, also if its answer is lost and
                // the next attempt finds it done. If it never comes about, the user will be
                // reactivated for nothing, which does no harm.
                self.remote.deactivated = true;
            }
            // Of whom nothing is known: not there, or deactivated by an attempt whose answer was lost.
            Err(e) if e.kind() == ErrorKind::UidNotFound && !was_there => return Ok(()),
            // Deactivated already, or not there. If that was others, no token was ended: a reactivated user's
            // old ones would work again.
            Err(e) if e.kind() == ErrorKind::UidNotFound => {
                self.remote.revoke_pending |= !self.remote.deactivated;
            }
            // CometChat will not end the tokens, but nothing works with them once the user is deactivated.
            // They are ended before the next one is minted.
            Err(e) if self.goes_on_without_flush(&e) => {
                self.remote.revoke_pending = true;
                // What a flush that works would have shown.
                match client.get_user(&uid) {
                    Ok(there) => self.remote.deactivated |= !there.is_deactivated(),
                    Err(e) if e.kind() == ErrorKind::UidNotFound => {}
                    Err(e) => return Err(e),
                }
                refused = Some(e);
            }
            Err(e) => return Err(e),
        }
        let deactivated = client.deactivate_users(&[&uid]);
        let outcome = self.remote.note(deactivated)?;
        // Deactivated already, no flush of ours worked, and no earlier attempt was cut off: that was
        // others. What they do leaves no trace here, and their decision stands.
        if outcome.done.iter().any(|done| done.eq_ignore_ascii_case(&uid)) {
            self.remote.deactivated = true;
        }
        refused.map_or(Ok(()), Err)
    }

    /// CometChat refuses to end this user's tokens, or has failed to more than once.
    fn goes_on_without_flush(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Server => {
                self.attempts >= ATTEMPTS_TO_FLUSH && error.effect() != Effect::UnderWay
            }
            kind => kind == ErrorKind::BadUser,
        }
    }

    /// Deleted here. `true`: nothing is to be remembered.
    pub(super) fn remove(&mut self, client: &Client) -> Result<bool, Error> {
        let was_there = self.was_there();
        // What is under way still is looked at once more when it is over.
        let over = !matches!(self.certainty, Certainty::InFlight(_));
        self.remote.token = None;
        self.remote.mapped = false;
        self.remote.sent = None;
        match self.on_delete {
            OnDelete::Keep => Ok(true),
            OnDelete::Deactivate => {
                self.deactivate(client, was_there)?;
                // Remembered, so that a new sign-up with the same id may be reactivated.
                Ok(over && !self.remote.deactivated)
            }
            OnDelete::Delete => {
                let deleted = client.delete_user(&self.remote.uid, true);
                match self.remote.note(deleted) {
                    Ok(_) => Ok(over),
                    Err(e) if e.kind() == ErrorKind::UidNotFound => Ok(over),
                    Err(e) => Err(e),
                }
            }
        }
    }
}
