//! Reads and writes of our tables: all SQL that Rust runs is in this module.
//!
//! SECURITY: every statement says whose rights it has ([`crate::pg::rights`]), every name of ours
//! is qualified, and tokens travel as parameters only, never in the text of a statement.

pub mod attach;
pub mod auth_users;
mod catalog;
pub mod claim;
pub mod complete;
pub mod control;
mod load;
mod name_fields;
mod save;
pub mod statement;
pub mod unseen;
mod vault;

use pgrx::prelude::*;

use sync::model::UserRow;

use crate::pg::rights::Rights;
use crate::shmem::wake;
use statement::Statement;

pub use catalog::{
    database_name, database_settings, extension_version, fresh_claim, is_being_restored,
    is_claimed_elsewhere, is_template, paused, prepare_session, random, session_claim,
    take_on_database_settings,
};
pub use load::{expect_auth_users, load, load_many, owners};
pub use save::{
    doubt, forget, forget_token, forget_void_tokens, in_flight_ms, keep_deactivated, put_off,
    queue, save, unsettled_ms, wait_for,
};
pub use vault::secret as vault_secret;

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

/// Whether somebody has the user in flight: a worker, or a session's `process_queue`, that is still
/// there.
pub fn is_in_flight(row: &UserRow) -> bool {
    match row.known.as_ref().and_then(|known| known.claim) {
        None => false,
        Some(claim) if claim < 0 => is_claimed_elsewhere(claim),
        Some(_) => wake::worker_is_up(),
    }
}
