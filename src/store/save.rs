//! The one short write at the end of a call.

use std::time::Duration;

use cometchat::Effect;
use sync::model::{RemoteState, UserRow};
use sync::policy;
use uuid::Uuid;

use super::statement::Statement;
use crate::config;
use crate::pg::spi::{self, Row};
use crate::shmem::void_tokens::{self, Void};
use sync::profile::DesiredProfile;

/// [`policy::in_flight_for`] in milliseconds.
pub fn in_flight_ms() -> i64 {
    as_ms(policy::in_flight_for(config::request_timeout()))
}

/// [`policy::unsettled_for`] in milliseconds.
pub fn unsettled_ms(effect: Effect) -> Option<i64> {
    policy::unsettled_for(effect, config::request_timeout()).map(as_ms)
}

fn as_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

// The worker does not wait for a session's call, and may have finished since $16, the revision that
// the call started from: banned the user, or sent a later profile. Then nobody knows which request
// CometChat got last. Nothing of the worker's is undone, and the user is due again: an empty hash
// fits no profile, so what is there is read. A token may have been flushed with a deactivation. That
// we deactivated somebody only a call may clear that knew ($17), and so reactivated them. Where somebody
// has the user in flight still, both have sent, and it is looked at once more when that is over ($19).
static SAVE: Statement = Statement::new(
    "WITH mapping AS (
       INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token)
       SELECT $1, $2, CASE WHEN NOT EXISTS (
                SELECT FROM cometchat.sync_state AS s
                WHERE s.user_id = $1 AND s.deactivated AND s.wanted_revision <> $16) THEN $3 END
       WHERE $15
       ON CONFLICT (user_id) DO UPDATE
       SET cometchat_uid = EXCLUDED.cometchat_uid,
           cometchat_auth_token = EXCLUDED.cometchat_auth_token,
           updated_at = now()
       WHERE (u.cometchat_uid, u.cometchat_auth_token)
             IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
     )
     INSERT INTO cometchat.sync_state AS s
       (user_id, cometchat_uid, app_id, sent_profile, sent_metadata, sent_fields, deactivated,
        revoke_pending, name_argument, name_argument_base, email_argument, email_argument_base, synced_revision,
        unsettled_until, next_attempt_at)
     VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, COALESCE($14, 0),
             now() + $18 * interval '1 ms', now() + $20 * interval '1 ms')
     ON CONFLICT (user_id) DO UPDATE
     SET cometchat_uid = EXCLUDED.cometchat_uid,
         app_id = EXCLUDED.app_id,
         sent_profile = CASE WHEN s.deactivated AND NOT $17 THEN NULL
                             WHEN s.wanted_revision = $16 THEN EXCLUDED.sent_profile
                             ELSE left(EXCLUDED.sent_profile, 0) END,
         sent_metadata = CASE WHEN s.deactivated AND NOT $17 THEN NULL
                              WHEN s.wanted_revision = $16 THEN EXCLUDED.sent_metadata
                              ELSE left(EXCLUDED.sent_metadata, 0) END,
         sent_fields = CASE WHEN s.wanted_revision = $16 THEN EXCLUDED.sent_fields
                          ELSE s.sent_fields || EXCLUDED.sent_fields END,
         deactivated = EXCLUDED.deactivated
           OR (s.deactivated AND NOT ($17 AND s.wanted_revision = $16)
               AND (s.app_id, s.cometchat_uid) IS NOT DISTINCT FROM ($4, $2)),
         revoke_pending = EXCLUDED.revoke_pending,
         name_argument = EXCLUDED.name_argument,
         name_argument_base = EXCLUDED.name_argument_base,
         email_argument = EXCLUDED.email_argument,
         email_argument_base = EXCLUDED.email_argument_base,
         wanted_revision = s.wanted_revision + (s.wanted_revision <> $16)::int,
         synced_revision = CASE WHEN s.wanted_revision = $16 AND $14 IS NOT NULL THEN $14
                               ELSE s.synced_revision END,
         next_attempt_at = CASE WHEN s.wanted_revision <> $16 THEN LEAST(s.next_attempt_at, now())
                                -- done by hand: whoever has the user in flight need not write it
                                WHEN $14 IS NULL
                                THEN LEAST(s.next_attempt_at, now() + $20 * interval '1 ms')
                                ELSE LEAST(CASE WHEN isfinite(s.unsettled_until)
                                                THEN s.unsettled_until END,
                                           CASE WHEN s.claim IS NOT NULL
                                                THEN now() + $19 * interval '1 ms' END,
                                           now() + $20 * interval '1 ms') END,
         unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until)
                                         THEN s.unsettled_until END,
                                    CASE WHEN s.claim IS NOT NULL
                                         THEN now() + $19 * interval '1 ms' END,
                                    now() + $18 * interval '1 ms'),
         attempts = CASE WHEN s.wanted_revision = $16 AND $14 IS NOT NULL THEN 0
                         ELSE s.attempts END,
         failed_at = CASE WHEN s.wanted_revision = $16 AND $14 IS NULL THEN s.failed_at END,
         claim = NULL, claimed_at = NULL
     RETURNING s.wanted_revision <> $16",
);

/// Stores what was learned about `user` in the app `app_id` by a call that started from `row`.
/// `true`: something else happened to the user meanwhile, and the worker is to look again.
pub fn save(
    user: Uuid,
    app_id: &str,
    row: &UserRow,
    learned: &RemoteState,
    wanted: &DesiredProfile,
) -> bool {
    let (sent, doubt) = (learned.sent.as_ref(), unsettled_ms(learned.effect));
    let sent_fields = match sent {
        Some(sent) => spi::array(sent.keys.iter().map(String::as_str)),
        None => spi::null_array::<&str>(),
    };
    let args = [
        user.into(),
        learned.uid.as_str().into(),
        learned.token.as_deref().into(),
        learned.is_something().then_some(app_id).into(),
        sent.map(|s| s.profile.as_str()).into(),
        sent.map(|s| s.metadata.as_str()).into(),
        sent_fields,
        learned.deactivated.into(),
        learned.revoke_pending.into(),
        wanted.name.value.as_deref().into(),
        wanted.name.basis.as_deref().into(),
        wanted.email.value.as_deref().into(),
        wanted.email.basis.as_deref().into(),
        learned.synced_revision.into(),
        learned.mapped.into(),
        row.wanted_revision().unwrap_or(0).into(),
        row.remote_in(app_id).deactivated.into(),
        doubt.into(),
        in_flight_ms().into(),
        doubt.map(|ms| ms.max(as_ms(policy::UNSETTLED_DELAY))).into(),
    ];
    SAVE.first(&args, |row| row.flag(1)).unwrap_or(false)
}

static KEEP_DEACTIVATED: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s SET deactivated = true
     FROM unnest($2, $3, $4) AS d(user_id, app_id, cometchat_uid)
     WHERE s.user_id = d.user_id AND s.app_id = d.app_id AND s.cometchat_uid = d.cometchat_uid
       AND NOT s.deactivated AND s.claim IS DISTINCT FROM $1",
);

/// Remembers whom we deactivated (user, app, uid there) where a session's call took the claim away
/// meanwhile: the rest of the outcome is void then, but nothing else would tell that it was us.
pub fn keep_deactivated(whom: Vec<(Uuid, String, String)>, claim: i64) {
    if whom.is_empty() {
        return;
    }
    let (mut users, mut apps, mut uids) = (Vec::new(), Vec::new(), Vec::new());
    for (user, app, uid) in whom {
        users.push(user);
        apps.push(app);
        uids.push(uid);
    }
    KEEP_DEACTIVATED.write(&[claim.into(), spi::array(users), spi::array(apps), spi::array(uids)]);
}

// Also where there is no row that can be seen: an insertion waits for another of the same user.
static WAIT_FOR: Statement = Statement::new(
    "INSERT INTO cometchat.sync_state AS s (user_id) VALUES ($1)
     ON CONFLICT (user_id) DO UPDATE SET user_id = s.user_id WHERE false",
);

/// Waits until no other transaction is writing the user's state. For a subtransaction that is rolled
/// back.
pub fn wait_for(user: Uuid) {
    WAIT_FOR.write(&[user.into()]);
}

static QUEUE: Statement = Statement::new(
    "INSERT INTO cometchat.sync_state AS s
       (user_id, name_argument, name_argument_base, email_argument, email_argument_base, requested,
        revoke_pending, wanted_revision, next_attempt_at, attempts, error_code)
     VALUES ($1, $2, $3, $4, $5, true, $8, 1, now() + $6 * interval '1 ms', 1, $7)
     ON CONFLICT (user_id) DO UPDATE
     SET name_argument = EXCLUDED.name_argument, name_argument_base = EXCLUDED.name_argument_base,
         email_argument = EXCLUDED.email_argument, email_argument_base = EXCLUDED.email_argument_base,
         requested = true, revoke_pending = s.revoke_pending OR EXCLUDED.revoke_pending,
         wanted_revision = s.wanted_revision + 1,
         next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at),
         attempts = GREATEST(s.attempts, 1), failed_at = NULL, error_code = EXCLUDED.error_code",
);

/// Leaves `user` to the worker, to be tried `delay_ms` milliseconds from now.
pub fn queue(user: Uuid, wanted: &DesiredProfile, delay_ms: i64, code: &str, revoke: bool) {
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

static DOUBT: Statement = Statement::new(
    "INSERT INTO cometchat.sync_state AS s
       (user_id, wanted_revision, next_attempt_at, unsettled_until)
     SELECT d.user_id, 1, now(), now() + $2 * interval '1 ms' FROM unnest($1) AS d(user_id)
     ON CONFLICT (user_id) DO UPDATE
     SET next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at), failed_at = NULL,
         unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END,
                                    EXCLUDED.unsettled_until),
         wanted_revision = s.wanted_revision + 1",
);

/// What is stored about these users is in doubt: CometChat is to be asked.
pub fn doubt(users: &[Uuid]) {
    DOUBT.write(&[spi::array(users.iter().copied()), in_flight_ms().into()]);
}

static FORGET_TOKEN: Statement = Statement::new(
    "WITH state AS (
       UPDATE cometchat.sync_state AS s SET revoke_pending = true WHERE s.user_id = $1
     )
     UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
     WHERE u.user_id = $1 AND u.cometchat_auth_token IS NOT NULL",
);

/// Forgets the user's token, whatever app it is of; it is to be flushed before the next is minted.
pub fn forget_token(user: Uuid) {
    FORGET_TOKEN.write(&[user.into()]);
}

// A mapping to another uid than the user's own was somebody's decision and stays. So does all of
// somebody whom the worker deactivated, or created, meanwhile: CometChat knows them, and it must be
// told that they are back.
static FORGET: Statement = Statement::new(
    "WITH ours AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.user_id = $1 AND (s.deactivated OR s.sent_profile IS DISTINCT FROM $2)
     ), own AS (
       DELETE FROM public.cometchat_users AS u
       WHERE u.user_id = $1 AND u.cometchat_uid = $1::text AND NOT EXISTS (SELECT FROM ours)
     ), mapped AS (
       UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
       WHERE u.user_id = $1 AND (u.cometchat_uid <> $1::text OR EXISTS (SELECT FROM ours))
     )
     UPDATE cometchat.sync_state AS s
     SET app_id = NULL, cometchat_uid = NULL, sent_profile = NULL, sent_metadata = NULL,
         sent_fields = NULL, revoke_pending = false,
         unsettled_until = GREATEST(NULLIF(s.unsettled_until, 'infinity'), now(),
                                    CASE WHEN s.claim IS NOT NULL
                                         THEN now() + $3 * interval '1 ms' END)
     WHERE s.user_id = $1 AND NOT EXISTS (SELECT FROM ours)",
);

static LOOK_AGAIN: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET unsettled_until = GREATEST(NULLIF(s.unsettled_until, 'infinity'), now()),
         next_attempt_at = now()
     WHERE s.user_id = $1 AND s.sent_profile IS DISTINCT FROM $2",
);

/// CometChat does not know the user, said a call that started from `row`: clears what is stored, so
/// that the next call creates anew. `true`: the worker has done something meanwhile, and is to look.
pub fn forget(user: Uuid, row: &UserRow) -> bool {
    let sent = row.known.as_ref().and_then(|known| known.sent.as_ref());
    let sent = || sent.map(|sent| sent.profile.as_str());
    let look_again = LOOK_AGAIN.write(&[user.into(), sent().into()]) > 0;
    FORGET.write(&[user.into(), sent().into(), in_flight_ms().into()]);
    look_again
}

static PUT_OFF: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, unsettled_until = NULLIF(s.unsettled_until, 'infinity'),
         next_attempt_at = now() + d.wait_ms * interval '1 ms'
     FROM unnest($2, $3) AS d(user_id, wait_ms)
     WHERE s.user_id = d.user_id AND s.claim = $1",
);

/// Gives claimed users back, each to be tried so many milliseconds from now.
pub fn put_off(users: &[(Uuid, i64)], claim: i64) {
    PUT_OFF.write(&[
        claim.into(),
        spi::array(users.iter().map(|(user, _)| *user)),
        spi::array(users.iter().map(|(_, wait)| *wait)),
    ]);
}

static STORED_TOKENS: Statement = Statement::new(
    "SELECT u.user_id, u.cometchat_auth_token FROM public.cometchat_users AS u
     WHERE u.user_id = ANY ($1) AND u.cometchat_auth_token IS NOT NULL
     FOR UPDATE SKIP LOCKED",
);

static FORGET_TOKENS: Statement = Statement::new(
    "UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
     WHERE u.user_id = ANY ($1)",
);

static ARE_LOCKED: Statement = Statement::new(
    "SELECT u.user_id, u.cometchat_auth_token FROM public.cometchat_users AS u
     WHERE u.user_id = ANY ($1) AND u.cometchat_auth_token IS NOT NULL",
);

/// Forgets tokens that a rollback brought back. Returns those that are stored no more; whose row is
/// locked now is left for later.
pub fn forget_void_tokens(void: &[Void]) -> Vec<Void> {
    let users = || spi::array(void.iter().map(|void| void.user));
    let read = |row: &Row| row.get::<Uuid>(1).zip(row.get::<String>(2));
    let is_void = |(user, token): &(Uuid, String)| {
        void.contains(&Void { user: *user, token: void_tokens::hash(token) })
    };
    let dead: Vec<Uuid> = STORED_TOKENS
        .all(&[users()], read)
        .into_iter()
        .flatten()
        .filter(is_void)
        .map(|(user, _)| user)
        .collect();
    if !dead.is_empty() {
        FORGET_TOKENS.write(&[spi::array(dead)]);
    }
    let left: Vec<(Uuid, String)> =
        ARE_LOCKED.all(&[users()], read).into_iter().flatten().filter(is_void).collect();
    void.iter().filter(|void| !left.iter().any(|(user, _)| *user == void.user)).copied().collect()
}
