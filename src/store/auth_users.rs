//! `auth.users`, a table of others: every read of it is here, with the rights of its owner.
//!
//! Only `id` is required. A column that the table lacks is found one level further out, in
//! `absent`: inside the inner query an unqualified name means the table's own column where there
//! is one.
//!
//! The columns of a table of one's own have any type, and a value that cannot be read as what it is to
//! be is its user's failure: the others of the batch are read without it.

use std::collections::HashMap;

use pgrx::{pg_sys, PgSqlErrorCode};
use uuid::Uuid;

use super::name_fields::NameFields;
use super::statement::Statement;
use crate::pg::rights::{self, Lock, Rights};
use crate::pg::spi::{self, Row};
use crate::pg::subxact;
use sync::model::UserStatus;

/// SECURITY: see [`crate::pg::rights`].
const OWNER: Rights = Rights::OwnerOf(c"auth", c"users", Lock::Read);
const OWNER_LOCKING: Rights = Rights::OwnerOf(c"auth", c"users", Lock::KeyShare);

/// The columns that say whether and as what somebody is to be in CometChat: a change of any other, by a
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

/// What `auth.users` says of one user.
#[derive(Clone, Debug, Default)]
pub struct AuthUser {
    pub presence: UserStatus,
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
    /// Why nothing but the presence could be read, if that could.
    pub unreadable: Option<String>,
}

/// Looks whether there is one.
pub fn state() -> AuthUsers {
    match rights::relation(c"auth", c"users", Lock::Read).map(|relation| relation.kind) {
        None => AuthUsers::Absent,
        Some(b'r' | b'p') => AuthUsers::Table,
        Some(_) => AuthUsers::NoTable,
    }
}

/// A statement that finds users by their id.
struct ById {
    uuid: Statement,
    text: Statement,
}

/// Ids that are text are compared as text, so that one that is no uuid stands in nobody's way.
macro_rules! by_id {
    ($rights:expr, $before:literal, $after:literal) => {
        ById {
            uuid: Statement::with_rights($rights, concat!($before, "au.id = q.id", $after)),
            text: Statement::with_rights(
                $rights,
                concat!($before, "au.id = ANY (ARRAY[q.id::text, upper(q.id::text)])", $after),
            ),
        }
    };
}

impl ById {
    /// See [`Statement::seeing_now`].
    const fn seeing_now(self) -> Self {
        ById { uuid: self.uuid.seeing_now(), text: self.text.seeing_now() }
    }

    fn statement(&'static self) -> &'static Statement {
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

// Longer strings in the metadata are cut: no name or URL is that long. The metadata, which may be
// large, are taken apart once for all keys.
static LOAD: ById = by_id!(
    OWNER,
    "SELECT q.id, a.suspended, a.back_in, a.unconfirmed, a.is_anonymous, a.email,
            (SELECT array_agg(CASE jsonb_typeof(e.value #> f.path::text[])
                              WHEN 'string' THEN left(e.value #>> f.path::text[], 4000) END ORDER BY f.n)
             FROM ROWS FROM (unnest($2), unnest($3)) WITH ORDINALITY AS f(key, path, n)
             LEFT JOIN jsonb_each(CASE jsonb_typeof(a.metadata) WHEN 'object' THEN a.metadata END)
               AS e(key, value) ON e.key = f.key),
            ARRAY[left(a.metadata ->> 'avatar_url', 4000), left(a.metadata ->> 'picture', 4000)],
            a.phone
     FROM (SELECT NULL::text AS email, NULL::text AS phone, NULL::jsonb AS raw_user_meta_data,
                  NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
                  now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
                  false AS is_anonymous) AS absent,
     unnest($1) AS q(id),
     LATERAL (SELECT email::text AS email, phone::text AS phone,
                     raw_user_meta_data::jsonb AS metadata,
                     (banned_until > now() OR deleted_at IS NOT NULL) AS suspended,
                     CASE WHEN deleted_at IS NULL AND isfinite(banned_until)
                          THEN CASE WHEN banned_until < now() + interval '1 year'
                               THEN ceil(extract(epoch FROM banned_until - now()) * 1000)::bigint
                               ELSE 31536000000 END -- looked at again then
                     END AS back_in,
                     (email_confirmed_at IS NULL AND phone_confirmed_at IS NULL) AS unconfirmed,
                     is_anonymous::boolean AS is_anonymous
              FROM auth.users AS au WHERE ",
    ") AS a"
)
.seeing_now();

// Who is shut out is told though the rest of the row cannot be.
static PRESENCE: ById = by_id!(
    OWNER,
    "SELECT q.id, a.suspended
     FROM (SELECT NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at) AS absent,
     unnest($1) AS q(id),
     LATERAL (SELECT (banned_until > now() OR deleted_at IS NOT NULL) AS suspended
              FROM auth.users AS au WHERE ",
    ") AS a"
)
.seeing_now();

/// Reads `users`; who is not in the answer is not in the table.
///
/// Raises an error where the table cannot be read; what cannot be read of one user is in the answer.
pub fn load(users: &[Uuid]) -> HashMap<Uuid, AuthUser> {
    let mut found = HashMap::with_capacity(users.len());
    let mut failed = Vec::new();
    load_or_halve(users, &mut found, &mut failed);
    let same = |code: PgSqlErrorCode| failed.iter().all(|other| *other == code);
    match failed.first() {
        // Raised by somebody's code, for everybody: that is most likely not about their values.
        Some(code) if failed.len() == users.len() && users.len() > 1 && same(*code) => {
            if !subxact::sqlstate(*code).starts_with("22") {
                load_at_once(users);
            }
            found
        }
        _ => found,
    }
}

fn load_at_once(users: &[Uuid]) -> HashMap<Uuid, AuthUser> {
    let fields = NameFields::in_force();
    let args = [
        spi::array(users.iter().copied()),
        spi::array(fields.keys.iter().map(String::as_str)),
        spi::array(fields.paths.iter().map(String::as_str)),
    ];
    LOAD.statement().all(&args, |row| read(row, &fields)).into_iter().flatten().collect()
}

/// All at once, as a rule; else by halves, down to whose row it is that cannot be read.
fn load_or_halve(
    users: &[Uuid],
    found: &mut HashMap<Uuid, AuthUser>,
    failed: &mut Vec<PgSqlErrorCode>,
) {
    let code = match subxact::read(|| load_at_once(users)) {
        Ok(read) => return found.extend(read),
        Err(code) => code,
    };
    if let [user] = users {
        failed.push(code);
        found.extend(presence_of(*user, code).map(|there| (*user, there)));
    } else {
        let (first, second) = users.split_at(users.len() / 2);
        load_or_halve(first, found, failed);
        load_or_halve(second, found, failed);
    }
}

/// What is certain of somebody whose row cannot be read as a whole.
fn presence_of(user: Uuid, code: PgSqlErrorCode) -> Option<AuthUser> {
    let args = || [spi::array([user])];
    let presence = match subxact::read(|| PRESENCE.statement().first(&args(), |row| row.flag(2))) {
        Ok(None) => return None,
        Ok(Some(true)) => UserStatus::Suspended { back_in_ms: None },
        Ok(Some(false)) => UserStatus::Active,
        Err(_) => UserStatus::Unknown,
    };
    // Not the message, which quotes the value.
    let unreadable = Some(format!("auth.users: SQLSTATE {}", subxact::sqlstate(code)));
    Some(AuthUser { presence, unreadable, ..AuthUser::default() })
}

fn read(row: &Row, fields: &NameFields) -> Option<(Uuid, AuthUser)> {
    let presence = if row.flag(2) {
        UserStatus::Suspended { back_in_ms: row.get::<i64>(3).filter(|ms| *ms > 0) }
    } else {
        UserStatus::Active
    };
    let user = AuthUser {
        presence,
        unconfirmed: row.flag(4),
        anonymous: row.flag(5),
        email: row.get(6),
        phone: row.get(9),
        names: fields.names(&row.get::<Vec<Option<String>>>(7).unwrap_or_default()),
        own_names: fields.own,
        avatars: row.get(8).unwrap_or_default(),
        unreadable: None,
    };
    Some((row.get(1)?, user))
}

static PRESENT: ById =
    by_id!(OWNER, "SELECT q.id FROM unnest($1) AS q(id) JOIN auth.users AS au ON ", "");

static KEEP: ById = by_id!(
    OWNER_LOCKING,
    "SELECT q.id FROM unnest($1) AS q(id) JOIN auth.users AS au ON ",
    " FOR KEY SHARE OF au SKIP LOCKED"
);

/// Keeps `users` from being deleted until the transaction ends. Returns those that are kept, and
/// those that are there but locked, because they are being deleted say.
pub fn keep(users: &[Uuid]) -> (Vec<Uuid>, Vec<Uuid>) {
    let read = |by_id: &'static ById| -> Vec<Uuid> {
        let args = [spi::array(users.iter().copied())];
        by_id.statement().all(&args, |row| row.get(1)).into_iter().flatten().collect()
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
    pub suspended: bool,
    pub anonymous: bool,
    pub confirmed: bool,
}

macro_rules! page {
    ($flags:literal, $which:literal) => {
        Statement::with_rights(
            OWNER,
            concat!(
                "SELECT a.id::uuid, a.suspended, a.is_anonymous, a.confirmed
                 FROM (SELECT NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
                              now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
                              false AS is_anonymous) AS absent,
                 LATERAL (SELECT au.id, ",
                $flags,
                " FROM auth.users AS au WHERE ",
                $which,
                " LIMIT $1) AS a"
            ),
        )
    };
}

/// The statements of pages: of whose flags, and, where one row's cannot be read, of ids alone.
macro_rules! pages {
    ($which:literal) => {
        [
            page!(
                "is_anonymous::boolean AS is_anonymous,
                 deleted_at IS NOT NULL OR COALESCE(banned_until > now(), false) AS suspended,
                 num_nonnulls(email_confirmed_at, phone_confirmed_at) > 0 AS confirmed",
                $which
            ),
            page!("false AS is_anonymous, false AS suspended, true AS confirmed", $which),
        ]
    };
}

static FIRST: [Statement; 2] = pages!("true ORDER BY au.id");
static NEXT: [Statement; 2] = pages!("au.id > $2 ORDER BY au.id");
// In the order of the uuids, whatever the column's collation is. Whose id is no uuid is no user.
static FIRST_OF_TEXT: [Statement; 2] = pages!(
    "au.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' ORDER BY lower(au.id) COLLATE \"C\""
);
static NEXT_OF_TEXT: [Statement; 2] = pages!(
    "au.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
     AND lower(au.id) COLLATE \"C\" > $2::text ORDER BY lower(au.id) COLLATE \"C\""
);

/// The next users by id, after the one given: at most so many, and nobody only at the end. Somebody
/// whose row cannot be read passes for anybody: whoever sends for them finds out.
pub fn page(after: Option<Uuid>, most: i64) -> Vec<Listed> {
    let [whole, ids] = match (after, ids_are_text()) {
        (None, false) => &FIRST,
        (Some(_), false) => &NEXT,
        (None, true) => &FIRST_OF_TEXT,
        (Some(_), true) => &NEXT_OF_TEXT,
    };
    let mut most = most;
    loop {
        match subxact::read(|| page_of(whole, after, most)) {
            Ok(page) => return page,
            Err(_) if most > 1 => most /= 2,
            Err(_) => return page_of(ids, after, most),
        }
    }
}

fn page_of(statement: &'static Statement, after: Option<Uuid>, most: i64) -> Vec<Listed> {
    let read = |row: &Row| {
        let (suspended, anonymous, confirmed) = (row.flag(2), row.flag(3), row.flag(4));
        Some(Listed { user: row.get(1)?, suspended, anonymous, confirmed })
    };
    let rows = match after {
        None => statement.all(&[most.into()], read),
        Some(after) => statement.all(&[most.into(), after.into()], read),
    };
    rows.into_iter().flatten().collect()
}
