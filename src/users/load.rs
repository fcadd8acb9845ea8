//! Reads everything about users, in one statement for one as for many.

use std::collections::HashMap;

use pgrx::prelude::*;
use pgrx::spi::{SpiResult, SpiTupleTable};
use pgrx::{JsonB, Uuid};
use serde_json::Value;

use super::statement::Statement;
use super::{Known, Mapping, Presence, Sent, UserRow};
use crate::config;
use crate::pg::session;
use crate::profile::Argument;

macro_rules! columns_of_our_tables {
    () => {
        "q.id, u.cometchat_uid, u.cometchat_auth_token, s.user_id IS NOT NULL, s.overrides,
         s.name_argument, s.name_basis, s.email_argument, s.email_basis, s.app_id,
         s.cometchat_uid, s.sent_profile, s.sent_metadata, s.sent_keys, s.deactivated,
         s.revoke_pending, s.explicit, s.claim IS NOT NULL, s.wanted_revision, s.attempts
         FROM unnest($1) AS q(id)
         LEFT JOIN public.cometchat_users AS u ON u.user_id = q.id
         LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.id"
    };
}

// Only `id` is required of auth.users. A column that it lacks is found one level further out, in
// `absent`, as null: inside the inner query an unqualified name means auth.users' own column
// where there is one. Longer strings in the metadata are cut: no name or URL is that long.
static WITH_AUTH_USERS: Statement = Statement::new(
    concat!(
        "SELECT a.id IS NOT NULL, a.shut_out, a.back_in, a.unconfirmed, a.is_anonymous, a.email,
         (SELECT array_agg(CASE jsonb_typeof(a.metadata -> f.key)
                           WHEN 'string' THEN left(a.metadata ->> f.key, 4000) END ORDER BY f.n)
          FROM unnest($2) WITH ORDINALITY AS f(key, n)),
         ARRAY[left(a.metadata ->> 'avatar_url', 4000), left(a.metadata ->> 'picture', 4000)], ",
        columns_of_our_tables!(),
        " LEFT JOIN LATERAL (
            SELECT there.* FROM (SELECT NULL::text AS email, NULL::jsonb AS raw_user_meta_data,
                                        NULL::timestamptz AS banned_until,
                                        NULL::timestamptz AS deleted_at,
                                        now() AS email_confirmed_at,
                                        NULL::timestamptz AS phone_confirmed_at,
                                        false AS is_anonymous) AS absent,
            LATERAL (SELECT au.id, email::text AS email, raw_user_meta_data::jsonb AS metadata,
                            (banned_until > now() OR deleted_at IS NOT NULL) AS shut_out,
                            CASE WHEN deleted_at IS NULL AND isfinite(banned_until)
                                 THEN ceil(extract(epoch FROM banned_until - now()) * 1000)::bigint
                            END AS back_in,
                            (email_confirmed_at IS NULL AND phone_confirmed_at IS NULL)
                              AS unconfirmed,
                            is_anonymous
                     FROM auth.users AS au WHERE au.id = q.id) AS there
          ) AS a ON true"
    ),
    &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
);

static WITHOUT_AUTH_USERS: Statement = Statement::new(
    concat!(
        "SELECT true, false, NULL::bigint, false, false, NULL::text, $2 || NULL::text[],
         NULL::text[], ",
        columns_of_our_tables!(),
    ),
    &[pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID],
);

/// Whether there is an `auth.users` to read; without one every user exists.
pub fn auth_users_is_there() -> bool {
    session::is_plain_table(c"auth", c"users")
}

/// Reads `user`. A user that nothing is known of is a row without anything, not `None`.
pub fn load(user: Uuid) -> UserRow {
    load_many(vec![user]).remove(&user).unwrap_or_default()
}

/// Reads `users`, each of which is in the answer.
pub fn load_many(users: Vec<Uuid>) -> HashMap<Uuid, UserRow> {
    if auth_users_is_there() {
        let args = [users.into(), config::display_name_fields().into()];
        WITH_AUTH_USERS.all(&args, read).into_iter().collect()
    } else {
        let args = [users.into(), Vec::<String>::new().into()];
        WITHOUT_AUTH_USERS.all(&args, read).into_iter().collect()
    }
}

static OWNERS: Statement = Statement::new(
    "SELECT u.cometchat_uid, u.user_id FROM public.cometchat_users AS u
     WHERE u.cometchat_uid = ANY ($1)",
    &[pg_sys::TEXTARRAYOID],
);

/// Whom these uids of CometChat's are mapped to.
pub fn owners(uids: Vec<String>) -> HashMap<String, Uuid> {
    let pairs = OWNERS.all(&[uids.into()], |row| Ok((row.get::<String>(1)?, row.get::<Uuid>(2)?)));
    pairs.into_iter().filter_map(|(uid, user)| uid.zip(user)).collect()
}

fn read(row: &SpiTupleTable<'_>) -> SpiResult<(Uuid, UserRow)> {
    let text = |column| row.get::<String>(column);
    let texts =
        |column| -> SpiResult<Vec<Option<String>>> { Ok(row.get(column)?.unwrap_or_default()) };
    let flag = |column| -> SpiResult<bool> { Ok(row.get(column)?.unwrap_or(false)) };
    let presence = match (flag(1)?, flag(2)?) {
        (false, _) => Presence::Gone,
        (true, true) => Presence::ShutOut { back_in_ms: row.get::<i64>(3)?.filter(|ms| *ms > 0) },
        (true, false) => Presence::Active,
    };
    let user = row.get::<Uuid>(9)?.unwrap_or_else(|| Uuid::from_bytes([0; 16]));
    let mapped_uid = text(10)?;
    let mapping = mapped_uid.is_some().then_some(Mapping { token: text(11)? });
    let known = if flag(12)? { Some(read_known(row)?) } else { None };
    // Of somebody who was deleted only the state still knows what they were mapped to.
    let last_uid = known.as_ref().filter(|_| presence == Presence::Gone);
    let user_id = crate::identity::uid_of(user);
    let uid = mapped_uid
        .or_else(|| last_uid.and_then(|known| known.uid.clone()))
        .unwrap_or_else(|| user_id.clone());
    let row = UserRow {
        user_id,
        uid,
        presence,
        unconfirmed: flag(4)?,
        anonymous: flag(5)?,
        email: text(6)?,
        names: texts(7)?,
        avatars: texts(8)?,
        mapping,
        known,
    };
    Ok((user, row))
}

fn read_known(row: &SpiTupleTable<'_>) -> SpiResult<Known> {
    let text = |column| row.get::<String>(column);
    let flag = |column| -> SpiResult<bool> { Ok(row.get(column)?.unwrap_or(false)) };
    let overrides = row.get::<JsonB>(13)?.and_then(|JsonB(value)| match value {
        Value::Object(map) => Some(map),
        _ => None,
    });
    let sent = match (text(20)?, text(21)?) {
        (Some(profile), Some(metadata)) => {
            let keys = row.get::<Vec<Option<String>>>(22)?.unwrap_or_default();
            Some(Sent { profile, metadata, keys: keys.into_iter().flatten().collect() })
        }
        _ => None,
    };
    Ok(Known {
        overrides,
        name: Argument { value: text(14)?, basis: text(15)? },
        email: Argument { value: text(16)?, basis: text(17)? },
        app_id: text(18)?,
        uid: text(19)?,
        sent,
        deactivated: flag(23)?,
        revoke_pending: flag(24)?,
        explicit: flag(25)?,
        in_flight: flag(26)?,
        wanted_revision: row.get::<i64>(27)?.unwrap_or(0),
        attempts: row.get::<i32>(28)?.unwrap_or(0),
    })
}
