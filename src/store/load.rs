//! Reads everything about users: our own tables first, and then what `auth.users` says.

use std::collections::HashMap;

use pgrx::prelude::*;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::auth_users::{self, AuthUser, AuthUsers};
use super::statement::Statement;
use crate::pg::spi::{self, Row};
use crate::shmem::void_tokens;
use sync::model::{Certainty, Mapping, SentFingerprint, SyncState, UserRow, UserStatus};
use sync::profile::StickyArgument;

static OURS: Statement = Statement::new(
    "SELECT q.id, u.cometchat_uid, u.cometchat_auth_token, s.user_id IS NOT NULL,
            CASE WHEN pg_column_size(s.overrides) <= 100000 THEN s.overrides::text
                 WHEN s.overrides IS NOT NULL THEN 'too long' END,
            s.name_argument, s.name_argument_base, s.email_argument, s.email_argument_base,
            s.app_id, s.cometchat_uid, s.sent_profile, s.sent_metadata, s.sent_fields, s.deactivated,
            s.revoke_pending, s.requested, s.claim, s.wanted_revision, s.attempts,
            -- infinity is the mark of the claim that is under way: what was stored before is certain
            CASE WHEN s.unsettled_until = '-infinity' THEN -1
                 WHEN isfinite(s.unsettled_until)
                 THEN GREATEST(ceil(extract(epoch FROM s.unsettled_until - now()) * 1000), 0)::bigint
            END
     FROM unnest($1) AS q(id)
     LEFT JOIN public.cometchat_users AS u ON u.user_id = q.id
     LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.id",
)
.seeing_now();

/// What our tables say of a user.
type Ours = (Option<(String, Mapping)>, Option<SyncState>);

/// Reads `user`. A user that nothing is known of is a row without anything, not `None`.
pub fn load(user: Uuid) -> UserRow {
    load_many(&[user]).remove(&user).unwrap_or_default()
}

/// Reads `users`, each of which is in the answer.
///
/// Raises an error where `auth.users` cannot be read: who is banned, or gone, must not pass for
/// somebody who is neither.
pub fn load_many(users: &[Uuid]) -> HashMap<Uuid, UserRow> {
    // In this order: a change of auth.users that comes between raises the revision, and the user is
    // synced once more. The other way round an old profile would pass for the new one.
    let ours = OURS.all(&[spi::array(users.iter().copied())], read_ours);
    let mut theirs = read_theirs(users);
    ours.into_iter()
        .filter_map(|(user, ours)| {
            let user = user?;
            let theirs = match &mut theirs {
                Some(there) => there.remove(&user).unwrap_or_default(),
                None => AuthUser { presence: UserStatus::Active, ..AuthUser::default() },
            };
            Some((user, join(user, ours, theirs)))
        })
        .collect()
}

/// `None` where there is no such table, and never was: then every user exists.
fn read_theirs(users: &[Uuid]) -> Option<HashMap<Uuid, AuthUser>> {
    match auth_users::state() {
        AuthUsers::Table => Some(auth_users::load(users)),
        AuthUsers::Absent if !expected() => None,
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

static EXPECTED: Statement =
    Statement::new("SELECT c.expects_auth_users FROM cometchat.control AS c").seeing_now();

/// Whether there was an `auth.users` once, which the trigger or the foreign key was attached to.
fn expected() -> bool {
    EXPECTED.first(&[], |row| row.flag(1)).unwrap_or(false)
}

static EXPECT: Statement = Statement::new(
    "UPDATE cometchat.control AS c SET expects_auth_users = true
     WHERE c.only_row AND NOT c.expects_auth_users",
);

/// Remembers that there is an `auth.users`: a dump does not bring that along.
pub fn expect_auth_users() {
    if !expected() && auth_users::state() == AuthUsers::Table {
        EXPECT.write(&[]);
    }
}

fn join(user: Uuid, (mapping, known): Ours, theirs: AuthUser) -> UserRow {
    let user_id = user.to_string();
    let (mapped_uid, mapping) = mapping.unzip();
    // Of somebody who was deleted only the state still knows what they were mapped to.
    let last_uid = known.as_ref().filter(|_| theirs.presence == UserStatus::Deleted);
    let uid = mapped_uid
        .or_else(|| last_uid.and_then(|known| known.uid.clone()))
        .unwrap_or_else(|| user_id.clone());
    let AuthUser {
        presence,
        unconfirmed,
        anonymous,
        email,
        phone,
        names,
        own_names,
        avatars,
        unreadable,
    } = theirs;
    let unreadable = unreadable.or_else(|| known.as_ref().and_then(|k| k.unreadable.clone()));
    UserRow {
        user_id,
        uid,
        status: presence,
        unconfirmed,
        anonymous,
        email,
        phone,
        names,
        own_names,
        avatars,
        unreadable,
        mapping,
        known,
    }
}

fn read_ours(row: &Row) -> (Option<Uuid>, Ours) {
    let user: Option<Uuid> = row.get(1);
    // One that was flushed for a transaction that is under way, or was rolled back, is none.
    let stored: Option<String> = row.get(3);
    let void =
        user.zip(stored.as_ref()).is_some_and(|(user, token)| void_tokens::is_void(user, token));
    let token = stored.filter(|_| !void);
    let mapping = row.get::<String>(2).map(|uid| (uid, Mapping { token, void }));
    let known = row.flag(4).then(|| read_known(row));
    (user, (mapping, known))
}

fn read_known(row: &Row) -> SyncState {
    let (overrides, unreadable) = match row.get::<String>(5).as_deref().map(read_overrides) {
        None => (None, None),
        Some(Ok(overrides)) => (overrides, None),
        Some(Err(why)) => (None, Some(why)),
    };
    let sent = match (row.get(12), row.get(13)) {
        (Some(profile), Some(metadata)) => {
            let keys = row.get::<Vec<Option<String>>>(14).unwrap_or_default();
            Some(SentFingerprint { profile, metadata, keys: keys.into_iter().flatten().collect() })
        }
        _ => None,
    };
    SyncState {
        overrides,
        unreadable,
        name: StickyArgument { value: row.get(6), basis: row.get(7) },
        email: StickyArgument { value: row.get(8), basis: row.get(9) },
        app_id: row.get(10),
        uid: row.get(11),
        sent,
        deactivated: row.flag(15),
        revoke_pending: row.flag(16),
        requested: row.flag(17),
        certainty: match row.get::<i64>(21) {
            None => Certainty::Settled,
            Some(..0) => Certainty::NeverAsked,
            Some(0) => Certainty::Unsettled,
            Some(ms) => Certainty::InFlight(ms),
        },
        claim: row.get(18),
        wanted_revision: row.get(19).unwrap_or(0),
        attempts: row.get(20).unwrap_or(0),
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

static OWNERS: Statement = Statement::new(
    "SELECT u.cometchat_uid, u.user_id FROM public.cometchat_users AS u
     WHERE u.cometchat_uid = ANY ($1)",
);

/// Whom these uids of CometChat's are mapped to.
pub fn owners(uids: Vec<String>) -> HashMap<String, Uuid> {
    let pairs = OWNERS.all(&[spi::array(uids)], |row| (row.get::<String>(1), row.get::<Uuid>(2)));
    pairs.into_iter().filter_map(|(uid, user)| uid.zip(user)).collect()
}
