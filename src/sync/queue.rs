//! The queue's statements: claim what is due, write what became of it. Each is one short
//! transaction; nothing is held while requests are under way.

use std::time::Duration;

use pgrx::prelude::*;
use pgrx::spi::{SpiResult, SpiTupleTable};
use pgrx::Uuid;

use super::job::{Done, Job, Outcome};
use super::retry::{self, Verdict};
use crate::config;
use crate::pg::subxact;
use crate::profile::{self, Given};
use crate::users::statement::Statement;
use crate::users::{self, Presence};

/// What is not urgent waits no longer than this for a lock.
const LOCK_WAIT: Duration = Duration::from_millis(100);

static FREE_STALE_CLAIMS: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s SET claim = NULL, claimed_at = NULL
     WHERE s.claim IS NOT NULL AND s.claim <> $1",
    &[pg_sys::INT8OID],
);

/// A worker that starts knows that whoever holds a claim is gone: they are due again at once.
pub fn free_stale_claims(claim: i64) -> usize {
    FREE_STALE_CLAIMS.write(&[claim.into()])
}

static GIVE_BACK: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s SET claim = NULL, claimed_at = NULL
     WHERE s.user_id = ANY ($1) AND s.claim = $2",
    &[pg_sys::UUIDARRAYOID, pg_sys::INT8OID],
);

/// These users will not be sent now: they are due as before.
pub fn give_back(users: Vec<Uuid>, claim: i64) {
    GIVE_BACK.write(&[users.into(), claim.into()]);
}

static FREE_OLD_CLAIMS: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s SET claim = NULL, claimed_at = NULL
     WHERE s.claim IS NOT NULL AND s.claim <> $1
       AND s.claimed_at < now() - interval '10 minutes'",
    &[pg_sys::INT8OID],
);

/// Claims of sessions that are long gone, or that a dump brought along.
fn free_old_claims(claim: i64) {
    FREE_OLD_CLAIMS.write(&[claim.into()]);
}

static CLAIM: Statement = Statement::new(
    "WITH due AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.next_attempt_at <= now() AND s.claim IS NULL
       ORDER BY s.next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
     )
     UPDATE cometchat.sync_state AS s SET claim = $2, claimed_at = now()
     FROM due WHERE s.user_id = due.user_id RETURNING s.user_id",
    &[pg_sys::INT8OID, pg_sys::INT8OID],
);

/// Claims up to `most` users that are due and reads what to send for them.
pub fn claim(most: usize, claim: i64, app_id: &str) -> Vec<Job> {
    let args = [i64::try_from(most).unwrap_or(i64::MAX).into(), claim.into()];
    let users: Vec<Uuid> =
        CLAIM.returning(&args, |row| row.get::<Uuid>(1)).into_iter().flatten().collect();
    if users.is_empty() {
        return Vec::new();
    }
    let policy = config::sync_policy();
    let rows = users::load_many(users);
    rows.into_iter().map(|(user, row)| job(user, &row, app_id, &policy)).collect()
}

fn job(user: Uuid, row: &users::UserRow, app_id: &str, policy: &config::SyncPolicy) -> Job {
    let known = row.known_in(app_id);
    let there = row.mapping.is_some() || known.is_some_and(|k| k.sent.is_some() || k.deactivated);
    let explicit = row.known.as_ref().is_some_and(|k| k.explicit);
    let not_by_itself =
        (row.anonymous && !policy.anonymous) || (row.unconfirmed && !policy.unconfirmed);
    Job {
        user,
        app_id: app_id.to_owned(),
        revision: row.wanted_revision().unwrap_or(0),
        attempts: row.known.as_ref().map_or(0, |k| k.attempts.unsigned_abs()),
        presence: row.presence,
        skip: row.presence == Presence::Active && not_by_itself && !there && !explicit,
        on_delete: policy.on_delete,
        wanted: profile::wanted(row, Given::default()),
        token_by_hand: row.token_by_hand(),
        learned: row.learned_in(app_id),
    }
}

static NEXT_DUE: Statement = Statement::new(
    "SELECT (SELECT ceil(extract(epoch FROM s.next_attempt_at - clock_timestamp()) * 1000)::bigint
             FROM cometchat.sync_state AS s WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL
             ORDER BY s.next_attempt_at LIMIT 1),
            EXISTS (SELECT FROM cometchat.missed),
            EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.claim IS NOT NULL
                    AND s.claim <> $1 AND s.claimed_at < now() - interval '10 minutes')",
    &[pg_sys::INT8OID],
);

static CATCH_UP: Statement = Statement::new("SELECT cometchat.catch_up()", &[]);

static PARK: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, next_attempt_at = NULL, failed_at = now(), error_code = $3
     WHERE s.user_id = $1 AND s.claim = $2",
    &[pg_sys::UUIDOID, pg_sys::INT8OID, pg_sys::TEXTOID],
);

/// Gives up on a user whose outcome could not even be written.
pub fn park(user: Uuid, claim: i64, code: &str) {
    PARK.write(&[user.into(), claim.into(), code.into()]);
}

/// What is there to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due {
    /// Milliseconds until the next user is due; negative when one is due already.
    pub in_ms: Option<i64>,
    /// The trigger has missed somebody.
    pub missed: bool,
    /// Somebody has been claimed by another for longer than any request takes.
    pub stale: bool,
}

/// Looks without writing: an idle worker takes no transaction id.
pub fn next_due(claim: i64) -> Due {
    let read = |row: &SpiTupleTable<'_>| {
        let flag = |column| -> SpiResult<bool> { Ok(row.get(column)?.unwrap_or(false)) };
        Ok(Due { in_ms: row.get(1)?, missed: flag(2)?, stale: flag(3)? })
    };
    NEXT_DUE.first(&[claim.into()], read).unwrap_or_default()
}

/// Queues whom the trigger has missed, and frees old claims, as far as nobody's lock is in the way.
/// `false`: not all could be done.
pub fn clear_up(due: Due, claim: i64) -> bool {
    let mut done = true;
    if due.missed {
        let caught_up = subxact::run(LOCK_WAIT, || CATCH_UP.first(&[], |row| row.get::<i64>(1)));
        done &= matches!(caught_up, Ok(Some(Some(1..))));
    }
    if due.stale {
        done &= subxact::run(LOCK_WAIT, || free_old_claims(claim)).is_ok();
    }
    done
}

// The mapping is written only for users who are still there: the foreign key would refuse others,
// and with them the whole batch. SKIP LOCKED passes over one whose deletion is under way.
macro_rules! finish {
    ($still_there:literal, $wait:literal) => {
        concat!(
            "WITH mine AS MATERIALIZED (
               SELECT d.* FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                                      $15, $16, $17, $18, $19, $20, $21)
                 AS d(user_id, revision, uid, token, mapped, app_id, sent_profile, sent_metadata,
                      sent_keys, deactivated, revoke_pending, agreed, delay_ms, attempts, parked,
                      code, message, name_argument, name_basis, removed)
               JOIN cometchat.sync_state AS s ON s.user_id = d.user_id AND s.claim = $1
               FOR UPDATE OF s ",
            $wait,
            "
             ), mapping AS (
               INSERT INTO public.cometchat_users AS u
                 (user_id, cometchat_uid, cometchat_auth_token)
               SELECT m.user_id, m.uid, m.token FROM mine AS m WHERE m.mapped",
            $still_there,
            "
               ON CONFLICT (user_id) DO UPDATE
               SET cometchat_uid = EXCLUDED.cometchat_uid,
                   cometchat_auth_token = EXCLUDED.cometchat_auth_token, updated_at = now()
               WHERE (u.cometchat_uid, u.cometchat_auth_token)
                     IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
             ), removed AS (
               DELETE FROM cometchat.sync_state AS s USING mine AS m
               WHERE s.user_id = m.user_id AND m.removed AND s.wanted_revision = m.revision
             )
             UPDATE cometchat.sync_state AS s
             SET cometchat_uid = m.uid, app_id = m.app_id, sent_profile = m.sent_profile,
                 sent_metadata = m.sent_metadata,
                 sent_keys = string_to_array(NULLIF(m.sent_keys, ''), ','),
                 deactivated = m.deactivated, revoke_pending = m.revoke_pending,
                 name_argument = CASE WHEN s.wanted_revision = m.revision
                                      THEN m.name_argument ELSE s.name_argument END,
                 name_basis = CASE WHEN s.wanted_revision = m.revision
                                   THEN m.name_basis ELSE s.name_basis END,
                 known_revision = CASE WHEN m.agreed THEN m.revision ELSE s.known_revision END,
                 attempts = m.attempts,
                 next_attempt_at = CASE
                   WHEN s.wanted_revision <> m.revision AND NOT (m.delay_ms > 0 AND NOT m.agreed)
                     THEN now()
                   ELSE now() + m.delay_ms * interval '1 ms' END,
                 failed_at = CASE WHEN m.parked THEN now() END,
                 error_code = m.code, error_message = m.message,
                 claim = NULL, claimed_at = NULL
             FROM mine AS m
             WHERE s.user_id = m.user_id AND NOT (m.removed AND s.wanted_revision = m.revision)"
        )
    };
}

const FINISH_TYPES: &[pg_sys::Oid] = &[
    pg_sys::INT8OID,
    pg_sys::UUIDARRAYOID,
    pg_sys::INT8ARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BOOLARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BOOLARRAYOID,
    pg_sys::BOOLARRAYOID,
    pg_sys::BOOLARRAYOID,
    pg_sys::INT8ARRAYOID,
    pg_sys::INT4ARRAYOID,
    pg_sys::BOOLARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::BOOLARRAYOID,
];

macro_rules! finish_statements {
    ($wait:literal) => {
        [
            Statement::new(finish!("", $wait), FINISH_TYPES),
            Statement::new(
                finish!(
                    " AND EXISTS (SELECT FROM auth.users AS au WHERE au.id = m.user_id
                                  FOR KEY SHARE SKIP LOCKED)",
                    $wait
                ),
                FINISH_TYPES,
            ),
        ]
    };
}

/// Without and with `auth.users`.
static FINISH: [Statement; 2] = finish_statements!("");
static FINISH_THE_UNLOCKED: [Statement; 2] = finish_statements!("SKIP LOCKED");

static STILL_CLAIMED: Statement = Statement::new(
    "SELECT s.user_id FROM cometchat.sync_state AS s WHERE s.user_id = ANY ($2) AND s.claim = $1",
    &[pg_sys::INT8OID, pg_sys::UUIDARRAYOID],
);

/// Writes what became of claimed users, where the claim is still ours; waits for locks.
pub fn finish(done: &[Done], claim: i64, random: impl Fn() -> f64) {
    write_outcomes(&FINISH, done, claim, random);
}

/// The same without waiting for those whom somebody else has locked, an edit in a long transaction
/// say. Returns these: they are still claimed.
pub fn finish_the_unlocked(done: &[Done], claim: i64, random: impl Fn() -> f64) -> Vec<Uuid> {
    if write_outcomes(&FINISH_THE_UNLOCKED, done, claim, random) == done.len() {
        return Vec::new();
    }
    let users: Vec<Uuid> = done.iter().map(|d| d.job.user).collect();
    let args = [claim.into(), users.into()];
    STILL_CLAIMED.all(&args, |row| row.get::<Uuid>(1)).into_iter().flatten().collect()
}

fn write_outcomes(
    statements: &'static [Statement; 2],
    done: &[Done],
    claim: i64,
    random: impl Fn() -> f64,
) -> usize {
    fn column<T>(done: &[Done], f: impl Fn(&Done) -> T) -> Vec<T> {
        done.iter().map(f).collect()
    }
    let fates: Vec<Fate> = done.iter().map(|d| Fate::of(d, random())).collect();
    let sent = |d: &Done, f: fn(&users::Sent) -> String| d.job.learned.sent.as_ref().map(f);
    let args = [
        claim.into(),
        column(done, |d| d.job.user).into(),
        column(done, |d| d.job.revision).into(),
        column(done, |d| d.job.learned.uid.clone()).into(),
        column(done, |d| d.job.learned.token.clone()).into(),
        column(done, |d| d.job.learned.mapped).into(),
        column(done, |d| d.job.app_id.clone()).into(),
        column(done, |d| sent(d, |s| s.profile.clone())).into(),
        column(done, |d| sent(d, |s| s.metadata.clone())).into(),
        column(done, |d| sent(d, |s| s.keys.join(","))).into(),
        column(done, |d| d.job.learned.deactivated).into(),
        column(done, |d| d.job.learned.revoke_pending).into(),
        fates.iter().map(|f| f.agreed).collect::<Vec<_>>().into(),
        fates.iter().map(|f| f.delay_ms).collect::<Vec<_>>().into(),
        fates.iter().map(|f| f.attempts).collect::<Vec<_>>().into(),
        fates.iter().map(|f| f.parked).collect::<Vec<_>>().into(),
        fates.iter().map(|f| f.code.clone()).collect::<Vec<_>>().into(),
        fates.iter().map(|f| f.message.clone()).collect::<Vec<_>>().into(),
        column(done, |d| d.job.wanted.name.value.clone()).into(),
        column(done, |d| d.job.wanted.name.basis.clone()).into(),
        column(done, |d| matches!(d.outcome, Outcome::Removed)).into(),
    ];
    let written = statements[usize::from(users::auth_users_is_there())].write(&args);
    if written < done.len() {
        let ours = |d: &&Done| d.job.presence != Presence::Active && d.job.learned.deactivated;
        let whom = |d: &Done| (d.job.user, d.job.app_id.clone(), d.job.learned.uid.clone());
        users::keep_deactivated(done.iter().filter(ours).map(whom).collect(), claim);
    }
    written
}

/// What is written about a user's next attempt.
struct Fate {
    agreed: bool,
    delay_ms: Option<i64>,
    attempts: i32,
    parked: bool,
    code: Option<String>,
    message: Option<String>,
}

impl Fate {
    fn of(done: &Done, random: f64) -> Fate {
        let job = &done.job;
        let attempts = i32::try_from(job.attempts).unwrap_or(i32::MAX);
        match &done.outcome {
            Outcome::Agreed | Outcome::Removed => {
                let back_in = match job.presence {
                    Presence::ShutOut { back_in_ms } => back_in_ms,
                    _ => None,
                };
                let (code, message) = (None, None);
                Fate { agreed: true, delay_ms: back_in, attempts: 0, parked: false, code, message }
            }
            Outcome::Failed { verdict, code, message, .. } => {
                let again = |delay_ms, attempts| Fate {
                    agreed: false,
                    delay_ms: Some(delay_ms),
                    attempts,
                    parked: false,
                    code: Some(code.clone()),
                    message: message.clone(),
                };
                let parked = Fate { parked: true, delay_ms: None, ..again(0, attempts + 1) };
                let after = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(1);
                match verdict {
                    Verdict::Park => parked,
                    Verdict::Retry if attempts + 1 >= config::max_attempts() => parked,
                    Verdict::Retry => {
                        again(after(retry::delay(job.attempts + 1, random)), attempts + 1)
                    }
                    // Nobody's attempt. Not due at once: it may be another class's limit than the
                    // one that the worker looks at before it claims.
                    Verdict::Throttled(wait) => {
                        again(after(retry::throttled_delay(*wait)), attempts)
                    }
                    // Due at once, when sending goes on.
                    Verdict::Outage | Verdict::Pause | Verdict::Stopped => again(0, attempts),
                }
            }
        }
    }
}
