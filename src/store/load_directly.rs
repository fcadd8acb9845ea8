//! Reads everything about one user row by row, by unique keys: what nearly every login does, at a
//! fraction of a statement's cost. The answer is the one of [`super::load`].

use pgrx::pg_sys;
use sync::model::{AuthUser, Mapping, SyncState, UserRow, UserStatus};
use uuid::Uuid;

use super::load::{self, MAX_OVERRIDES};
use super::name_fields::NameFields;
use crate::pg::jsonb::{Found, Jsonb};
use crate::pg::rights::{Lock, Rights};
use crate::pg::spi::Timestamp;
use crate::pg::unique_key::{self, NotPlain, StoredRow, Table};
use crate::shmem::void_tokens;

/// No name or URL is longer: see `sql/auth_users_load.sql`.
const MAX_CHARS: usize = 4000;

const DAY: i64 = 86_400 * 1_000_000;

/// The columns of `auth.users` as the Auth server makes them; each may be missing.
const COLUMNS: [(&std::ffi::CStr, &[pg_sys::Oid]); 8] = [
    (c"email", &[pg_sys::VARCHAROID, pg_sys::TEXTOID]),
    (c"phone", &[pg_sys::TEXTOID, pg_sys::VARCHAROID]),
    (c"raw_user_meta_data", &[pg_sys::JSONBOID]),
    (c"banned_until", &[pg_sys::TIMESTAMPTZOID]),
    (c"deleted_at", &[pg_sys::TIMESTAMPTZOID]),
    (c"email_confirmed_at", &[pg_sys::TIMESTAMPTZOID]),
    (c"phone_confirmed_at", &[pg_sys::TIMESTAMPTZOID]),
    (c"is_anonymous", &[pg_sys::BOOLOID]),
];

/// Reads `user`. `None`: it must be done by statements, because a table is not as it is on Supabase, or
/// locked.
pub fn load_directly(user: Uuid) -> Option<UserRow> {
    let mapping = Rights::OursOnMapping(Lock::Read).plain_table(c"cometchat_users")?;
    let state = Rights::Ours.plain_table(c"sync_state")?;
    let auth = Rights::OwnerOf(c"auth", c"users", Lock::Read).plain_table(c"users")?;
    unique_key::as_of_now(|| {
        let mapping =
            find(mapping, c"user_id", user, |_| true, |row| read_mapping(user, row)).ok()?;
        let known = find(state, c"user_id", user, |_| true, read_state).ok()?;
        let fields = NameFields::in_force();
        let plain = |table: &Table| table.has_types(&COLUMNS);
        let theirs = find(auth, c"id", user, plain, |row| read_auth(row, &fields)).ok()?;
        let theirs = theirs.transpose().ok()?.unwrap_or_default();
        Some(load::join(user, (mapping, known), theirs))
    })
}

fn find<T>(
    relation: crate::pg::rights::Relation,
    key: &std::ffi::CStr,
    user: Uuid,
    is_plain: impl FnOnce(&Table) -> bool,
    read: impl FnOnce(&StoredRow) -> T,
) -> Result<Option<T>, NotPlain> {
    let table = Table::open(relation, key)?;
    let found = if is_plain(&table) { Ok(table.find(user, read)) } else { Err(NotPlain) };
    table.close();
    found
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
    let overrides = row.get::<Jsonb>(c"overrides").map(|value| match value.stored_size {
        ..=MAX_OVERRIDES => value.text(),
        _ => load::TOO_LONG.to_owned(),
    });
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
    let names = fields.steps.iter().map(|path| value(path)).collect::<Result<Vec<_>, _>>()?;
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
