//! Reads everything about one user, in one statement.

use pgrx::prelude::*;
use pgrx::spi::{SpiResult, SpiTupleTable};
use pgrx::{JsonB, Uuid};
use serde_json::Value;

use super::statement::Statement;
use super::{Known, Mapping, Sent, UserRow};
use crate::config;
use crate::pg::session;
use crate::profile::Argument;

/// Longer strings in the metadata are cut before they are read: no name or URL is that long.
macro_rules! columns_of_our_tables {
    () => {
        "u.cometchat_uid, u.cometchat_auth_token, s.user_id IS NOT NULL, s.overrides,
         s.name_argument, s.name_basis, s.email_argument, s.email_basis, s.app_id,
         s.sent_profile, s.sent_metadata, s.sent_keys, s.deactivated, s.revoke_pending,
         s.wanted_revision, s.cometchat_uid
         FROM (SELECT $1 AS id) AS q
         LEFT JOIN public.cometchat_users AS u ON u.user_id = q.id
         LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.id"
    };
}

// Only `id` is required of auth.users. A column that it lacks is found one level further out, in
// `absent`, as null: inside the inner query an unqualified name means auth.users' own column
// where there is one.
static WITH_AUTH_USERS: Statement = Statement::new(
    concat!(
        "SELECT a.id IS NOT NULL, COALESCE(a.shut_out, false), a.email,
         (SELECT array_agg(CASE jsonb_typeof(a.metadata -> f.key)
                           WHEN 'string' THEN left(a.metadata ->> f.key, 4000) END ORDER BY f.n)
          FROM unnest($2) WITH ORDINALITY AS f(key, n)),
         ARRAY[left(a.metadata ->> 'avatar_url', 4000), left(a.metadata ->> 'picture', 4000)], ",
        columns_of_our_tables!(),
        " LEFT JOIN LATERAL (
            SELECT there.* FROM (SELECT NULL::text AS email, NULL::jsonb AS raw_user_meta_data,
                                        NULL::timestamptz AS banned_until,
                                        NULL::timestamptz AS deleted_at) AS absent,
            LATERAL (SELECT au.id, email::text AS email, raw_user_meta_data::jsonb AS metadata,
                            (banned_until > now() OR deleted_at IS NOT NULL) AS shut_out
                     FROM auth.users AS au WHERE au.id = q.id) AS there
          ) AS a ON true"
    ),
    &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
);

static WITHOUT_AUTH_USERS: Statement = Statement::new(
    concat!(
        "SELECT true, false, NULL::text, $2 || NULL::text[], NULL::text[], ",
        columns_of_our_tables!(),
        " WHERE true"
    ),
    &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
);

/// Reads `user`. A user that nothing is known of is a row without anything, not `None`.
pub fn load(user: Uuid) -> UserRow {
    if session::is_plain_table(c"auth", c"users") {
        let args = [user.into(), config::display_name_fields().into()];
        WITH_AUTH_USERS.first(&args, |row| read(user, row)).unwrap_or_default()
    } else {
        let args = [user.into(), Vec::<String>::new().into()];
        WITHOUT_AUTH_USERS.first(&args, |row| read(user, row)).unwrap_or_default()
    }
}

fn read(user: Uuid, row: &SpiTupleTable<'_>) -> SpiResult<UserRow> {
    let text = |column| row.get::<String>(column);
    let texts =
        |column| -> SpiResult<Vec<Option<String>>> { Ok(row.get(column)?.unwrap_or_default()) };
    let flag = |column| -> SpiResult<bool> { Ok(row.get(column)?.unwrap_or(false)) };
    let mapped_uid = text(6)?;
    let mapping = mapped_uid.is_some().then_some(Mapping { token: text(7)? });
    let known = if flag(8)? {
        let overrides = row.get::<JsonB>(9)?.and_then(|JsonB(value)| match value {
            Value::Object(map) => Some(map),
            _ => None,
        });
        let sent = match (text(15)?, text(16)?) {
            (Some(profile), Some(metadata)) => {
                let keys = texts(17)?.into_iter().flatten().collect();
                Some(Sent { profile, metadata, keys })
            }
            _ => None,
        };
        Some(Known {
            uid: text(21)?,
            overrides,
            name: Argument { value: text(10)?, basis: text(11)? },
            email: Argument { value: text(12)?, basis: text(13)? },
            app_id: text(14)?,
            sent,
            deactivated: flag(18)?,
            revoke_pending: flag(19)?,
            wanted_revision: row.get::<i64>(20)?.unwrap_or(0),
        })
    } else {
        None
    };
    Ok(UserRow {
        uid: mapped_uid.unwrap_or_else(|| crate::identity::uid_of(user)),
        exists: flag(1)?,
        shut_out: flag(2)?,
        email: text(3)?,
        names: texts(4)?,
        avatars: texts(5)?,
        mapping,
        known,
    })
}
