//! `auth.users`, a table of others: every read of it is here, with the rights of its owner.
//!
//! Only `id` is required. A column that the table lacks is found one level further out, in
//! `absent`: inside the inner query an unqualified name means the table's own column where there
//! is one.

use std::collections::HashMap;

use pgrx::Uuid;

use super::statement::Statement;
use super::Presence;
use crate::config;
use crate::pg::rights::{self, Lock, Rights};
use crate::pg::spi::{self, Row};

/// SECURITY: see [`crate::pg::rights`].
const OWNER: Rights = Rights::OwnerOf(c"auth", c"users", Lock::Read);
const OWNER_LOCKING: Rights = Rights::OwnerOf(c"auth", c"users", Lock::KeyShare);

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

/// What `auth.users` says of one user.
#[derive(Clone, Debug, Default)]
pub struct AuthUser {
    pub presence: Presence,
    /// Neither e-mail nor phone is confirmed.
    pub unconfirmed: bool,
    /// An anonymous sign-in.
    pub anonymous: bool,
    pub email: Option<String>,
    /// The metadata's candidates for the name, in the order of `display_name_fields`.
    pub names: Vec<Option<String>>,
    /// The metadata's candidates for the avatar.
    pub avatars: Vec<Option<String>>,
}

/// Looks whether there is one.
pub fn state() -> AuthUsers {
    match rights::relation(c"auth", c"users", Lock::Read).map(|relation| relation.kind) {
        None => AuthUsers::Absent,
        Some(b'r' | b'p') => AuthUsers::Table,
        Some(_) => AuthUsers::NoTable,
    }
}

// Longer strings in the metadata are cut: no name or URL is that long.
static LOAD: Statement = Statement::with_rights(
    OWNER,
    "SELECT a.id, a.shut_out, a.back_in, a.unconfirmed, a.is_anonymous, a.email,
            (SELECT array_agg(CASE jsonb_typeof(a.metadata -> f.key)
                              WHEN 'string' THEN left(a.metadata ->> f.key, 4000) END ORDER BY f.n)
             FROM unnest($2) WITH ORDINALITY AS f(key, n)),
            ARRAY[left(a.metadata ->> 'avatar_url', 4000), left(a.metadata ->> 'picture', 4000)]
     FROM (SELECT NULL::text AS email, NULL::jsonb AS raw_user_meta_data,
                  NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
                  now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
                  false AS is_anonymous) AS absent,
     unnest($1) AS q(id),
     LATERAL (SELECT au.id::uuid AS id, email::text AS email, raw_user_meta_data::jsonb AS metadata,
                     (banned_until > now() OR deleted_at IS NOT NULL) AS shut_out,
                     CASE WHEN deleted_at IS NULL AND isfinite(banned_until)
                          THEN ceil(extract(epoch FROM banned_until - now()) * 1000)::bigint
                     END AS back_in,
                     (email_confirmed_at IS NULL AND phone_confirmed_at IS NULL) AS unconfirmed,
                     is_anonymous::boolean AS is_anonymous
              FROM auth.users AS au WHERE au.id = q.id) AS a",
);

/// Reads `users`; who is not in the answer is not in the table.
pub fn load(users: &[Uuid]) -> HashMap<Uuid, AuthUser> {
    let args = [spi::array(users.iter().copied()), spi::array(config::display_name_fields())];
    LOAD.all(&args, read).into_iter().flatten().collect()
}

fn read(row: &Row) -> Option<(Uuid, AuthUser)> {
    let presence = if row.flag(2) {
        Presence::ShutOut { back_in_ms: row.get::<i64>(3).filter(|ms| *ms > 0) }
    } else {
        Presence::Active
    };
    let user = AuthUser {
        presence,
        unconfirmed: row.flag(4),
        anonymous: row.flag(5),
        email: row.get(6),
        names: row.get(7).unwrap_or_default(),
        avatars: row.get(8).unwrap_or_default(),
    };
    Some((row.get(1)?, user))
}

static PRESENT: Statement = Statement::with_rights(
    OWNER,
    "SELECT au.id::uuid FROM unnest($1) AS q(id) JOIN auth.users AS au ON au.id = q.id",
);

static KEEP: Statement = Statement::with_rights(
    OWNER_LOCKING,
    "SELECT au.id::uuid FROM unnest($1) AS q(id) JOIN auth.users AS au ON au.id = q.id
     FOR KEY SHARE OF au SKIP LOCKED",
);

/// Keeps `users` from being deleted until the transaction ends. Returns those that are kept, and
/// those that are there but locked, because they are being deleted say.
pub fn keep(users: &[Uuid]) -> (Vec<Uuid>, Vec<Uuid>) {
    let read = |statement: &'static Statement| -> Vec<Uuid> {
        let args = [spi::array(users.iter().copied())];
        statement.all(&args, |row| row.get(1)).into_iter().flatten().collect()
    };
    let kept = read(&KEEP);
    if kept.len() == users.len() {
        return (kept, Vec::new());
    }
    let mut locked = read(&PRESENT);
    locked.retain(|user| !kept.contains(user));
    (kept, locked)
}

/// One user of a page, as far as backfill asks.
pub struct Listed {
    pub user: Uuid,
    pub shut_out: bool,
    pub anonymous: bool,
    pub confirmed: bool,
}

macro_rules! page {
    ($which:literal) => {
        concat!(
            "SELECT a.id::uuid, a.shut_out, a.is_anonymous, a.confirmed
             FROM (SELECT NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
                          now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
                          false AS is_anonymous) AS absent,
             LATERAL (SELECT au.id, is_anonymous::boolean AS is_anonymous,
                             deleted_at IS NOT NULL OR COALESCE(banned_until > now(), false)
                               AS shut_out,
                             num_nonnulls(email_confirmed_at, phone_confirmed_at) > 0 AS confirmed
                      FROM auth.users AS au ",
            $which,
            " ORDER BY au.id LIMIT $1) AS a"
        )
    };
}

static FIRST_PAGE: Statement = Statement::with_rights(OWNER, page!(""));
static NEXT_PAGE: Statement = Statement::with_rights(OWNER, page!("WHERE au.id > $2"));

/// The next `most` users by id, after the one given.
pub fn page(after: Option<Uuid>, most: i64) -> Vec<Listed> {
    let read = |row: &Row| {
        let (shut_out, anonymous, confirmed) = (row.flag(2), row.flag(3), row.flag(4));
        Some(Listed { user: row.get(1)?, shut_out, anonymous, confirmed })
    };
    let rows = match after {
        None => FIRST_PAGE.all(&[most.into()], read),
        Some(after) => NEXT_PAGE.all(&[most.into(), after.into()], read),
    };
    rows.into_iter().flatten().collect()
}
