//! Reads and writes of our tables: all SQL that Rust runs is in this module.
//!
//! SECURITY: every statement says whose rights it has ([`crate::pg::rights`]), every name of ours
//! is qualified, and tokens travel as parameters only, never in the text of a statement.

pub mod attach;
pub mod auth_users;
mod load;
mod name_fields;
mod save;
pub mod statement;
pub mod unseen;
mod vault;
mod worker;

use pgrx::prelude::*;
use serde_json::{Map, Value};

use cometchat::Effect;

use crate::pg::rights::Rights;
use crate::pg::wake;
use crate::profile::Argument;
use statement::Statement;

pub use load::{expect_auth_users, load, load_many, owners};
pub use save::{
    doubt, doubt_ms, forget, forget_token, forget_void_tokens, keep_deactivated, lingers_ms,
    put_off, queue, save, wait_for, Learned,
};
pub use vault::secret as vault_secret;
pub use worker::{
    database_name, database_settings, extension_version, fresh_claim, is_being_restored,
    is_claimed_elsewhere, is_template, paused, prepare_session, random, session_claim,
    take_on_database_settings,
};

/// Everything the database says about one user.
#[derive(Clone, Debug, Default)]
pub struct UserRow {
    /// The user id as text.
    pub user_id: String,
    /// The uid in CometChat: the mapped one, else the user id.
    pub uid: String,
    pub presence: Presence,
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
    /// Why the profile is not known, where what says it cannot be read: nothing is sent of it then.
    pub unreadable: Option<String>,
    /// The row of `public.cometchat_users`.
    pub mapping: Option<Mapping>,
    /// The row of `cometchat.sync_state`.
    pub known: Option<Known>,
}

/// Whether the user is to be in CometChat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not in `auth.users`.
    #[default]
    Gone,
    /// Banned now, or softly deleted.
    ShutOut {
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
    /// A token is stored that does not work any more (see [`crate::pg::revoked`]), and `token` is
    /// none.
    pub void: bool,
}

/// A user's row in `cometchat.sync_state`.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub overrides: Option<Map<String, Value>>,
    /// Why they cannot be read, if so.
    pub unreadable: Option<String>,
    pub name: Argument,
    pub email: Argument,
    /// The app that the rest, and the stored token, belong to.
    pub app_id: Option<String>,
    /// The uid there that the state is about; outlives the mapping.
    pub uid: Option<String>,
    /// What CometChat has; `None` when that is not known.
    pub sent: Option<Sent>,
    /// We deactivated the user there.
    pub deactivated: bool,
    /// Tokens must be flushed before a new one is minted.
    pub revoke_pending: bool,
    /// How far the rest may be relied on.
    pub doubt: Doubt,
    /// Somebody asked for this user by name: synced though anonymous or unconfirmed.
    pub explicit: bool,
    /// Who has the user in flight: a worker, or (negative) a session.
    pub claim: Option<i64>,
    pub wanted_revision: i64,
    /// Failed attempts since the last success.
    pub attempts: i32,
}

impl Known {
    /// Forgets what is the user's own, and does not outlive them.
    pub fn wipe(&mut self) {
        (self.overrides, self.name, self.email) = Default::default();
    }
}

/// Whether a request of ours may have had an effect that is not stored, because its answer was lost,
/// the process ended or the transaction was rolled back. What is unknown is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// What is stored is what CometChat has.
    #[default]
    None,
    /// Nobody has dealt with the user yet, or it is not known.
    Untouched,
    /// Such a request has been, and is over.
    Over,
    /// Such a request may be under way for so many milliseconds more.
    UnderWay(i64),
}

impl Doubt {
    /// An answer was lost.
    pub fn is_of_a_request(self) -> bool {
        matches!(self, Doubt::Over | Doubt::UnderWay(_))
    }
}

/// What is remembered of a profile that CometChat has.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Hash of everything but metadata.
    pub profile: String,
    /// Hash of our part of the metadata.
    pub metadata: String,
    /// Optional fields that were set.
    pub keys: Vec<String>,
}

impl UserRow {
    /// The state, if it belongs to this app and is about the uid that is mapped now.
    pub fn known_in(&self, app_id: &str) -> Option<&Known> {
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
    pub fn learned_in(&self, app_id: &str) -> Learned {
        let known = self.known_in(app_id);
        Learned {
            uid: self.uid.clone(),
            mapped: self.mapping.is_some(),
            token: self.token_in(app_id).map(str::to_owned),
            sent: known.and_then(|k| k.sent.clone()),
            deactivated: known.is_some_and(|k| k.deactivated),
            revoke_pending: known.is_some_and(|k| k.revoke_pending),
            known_revision: None,
            effect: Effect::None,
        }
    }

    /// How far what is stored about the user may be relied on. Of another app nothing is known.
    pub fn doubt_in(&self, app_id: &str) -> Doubt {
        match &self.known {
            None => Doubt::Untouched,
            Some(known) if known.app_id.as_ref().is_some_and(|app| app != app_id) => {
                Doubt::Untouched
            }
            Some(known) => known.doubt,
        }
    }

    /// The token of a mapping that somebody made or changed by hand since we wrote it.
    pub fn token_by_hand(&self) -> Option<String> {
        let ours = |known: &Known| known.uid.as_deref() == Some(&self.uid);
        let by_hand = !self.known.as_ref().is_some_and(ours);
        self.mapping.as_ref().filter(|_| by_hand)?.token.clone()
    }

    /// Whether somebody has the user in flight: a worker, or a session's `process_queue`, that is
    /// still there.
    pub fn is_in_flight(&self) -> bool {
        match self.known.as_ref().and_then(|known| known.claim) {
            None => false,
            Some(claim) if claim < 0 => is_claimed_elsewhere(claim),
            Some(_) => wake::worker_is_up(),
        }
    }

    /// The revision that a successful sync now brings CometChat to.
    pub fn wanted_revision(&self) -> Option<i64> {
        self.known.as_ref().map(|known| known.wanted_revision)
    }
}

static IS_TRUSTED: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT COALESCE((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.oid = $1), false)
         OR EXISTS (SELECT FROM pg_catalog.pg_extension AS e
                    WHERE e.extname = 'cometchat_ext' AND e.extowner = $1)
         OR pg_catalog.has_function_privilege($1, 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE')",
);

/// Whether a role may ask for any user: superuser, the extension's owner, or granted
/// `cometchat.enqueue(uuid, jsonb)`.
pub fn is_trusted(role: pg_sys::Oid) -> bool {
    IS_TRUSTED.first(&[role.into()], |row| row.flag(1)).unwrap_or(false)
}
