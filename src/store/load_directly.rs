//! Reads everything about one user row by row, by unique keys: what nearly every login does, at a
//! fraction of a statement's cost. The answer is the one of [`super::load`].

use std::ffi::CStr;

use pgrx::pg_sys;
use sync::model::{AuthUser, Mapping, SyncState, UserRow, UserStatus};
use uuid::Uuid;

use super::load;
use super::name_fields::NameFields;
use crate::pg::jsonb::{Found, Jsonb};
use crate::pg::rights::{self, Rights};
use crate::pg::spi::{Columns, Timestamp};
use crate::pg::unique_key::{self, find, NotPlain, StoredRow, Wanted};
use crate::shmem::void_tokens;

/// No name or URL is longer: see `sql/auth_users_load.sql`.
const MAX_CHARS: usize = 4000;

const DAY: i64 = 86_400 * 1_000_000;

const TEXT: &[pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::VARCHAROID];
const TIME: &[pg_sys::Oid] = &[pg_sys::TIMESTAMPTZOID];
const FLAG: &[pg_sys::Oid] = &[pg_sys::BOOLOID];
const NUMBER: &[pg_sys::Oid] = &[pg_sys::INT8OID];

/// A column of a table of ours: a library that is newer than the SQL must not take it for empty.
const fn ours(name: &'static CStr, types: &'static [pg_sys::Oid]) -> Wanted {
    Wanted { name, types, may_be_missing: false }
}

const MAPPING: [Wanted; 2] = [ours(c"cometchat_uid", TEXT), ours(c"cometchat_auth_token", TEXT)];

const STATE: [Wanted; 18] = [
    ours(c"overrides", &[pg_sys::JSONBOID]),
    ours(c"name_argument", TEXT),
    ours(c"name_argument_base", TEXT),
    ours(c"email_argument", TEXT),
    ours(c"email_argument_base", TEXT),
    ours(c"app_id", TEXT),
    ours(c"cometchat_uid", TEXT),
    ours(c"sent_profile", TEXT),
    ours(c"sent_metadata", TEXT),
    ours(c"sent_fields", &[pg_sys::TEXTARRAYOID]),
    ours(c"deactivated", FLAG),
    ours(c"revoke_pending", FLAG),
    ours(c"requested", FLAG),
    ours(c"unsettled_until", TIME),
    ours(c"wanted_revision", NUMBER),
    ours(c"attempts", &[pg_sys::INT4OID]),
    ours(c"claim", NUMBER),
    ours(c"outcomes", NUMBER),
];

/// A column of `auth.users` as the Auth server makes it; each came with some version of it. Here and above in
/// the tables' order, in which they are found at once.
const fn theirs(name: &'static CStr, types: &'static [pg_sys::Oid]) -> Wanted {
    Wanted { name, types, may_be_missing: true }
}

const AUTH: [Wanted; 8] = [
    theirs(c"email", TEXT),
    theirs(c"email_confirmed_at", TIME),
    theirs(c"raw_user_meta_data", &[pg_sys::JSONBOID]),
    theirs(c"phone", TEXT),
    theirs(c"phone_confirmed_at", TIME),
    theirs(c"banned_until", TIME),
    theirs(c"deleted_at", TIME),
    theirs(c"is_anonymous", FLAG),
];

/// Reads `user`. `None`: it must be done by statements, because a table is not as it is on Supabase, or
/// locked.
pub fn load_directly(user: Uuid) -> Option<UserRow> {
    let ours = Rights::Ours.role()?;
    let mapping = rights::plain_table(c"public", c"cometchat_users", Some(ours));
    // SECURITY: as of [`Rights::OursOnMapping`].
    let mapping = mapping.filter(|table| table.owner == ours)?;
    let state = rights::plain_table(c"cometchat", c"sync_state", Some(ours))?;
    let auth = rights::plain_table(c"auth", c"users", None)?;
    unique_key::as_of_now(|| {
        let read = |row: &StoredRow| read_mapping(user, row);
        let mapping = find(mapping, c"user_id", user, &MAPPING, read).ok()?;
        let known = find(state, c"user_id", user, &STATE, read_state).ok()?;
        let fields = NameFields::in_force();
        let theirs = find(auth, c"id", user, &AUTH, |row| read_auth(row, &fields)).ok()?;
        let theirs = theirs.transpose().ok()?.unwrap_or_default();
        Some(load::join(user, (mapping, known), theirs))
    })
}

fn read_mapping(user: Uuid, row: &StoredRow) -> (String, Mapping) {
    let stored: Option<String> = row.get(c"cometchat_auth_token");
    (
        row.get(c"cometchat_uid").unwrap_or_default(),
        Mapping::unless_void(stored, |token| void_tokens::is_void(user, token)),
    )
}

fn read_state(row: &StoredRow) -> SyncState {
    // As `sql/load.sql` has it.
    let unsettled_ms =
        row.get::<Timestamp>(c"unsettled_until").and_then(|Timestamp(at)| match at {
            i64::MIN => Some(-1),
            i64::MAX => None,
            at => Some(ceil_ms(at.saturating_sub(now())).max(0)),
        });
    // What is in the row itself is shorter than `sql/load.sql` allows.
    let overrides = row.get::<Jsonb>(c"overrides").map(|value| value.text());
    load::read_state(row, overrides, unsettled_ms)
}

fn read_auth(row: &StoredRow, fields: &NameFields) -> Result<AuthUser, NotPlain> {
    let time = |name| row.get::<Timestamp>(name).map(|Timestamp(at)| at);
    let (banned, deleted) = (time(c"banned_until"), time(c"deleted_at"));
    let status = if deleted.is_some() || banned.is_some_and(|until| until > now()) {
        let back_in_ms = banned.filter(|until| deleted.is_none() && *until != i64::MAX);
        let back_in_ms = back_in_ms.map(|until| ceil_ms((until - now()).min(365 * DAY)));
        UserStatus::Suspended { back_in_ms: back_in_ms.filter(|ms| *ms > 0) }
    } else {
        UserStatus::Active
    };
    let metadata: Option<Jsonb> = row.get(c"raw_user_meta_data");
    let value = |path: &[String]| match metadata.as_ref().map(|m| m.string(path, MAX_CHARS)) {
        Some(Found::Array) => Err(NotPlain),
        Some(Found::Text(text)) => Ok(Some(text)),
        Some(Found::NoText) | None => Ok(None),
    };
    // Many paths begin with a key that is hardly ever there.
    let has = |key: &String| metadata.as_ref().is_some_and(|m| m.has(key));
    let mut absent: Option<&String> = None;
    let mut names = Vec::with_capacity(fields.paths.len());
    for path in &fields.paths {
        let key = path.first();
        if path.len() > 1 && key != absent && !key.is_some_and(has) {
            absent = key;
        }
        names.push(if key == absent { None } else { value(path)? });
    }
    let avatar = |key: &str| value(&[key.to_owned()]);
    Ok(AuthUser {
        status,
        unconfirmed: row.has(c"email_confirmed_at")
            && time(c"email_confirmed_at").is_none()
            && time(c"phone_confirmed_at").is_none(),
        anonymous: row.flag(c"is_anonymous"),
        email: row.get(c"email"),
        phone: row.get(c"phone"),
        names: fields.names(&names),
        own_names: fields.own,
        avatars: vec![avatar("avatar_url")?, avatar("picture")?],
        unreadable: None,
    })
}

/// When the transaction began, as `now()` says.
fn now() -> i64 {
    // SAFETY: a function without preconditions.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

fn ceil_ms(microseconds: i64) -> i64 {
    microseconds.div_euclid(1000) + i64::from(microseconds.rem_euclid(1000) > 0)
}

#[cfg(any(test, feature = "pg_test"))]
mod tests;
