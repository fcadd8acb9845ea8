//! The one short write at the end of a call.

use pgrx::prelude::*;
use pgrx::Uuid;

use super::statement::Statement;
use super::Sent;
use crate::profile::Wanted;

/// What a call found out or brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The user's uid there.
    pub uid: String,
    /// The user is known to be there, or was mapped before: `cometchat_users` gets a row.
    pub mapped: bool,
    /// The token to store; `None` forgets the stored one.
    pub token: Option<String>,
    /// What CometChat has now; `None` when that is not known.
    pub sent: Option<Sent>,
    /// We deactivated the user.
    pub deactivated: bool,
    /// Tokens are still to be flushed.
    pub revoke_pending: bool,
    /// The revision that CometChat has now, if it has.
    pub known_revision: Option<i64>,
}

static SAVE: Statement = Statement::new(
    "WITH mapping AS (
       INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token)
       SELECT $1, $2, $3 WHERE $15
       ON CONFLICT (user_id) DO UPDATE
       SET cometchat_uid = EXCLUDED.cometchat_uid,
           cometchat_auth_token = EXCLUDED.cometchat_auth_token,
           updated_at = now()
       WHERE (u.cometchat_uid, u.cometchat_auth_token)
             IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
     )
     INSERT INTO cometchat.sync_state AS s
       (user_id, cometchat_uid, app_id, sent_profile, sent_metadata, sent_keys, deactivated,
        revoke_pending, name_argument, name_basis, email_argument, email_basis, known_revision)
     VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, COALESCE($14, 0))
     ON CONFLICT (user_id) DO UPDATE
     SET cometchat_uid = EXCLUDED.cometchat_uid,
         app_id = EXCLUDED.app_id,
         sent_profile = EXCLUDED.sent_profile,
         sent_metadata = EXCLUDED.sent_metadata,
         sent_keys = EXCLUDED.sent_keys,
         deactivated = EXCLUDED.deactivated,
         revoke_pending = EXCLUDED.revoke_pending,
         name_argument = EXCLUDED.name_argument,
         name_basis = EXCLUDED.name_basis,
         email_argument = EXCLUDED.email_argument,
         email_basis = EXCLUDED.email_basis,
         known_revision = COALESCE($14, s.known_revision),
         -- done by hand: whoever has the user in flight need not write it any more
         next_attempt_at = CASE WHEN $14 = s.wanted_revision THEN NULL ELSE s.next_attempt_at END,
         attempts = CASE WHEN $14 IS NULL THEN s.attempts ELSE 0 END,
         failed_at = CASE WHEN $14 IS NULL THEN s.failed_at END,
         claim = NULL, claimed_at = NULL",
    &[
        pg_sys::UUIDOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTARRAYOID,
        pg_sys::BOOLOID,
        pg_sys::BOOLOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::INT8OID,
        pg_sys::BOOLOID,
    ],
);

/// Stores what was learned about `user` in the app `app_id`.
pub fn save(user: Uuid, app_id: &str, learned: &Learned, wanted: &Wanted) {
    let sent = learned.sent.as_ref();
    SAVE.write(&[
        user.into(),
        learned.uid.as_str().into(),
        learned.token.as_deref().into(),
        app_id.into(),
        sent.map(|s| s.profile.as_str()).into(),
        sent.map(|s| s.metadata.as_str()).into(),
        sent.map(|s| s.keys.clone()).into(),
        learned.deactivated.into(),
        learned.revoke_pending.into(),
        wanted.name.value.as_deref().into(),
        wanted.name.basis.as_deref().into(),
        wanted.email.value.as_deref().into(),
        wanted.email.basis.as_deref().into(),
        learned.known_revision.into(),
        learned.mapped.into(),
    ]);
}

static QUEUE: Statement = Statement::new(
    "INSERT INTO cometchat.sync_state AS s
       (user_id, name_argument, name_basis, email_argument, email_basis, explicit,
        revoke_pending, wanted_revision, next_attempt_at, attempts, error_code)
     VALUES ($1, $2, $3, $4, $5, true, $8, 1, now() + $6 * interval '1 ms', 1, $7)
     ON CONFLICT (user_id) DO UPDATE
     SET name_argument = EXCLUDED.name_argument, name_basis = EXCLUDED.name_basis,
         email_argument = EXCLUDED.email_argument, email_basis = EXCLUDED.email_basis,
         explicit = true, revoke_pending = s.revoke_pending OR EXCLUDED.revoke_pending,
         wanted_revision = s.wanted_revision + 1,
         next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at),
         attempts = GREATEST(s.attempts, 1), failed_at = NULL, error_code = EXCLUDED.error_code",
    &[
        pg_sys::UUIDOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::TEXTOID,
        pg_sys::INT8OID,
        pg_sys::TEXTOID,
        pg_sys::BOOLOID,
    ],
);

/// Leaves `user` to the worker, to be tried `delay_ms` milliseconds from now.
pub fn queue(user: Uuid, wanted: &Wanted, delay_ms: i64, code: &str, revoke: bool) {
    QUEUE.write(&[
        user.into(),
        wanted.name.value.as_deref().into(),
        wanted.name.basis.as_deref().into(),
        wanted.email.value.as_deref().into(),
        wanted.email.basis.as_deref().into(),
        delay_ms.into(),
        code.into(),
        revoke.into(),
    ]);
}

static FORGET_TOKEN: Statement = Statement::new(
    "WITH state AS (
       UPDATE cometchat.sync_state AS s SET revoke_pending = true WHERE s.user_id = $1
     )
     UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
     WHERE u.user_id = $1 AND u.cometchat_auth_token IS NOT NULL",
    &[pg_sys::UUIDOID],
);

/// Forgets the user's token, whatever app it is of; it is to be flushed before the next is minted.
pub fn forget_token(user: Uuid) {
    FORGET_TOKEN.write(&[user.into()]);
}

// A mapping to another uid than the user's own was somebody's decision and stays. So does all of
// somebody whom the worker deactivated meanwhile: CometChat knows them, and it must be told that
// they are back.
static FORGET: Statement = Statement::new(
    "WITH ours AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s WHERE s.user_id = $1 AND s.deactivated
     ), own AS (
       DELETE FROM public.cometchat_users AS u
       WHERE u.user_id = $1 AND u.cometchat_uid = $1::text AND NOT EXISTS (SELECT FROM ours)
     ), mapped AS (
       UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
       WHERE u.user_id = $1 AND (u.cometchat_uid <> $1::text OR EXISTS (SELECT FROM ours))
     )
     UPDATE cometchat.sync_state AS s
     SET app_id = NULL, cometchat_uid = NULL, sent_profile = NULL, sent_metadata = NULL,
         sent_keys = NULL, revoke_pending = false
     WHERE s.user_id = $1 AND NOT s.deactivated",
    &[pg_sys::UUIDOID],
);

/// CometChat does not know the user: clears what is stored, so that the next call creates anew.
pub fn forget(user: Uuid) {
    FORGET.write(&[user.into()]);
}
