//! `auth.users`, a table of others: every read of it is here, with the rights of its owner.
//!
//! Only `id` is required; see `sql/auth_users_load.sql`.
//!
//! The columns of a table of one's own have any type, and a value that cannot be read as what it is to
//! be is its user's failure: the others of the batch are read without it.

mod by_id;
mod load;
mod owner; // the rights of the table's owner
mod page;

use crate::pg::rights::{self, Lock};

pub use load::{keep, load};
pub use page::{page, Listed};

/// The columns that say whether and as what a user is to be in CometChat: a change of any other, by a
/// login say, is none to us.
pub const COLUMNS: [&str; 9] = [
    "id",
    "email",
    "phone",
    "raw_user_meta_data",
    "email_confirmed_at",
    "phone_confirmed_at",
    "banned_until",
    "deleted_at",
    "is_anonymous",
];

/// Whether there is an `auth.users`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthUsers {
    /// No such relation: every user exists.
    Absent,
    /// A table, which decides who exists.
    Table,
    /// A relation that is none. Who exists, or is banned, cannot be known.
    NoTable,
}

/// Looks whether there is one.
pub fn state() -> AuthUsers {
    match rights::relation(c"auth", c"users", Lock::Read).map(|relation| relation.kind) {
        None => AuthUsers::Absent,
        Some(b'r' | b'p') => AuthUsers::Table,
        Some(_) => AuthUsers::NoTable,
    }
}
