//! Statements that find rows of `auth.users` by their id, whatever its type.

use pgrx::pg_sys;

use crate::pg::rights::{self, Lock, Rights};
use crate::store::statement::Statement;

/// A query for ids that are uuids, and its alternative for ids that are text.
pub struct ById {
    uuid: Statement,
    text: Statement,
}

impl ById {
    /// A query that names its alternative `text`.
    pub const fn new(rights: Rights, sql: &'static str) -> Self {
        ById {
            uuid: Statement::with_rights(rights, sql),
            text: Statement::with_rights(rights, sql).variant("text"),
        }
    }

    /// See [`Statement::seeing_now`].
    pub const fn seeing_now(self) -> Self {
        ById { uuid: self.uuid.seeing_now(), text: self.text.seeing_now() }
    }

    /// The one for the type that the column has now: two look-ups in Postgres's own caches, which know
    /// of every change, beside those that [`Rights::role`] makes for each statement anyway.
    pub fn statement(&'static self) -> &'static Statement {
        if ids_are_text() {
            &self.text
        } else {
            &self.uuid
        }
    }
}

fn ids_are_text() -> bool {
    let table = rights::relation(c"auth", c"users", Lock::Read);
    let kind = table.and_then(|table| table.type_of(c"id"));
    matches!(kind, Some(pg_sys::TEXTOID | pg_sys::VARCHAROID))
}
