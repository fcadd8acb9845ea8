//! What is known of one user: what `auth.users` says, what is stored of CometChat, and how far that may
//! be relied on.

use cometchat::{Effect, Error};
use serde_json::{Map, Value};

/// Everything the database says about one user.
#[derive(Clone, Debug, Default)]
pub struct UserRow {
    /// The user id as text.
    pub user_id: String,
    /// The uid in CometChat: the mapped one, else the user id.
    pub uid: String,
    /// What `auth.users` says.
    pub auth: AuthUser,
    /// The row of `public.cometchat_users`.
    pub mapping: Option<Mapping>,
    /// The row of `cometchat.sync_state`.
    pub known: Option<SyncState>,
}

/// What `auth.users` says of one user.
#[derive(Clone, Debug, Default)]
pub struct AuthUser {
    pub status: UserStatus,
    /// Neither e-mail nor phone is confirmed.
    pub unconfirmed: bool,
    /// An anonymous sign-in.
    pub anonymous: bool,
    pub email: Option<String>,
    pub phone: Option<String>,
    /// The metadata's candidates for the name, best first.
    pub names: Vec<Option<String>>,
    /// How many of them `display_name_fields` names.
    pub own_names: usize,
    /// The metadata's candidates for the avatar.
    pub avatars: Vec<Option<String>>,
    /// Why the profile is not known, where what says it, here or in the state's overrides, cannot be
    /// read: nothing is sent of it then.
    pub unreadable: Option<String>,
}

/// Whether the user is to be in CometChat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserStatus {
    /// Not in `auth.users`.
    #[default]
    Deleted,
    /// Banned now, or softly deleted.
    Suspended {
        /// Milliseconds until the ban ends, if it does.
        back_in_ms: Option<i64>,
    },
    /// In `auth.users`, or there is no such table.
    Active,
    /// In `auth.users`, and what would say whether they are banned or deleted cannot be read.
    Unknown,
}

/// A user's row in `public.cometchat_users`.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub token: Option<String>,
    /// A token is stored that does not work any more (see `void_tokens` of the extension), and `token` is
    /// none.
    pub void: bool,
}

/// A user's row in `cometchat.sync_state`.
#[derive(Clone, Debug, Default)]
pub struct SyncState {
    pub overrides: Option<Map<String, Value>>,
    /// Why they cannot be read, if so.
    pub unreadable: Option<String>,
    pub name: StickyArgument,
    pub email: StickyArgument,
    /// The app that the rest, and the stored token, belong to.
    pub app_id: Option<String>,
    /// The uid there that the state is about; outlives the mapping.
    pub uid: Option<String>,
    /// What CometChat has; `None` when that is not known.
    pub sent: Option<SentFingerprint>,
    /// We deactivated the user there.
    pub deactivated: bool,
    /// Tokens must be flushed before a new one is minted.
    pub revoke_pending: bool,
    /// How far the rest may be relied on.
    pub certainty: Certainty,
    /// A call asked for this user by name: synced though anonymous or unconfirmed.
    pub requested: bool,
    /// Who has the user in flight: a worker, or (negative) a session.
    pub claim: Option<i64>,
    pub wanted_revision: i64,
    /// How many outcomes were written from the queue.
    pub outcomes: i64,
    /// Failed attempts since the last success.
    pub attempts: i32,
}

impl Mapping {
    /// One that was flushed for a transaction that is under way, or was rolled back, is none.
    pub fn unless_void(stored: Option<String>, is_void: impl Fn(&str) -> bool) -> Self {
        let void = stored.as_deref().is_some_and(is_void);
        Mapping { token: stored.filter(|_| !void), void }
    }
}

impl SyncState {
    /// Forgets what is the user's own, and does not outlive them.
    pub fn wipe(&mut self) {
        (self.overrides, self.name, self.email) = Default::default();
    }
}

/// Whether a request of ours may have had an effect that is not stored, because its answer was lost,
/// the process ended or the transaction was rolled back. What is unknown is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    /// What is stored is what CometChat has.
    #[default]
    Settled,
    /// CometChat has not been asked about the user yet, or that is not known.
    NeverAsked,
    /// Such a request has been, and is over.
    Unsettled,
    /// Such a request may be in flight for so many milliseconds more.
    InFlight(i64),
}

impl Certainty {
    /// An answer was lost.
    pub fn answer_was_lost(self) -> bool {
        matches!(self, Certainty::Unsettled | Certainty::InFlight(_))
    }
}

/// What is remembered of a profile that CometChat has.
#[derive(Clone, Debug, PartialEq)]
pub struct SentFingerprint {
    /// Hash of everything but metadata.
    pub profile: String,
    /// Hash of our part of the metadata.
    pub metadata: String,
    /// Optional fields that were set.
    pub keys: Vec<String>,
}

impl UserRow {
    /// The state, if it belongs to this app and is about the uid that is mapped now.
    pub fn known_in(&self, app_id: &str) -> Option<&SyncState> {
        self.known.as_ref().filter(|known| {
            known.app_id.as_deref() == Some(app_id) && known.uid.as_deref() == Some(&self.uid)
        })
    }

    /// The stored token, if it belongs to this app and was neither revoked nor lost with a
    /// deactivation.
    pub fn token_in(&self, app_id: &str) -> Option<&str> {
        let known = self.known_in(app_id)?;
        let void = known.revoke_pending || known.deactivated;
        self.mapping.as_ref()?.token.as_deref().filter(|_| !void)
    }

    /// What is stored about the user's existence there, as far as it is of this app.
    pub fn remote_in(&self, app_id: &str) -> RemoteState {
        let known = self.known_in(app_id);
        RemoteState {
            uid: self.uid.clone(),
            mapped: self.mapping.is_some(),
            token: self.token_in(app_id).map(str::to_owned),
            sent: known.and_then(|k| k.sent.clone()),
            deactivated: known.is_some_and(|k| k.deactivated),
            revoke_pending: self.owes_revocation_in(app_id),
            synced_revision: None,
            effect: Effect::None,
        }
    }

    /// Whether tokens are to be flushed before a new one is minted. That may be known of a user of whom
    /// nothing else is, no app either: CometChat does not tell the deactivated from the unknown.
    fn owes_revocation_in(&self, app_id: &str) -> bool {
        match &self.known {
            Some(known) if known.app_id.is_none() => known.revoke_pending,
            _ => self.known_in(app_id).is_some_and(|known| known.revoke_pending),
        }
    }

    /// How far what is stored about the user may be relied on. Of another app nothing is known.
    pub fn certainty_in(&self, app_id: &str) -> Certainty {
        match &self.known {
            None => Certainty::NeverAsked,
            Some(known) if known.app_id.as_ref().is_some_and(|app| app != app_id) => {
                Certainty::NeverAsked
            }
            Some(known) => known.certainty,
        }
    }

    /// The token of a mapping that was made or changed by hand since we wrote it.
    pub fn imported_token(&self) -> Option<String> {
        let ours = |known: &SyncState| known.uid.as_deref() == Some(&self.uid);
        let by_hand = !self.known.as_ref().is_some_and(ours);
        self.mapping.as_ref().filter(|_| by_hand)?.token.clone()
    }

    /// Whether a revocation is owed, in whatever app.
    pub fn knew_revocation(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.revoke_pending)
    }

    /// How many outcomes were written from the queue.
    pub fn outcomes(&self) -> i64 {
        self.known.as_ref().map_or(0, |known| known.outcomes)
    }

    /// The revision that a successful sync now brings CometChat to.
    pub fn wanted_revision(&self) -> Option<i64> {
        self.known.as_ref().map(|known| known.wanted_revision)
    }
}

/// What a call found out or brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteState {
    /// The user's uid there.
    pub uid: String,
    /// The user is known to be there, or was mapped before: `cometchat_users` gets a row.
    pub mapped: bool,
    /// The token to store; `None` forgets the stored one.
    pub token: Option<String>,
    /// What CometChat has now; `None` when that is not known.
    pub sent: Option<SentFingerprint>,
    /// We deactivated the user.
    pub deactivated: bool,
    /// Tokens are still to be flushed.
    pub revoke_pending: bool,
    /// The revision that CometChat has now, if it has.
    pub synced_revision: Option<i64>,
    /// What a request may have brought about whose answer was lost.
    pub effect: Effect,
}

impl RemoteState {
    /// Whether there is anything to remember of an account there. (A revocation may be owed to a user of
    /// whom no account is known.)
    pub fn is_something(&self) -> bool {
        self.mapped || self.sent.is_some() || self.deactivated
    }

    /// Keeps in mind what a request may have brought about though it failed.
    pub(crate) fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|e| self.effect = self.effect.max(e.effect()))
    }
}

/// An argument that wins until what it replaced changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StickyArgument {
    /// What the caller said.
    pub value: Option<String>,
    /// What `auth.users` said at that time.
    pub basis: Option<String>,
}

impl StickyArgument {
    /// The given value if there is one; else the remembered one while its basis stands. `before`:
    /// what an older version would have taken for the basis.
    pub(crate) fn settle(
        given: Option<String>,
        remembered: StickyArgument,
        basis: Option<String>,
        before: &Option<String>,
    ) -> StickyArgument {
        match given {
            Some(value) => StickyArgument { value: Some(value), basis },
            None if remembered.value.is_some()
                && (remembered.basis == basis || remembered.basis == *before) =>
            {
                StickyArgument { value: remembered.value, basis }
            }
            None => StickyArgument::default(),
        }
    }

    pub(crate) fn or_basis<'a>(&'a self, basis: &'a Option<String>) -> Option<&'a String> {
        self.value.as_ref().or(basis.as_ref())
    }
}

#[cfg(test)]
mod tests;
