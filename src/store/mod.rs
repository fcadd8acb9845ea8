//! Reads and writes of our tables and of `auth.users`: all SQL that Rust runs is in `sql/`, one file a
//! query.
//!
//! SECURITY: every statement says whose rights it has ([`crate::pg::rights`]), every name of ours
//! is qualified, and tokens travel as parameters only, never in the text of a statement.

pub mod attach; // our triggers and our foreign key
pub mod auth_users; // what a table of others says
mod catalog; // this database, its settings, the rights of a role
pub mod claim; // claim users that are due, and read what to send
mod claim_number; // the number that marks a process's claims
pub mod complete; // write what became of them
pub mod control; // the operator's switch, and notes for health()
mod cron; // what pg_cron says of our job
mod forget; // tokens that were flushed, users that CometChat does not know
mod load; // everything about users
mod load_directly; // about one user, without a statement
mod name_fields; // which values of the metadata may be a name
pub mod queue; // look at the queue, give users back, make them due
mod save; // the write at the end of a call
pub mod statement; // a query that is planned once
pub mod unseen; // changes of auth.users that no trigger saw
mod vault; // secrets of Supabase's Vault

pub use catalog::{
    database, is_being_restored, is_trusted, prepare_session, random, take_on_database_settings,
};
pub use claim_number::{expect_requests_of_the_dead, fresh_claim, is_in_flight, session_claim};
pub use control::paused;
pub use cron::job as cron_job;
pub use forget::{forget, forget_token, forget_void_tokens};
pub use load::{load, load_many, owners};
pub use load_directly::load_directly;
pub use save::{catch_up_with_ids, doubt, doubt_unlocked, queue, save, wait_for, UNIQUE_VIOLATION};
pub use vault::secret as vault_secret;
