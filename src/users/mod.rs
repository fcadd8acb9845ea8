//! Reads and writes of our tables: all SQL that Rust runs is in this module.
//!
//! SECURITY: it runs with the rights of the extension's owner and an empty search_path, so every
//! name is qualified, and tokens travel as parameters only, never in the text of a statement.

mod load;
mod save;
mod statement;

use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::profile::Argument;
use statement::Statement;

pub use load::load;
pub use save::{forget, save, Learned};

/// Everything the database says about one user.
#[derive(Clone, Debug, Default)]
pub struct UserRow {
    /// The uid in CometChat: the mapped one, else the user id.
    pub uid: String,
    /// In `auth.users`, or there is no such table.
    pub exists: bool,
    /// Banned now, or softly deleted.
    pub shut_out: bool,
    pub email: Option<String>,
    /// The metadata's candidates for the name, in the order of `display_name_fields`.
    pub names: Vec<Option<String>>,
    /// The metadata's candidates for the avatar.
    pub avatars: Vec<Option<String>>,
    /// The row of `public.cometchat_users`.
    pub mapping: Option<Mapping>,
    /// The row of `cometchat.sync_state`.
    pub known: Option<Known>,
}

/// A user's row in `public.cometchat_users`.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub token: Option<String>,
}

/// A user's row in `cometchat.sync_state`.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The uid there that the state is about.
    pub uid: Option<String>,
    pub overrides: Option<Map<String, Value>>,
    pub name: Argument,
    pub email: Argument,
    /// The app that the rest, and the stored token, belong to.
    pub app_id: Option<String>,
    /// What CometChat has; `None` when that is not known.
    pub sent: Option<Sent>,
    /// We deactivated the user there.
    pub deactivated: bool,
    /// Tokens must be flushed before a new one is minted.
    pub revoke_pending: bool,
    pub wanted_revision: i64,
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

    /// The mapping, if somebody made or changed it by hand since we wrote it.
    pub fn mapped_by_hand(&self) -> Option<&Mapping> {
        let ours = |known: &Known| known.uid.as_deref() == Some(&self.uid);
        self.mapping.as_ref().filter(|_| !self.known.as_ref().is_some_and(ours))
    }

    /// The stored token, if it belongs to this app and was not revoked.
    pub fn token_in(&self, app_id: &str) -> Option<&str> {
        let known = self.known_in(app_id)?;
        self.mapping.as_ref()?.token.as_deref().filter(|_| !known.revoke_pending)
    }
}

static IS_TRUSTED: Statement = Statement::new(
    "SELECT COALESCE((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.oid = $1), false)
         OR EXISTS (SELECT FROM pg_catalog.pg_extension AS e
                    WHERE e.extname = 'cometchat_ext' AND e.extowner = $1)
         OR pg_catalog.has_function_privilege($1, 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE')",
    &[pg_sys::OIDOID],
);

/// Whether a role may ask for any user: superuser, the extension's owner, or granted
/// `cometchat.enqueue(uuid, jsonb)`.
pub fn is_trusted(role: pg_sys::Oid) -> bool {
    IS_TRUSTED.first(&[role.into()], |row| row.get::<bool>(1)).flatten().unwrap_or(false)
}

// SECURITY: only a view of a superuser's. Reading a view runs its functions with our rights, and
// a schema named vault can be made by anybody who may create schemas.
static VAULT_IS_THERE: Statement = Statement::new(
    "SELECT true FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
     WHERE c.oid = pg_catalog.to_regclass('vault.decrypted_secrets') AND r.rolsuper",
    &[],
);

static VAULT_SECRET: Statement = Statement::new(
    "SELECT decrypted_secret::text FROM vault.decrypted_secrets WHERE name = $1",
    &[pg_sys::TEXTOID],
);

/// A secret of Supabase's Vault, if there is a Vault that we may trust and it has one.
pub fn vault_secret(name: &str) -> Option<String> {
    VAULT_IS_THERE.first(&[], |_| Ok(Some(true)))??;
    VAULT_SECRET.first(&[name.into()], |row| row.get::<String>(1)).flatten()
}
