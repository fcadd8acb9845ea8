//! Reads everything about users: our own tables first, and then what `auth.users` says.

use std::collections::HashMap;

use pgrx::prelude::*;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth_users::{self, AuthUsers};
use super::control;
use super::statement::Statement;
use crate::pg::rights::Lock;
use crate::pg::spi::{self, Columns, Row};
use crate::shmem::void_tokens;
use sync::model::{
    AuthUser, Certainty, Mapping, SentFingerprint, StickyArgument, SyncState, UserRow, UserStatus,
};

static OURS: Statement =
    Statement::on_mapping(Lock::Read, include_str!("sql/load.sql")).seeing_now();

/// What our tables say of a user.
type Ours = (Option<(String, Mapping)>, Option<SyncState>);

/// Reads `user`. A user that nothing is known of is a row without anything, not `None`.
pub fn load(user: Uuid) -> UserRow {
    load_many(&[user]).remove(&user).unwrap_or_default()
}

/// Reads `users`, each of which is in the answer.
///
/// Raises an error where `auth.users` cannot be read: who is banned, or gone, must not pass for
/// a user who is neither.
pub fn load_many(users: &[Uuid]) -> HashMap<Uuid, UserRow> {
    // In this order: a change of auth.users that comes between raises the revision, and the user is
    // synced once more. The other way round an old profile would pass for the new one.
    let ours = OURS.all(&[("user_ids", spi::array(users.iter().copied()))], read_ours);
    let mut theirs = read_theirs(users);
    ours.into_iter()
        .filter_map(|(user, ours)| {
            let user = user?;
            let theirs = match &mut theirs {
                Some(there) => there.remove(&user).unwrap_or_default(),
                None => AuthUser { status: UserStatus::Active, ..AuthUser::default() },
            };
            Some((user, join(user, ours, theirs)))
        })
        .collect()
}

/// `None` where there is no such table, and never was: then every user exists.
fn read_theirs(users: &[Uuid]) -> Option<HashMap<Uuid, AuthUser>> {
    match auth_users::state() {
        AuthUsers::Table => Some(auth_users::load(users)),
        AuthUsers::Absent if !control::expects_auth_users() => None,
        AuthUsers::Absent => {
            let code = PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
            ereport!(ERROR, code, "auth.users is gone, so it is not known who may chat");
        }
        AuthUsers::NoTable => {
            let code = PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE;
            ereport!(ERROR, code, "auth.users is not a table, so it is not known who may chat");
        }
    }
}

pub(super) fn join(user: Uuid, (mapping, known): Ours, theirs: AuthUser) -> UserRow {
    let user_id = user.to_string();
    let (mapped_uid, mapping) = mapping.unzip();
    // Of a deleted user only the state still knows the uid that was mapped.
    let last_uid = known.as_ref().filter(|_| theirs.status == UserStatus::Deleted);
    let uid = mapped_uid
        .or_else(|| last_uid.and_then(|known| known.uid.clone()))
        .unwrap_or_else(|| user_id.clone());
    let mut auth = theirs;
    auth.unreadable =
        auth.unreadable.take().or_else(|| known.as_ref().and_then(|k| k.unreadable.clone()));
    UserRow { user_id, uid, auth, mapping, known }
}

fn read_ours(row: &Row) -> (Option<Uuid>, Ours) {
    let user: Option<Uuid> = row.get(c"user_id");
    let is_void = |token: &str| user.is_some_and(|user| void_tokens::is_void(user, token));
    let mapping = row
        .get::<String>(c"mapped_uid")
        .map(|uid| (uid, Mapping::unless_void(row.get(c"token"), is_void)));
    let known = row
        .flag(c"has_state")
        .then(|| read_state(row, row.get(c"overrides"), row.get(c"unsettled_ms")));
    (user, (mapping, known))
}

/// `cometchat.sync_state`: its columns as they are, and two that need a look.
pub(super) fn read_state(
    row: &impl Columns,
    overrides: Option<String>,
    unsettled_ms: Option<i64>,
) -> SyncState {
    let (overrides, unreadable) = match overrides.as_deref().map(read_overrides) {
        None => (None, None),
        Some(Ok(overrides)) => (overrides, None),
        Some(Err(why)) => (None, Some(why)),
    };
    let sent = match (row.get(c"sent_profile"), row.get(c"sent_metadata")) {
        (Some(profile), Some(metadata)) => {
            let keys = row.get::<Vec<Option<String>>>(c"sent_fields").unwrap_or_default();
            Some(SentFingerprint { profile, metadata, keys: keys.into_iter().flatten().collect() })
        }
        _ => None,
    };
    SyncState {
        overrides,
        unreadable,
        name: StickyArgument {
            value: row.get(c"name_argument"),
            basis: row.get(c"name_argument_base"),
        },
        email: StickyArgument {
            value: row.get(c"email_argument"),
            basis: row.get(c"email_argument_base"),
        },
        app_id: row.get(c"app_id"),
        uid: row.get(c"cometchat_uid"),
        sent,
        deactivated: row.flag(c"deactivated"),
        revoke_pending: row.flag(c"revoke_pending"),
        requested: row.flag(c"requested"),
        certainty: match unsettled_ms {
            None => Certainty::Settled,
            Some(..0) => Certainty::NeverAsked,
            Some(0) => Certainty::Unsettled,
            Some(ms) => Certainty::InFlight(ms),
        },
        claim: row.get(c"claim"),
        wanted_revision: row.get(c"wanted_revision").unwrap_or(0),
        outcomes: row.get(c"outcomes").unwrap_or(0),
        attempts: row.get(c"attempts").unwrap_or(0),
    }
}

/// What `enqueue` refuses may have got there by another way.
fn read_overrides(text: &str) -> Result<Option<Map<String, Value>>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(Value::Null) => Ok(None),
        Ok(_) => Err("overrides: not an object".to_owned()),
        Err(error) => Err(format!("overrides: {error}")), // says where, quotes nothing
    }
}

static OWNERS: Statement = Statement::on_mapping(Lock::Read, include_str!("sql/owners.sql"));

/// The users that these uids of CometChat's are mapped to.
pub fn owners(uids: Vec<String>) -> HashMap<String, Uuid> {
    let read = |row: &Row| (row.get::<String>(c"cometchat_uid"), row.get::<Uuid>(c"user_id"));
    let pairs = OWNERS.all(&[("uids", spi::array(uids))], read);
    pairs.into_iter().filter_map(|(uid, user)| uid.zip(user)).collect()
}
