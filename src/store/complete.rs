//! Writes what became of claimed users, all of them in one statement.

use std::collections::HashSet;
use std::time::Duration;

use cometchat::Effect;
use uuid::Uuid;

use crate::config;
use crate::pg::spi::{self, Arg, Value};
use crate::store;
use crate::store::auth_users::{self, AuthUsers};
use crate::store::statement::Statement;
use sync::job::{JobResult, Outcome};
use sync::model::{Certainty, UserStatus};
use sync::policy::{self, RetryDecision};

// The mapping is written only for users who are still there (`maps`): the foreign key would refuse
// others, and with them the whole batch.
//
// What failed was about the revision that was sent. Who has `changed` since is not failed and has
// all attempts left: at once, or, where everybody or CometChat itself is the reason, after the delay.
// The same goes for whom somebody has mapped to another uid meanwhile: that mapping wins, and what
// was learned is about somebody else. (CometChat's uids are in lower case, whatever was asked for.)
macro_rules! finish {
    ($wait:literal) => {
        concat!(
            "WITH mine AS MATERIALIZED (
               SELECT d.*, s.wanted_revision <> d.revision AS changed
               FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                           $17, $18, $19, $20, $21, $22)
                 AS d(user_id, revision, uid, token, maps, app_id, sent_profile, sent_metadata,
                      sent_fields, deactivated, revoke_pending, agreed, delay_ms, attempts, failed,
                      code, message, name_argument, name_argument_base, removed, doubt_ms)
               JOIN cometchat.sync_state AS s ON s.user_id = d.user_id AND s.claim = $1
               FOR UPDATE OF s ",
            $wait,
            "), mapping AS (
               INSERT INTO public.cometchat_users AS u
                 (user_id, cometchat_uid, cometchat_auth_token)
               SELECT m.user_id, m.uid, m.token FROM mine AS m WHERE m.maps
               ON CONFLICT (user_id) DO UPDATE
               SET (cometchat_uid, cometchat_auth_token, updated_at) = (
                     SELECT EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token, now()
                     WHERE lower(u.cometchat_uid) = lower(EXCLUDED.cometchat_uid)
                     UNION ALL
                     SELECT u.cometchat_uid, u.cometchat_auth_token, u.updated_at
                     WHERE lower(u.cometchat_uid) <> lower(EXCLUDED.cometchat_uid))
               WHERE (u.cometchat_uid, u.cometchat_auth_token)
                     IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
               RETURNING u.user_id, u.cometchat_uid
             ), outcome AS MATERIALIZED (
               SELECT m.*, m.changed OR u.user_id IS NOT NULL AS overtaken
               FROM mine AS m LEFT JOIN mapping AS u
                 ON u.user_id = m.user_id AND u.cometchat_uid <> m.uid
             ), removed AS (
               DELETE FROM cometchat.sync_state AS s USING mine AS m
               WHERE s.user_id = m.user_id AND m.removed AND NOT m.changed
             )
             UPDATE cometchat.sync_state AS s
             SET cometchat_uid = m.uid, app_id = m.app_id, sent_profile = m.sent_profile,
                 sent_metadata = m.sent_metadata,
                 sent_fields = string_to_array(NULLIF(m.sent_fields, ''), ','),
                 deactivated = m.deactivated, revoke_pending = m.revoke_pending,
                 name_argument = CASE WHEN m.changed THEN s.name_argument ELSE m.name_argument END,
                 name_argument_base = CASE WHEN m.changed THEN s.name_argument_base ELSE m.name_argument_base END,
                 synced_revision = CASE WHEN m.agreed THEN m.revision ELSE s.synced_revision END,
                 attempts = CASE WHEN m.overtaken THEN s.attempts ELSE m.attempts END,
                 next_attempt_at = CASE
                   WHEN m.overtaken AND (m.agreed OR COALESCE(m.delay_ms, 0) <= 0) THEN now()
                   -- agreed for now: what is under way still is looked at when it is over
                   ELSE LEAST(now() + m.delay_ms * interval '1 ms',
                              CASE WHEN m.agreed AND m.doubt_ms = -2 THEN s.unsettled_until END)
                   END,
                 -- as it was before the claim, or from now on
                 unsettled_until = CASE
                   WHEN m.doubt_ms < 0 THEN s.unsettled_until
                   WHEN m.doubt_ms >= 0
                   THEN GREATEST(NULLIF(s.unsettled_until, 'infinity'),
                                 now() + m.doubt_ms * interval '1 ms') END,
                 failed_at = CASE WHEN m.failed AND NOT m.overtaken THEN now() END,
                 -- it may quote what has been wiped or mended since
                 -- nothing is said of whom was not tried
                 error_code = CASE WHEN m.agreed OR m.code IS NOT NULL THEN m.code
                                   ELSE s.error_code END,
                 error_message = CASE WHEN m.overtaken THEN NULL
                                      WHEN m.agreed OR m.code IS NOT NULL THEN m.message
                                      ELSE s.error_message END,
                 claim = NULL, claimed_at = NULL
             FROM outcome AS m
             WHERE s.user_id = m.user_id AND NOT (m.removed AND NOT m.changed)"
        )
    };
}

static FINISH: Statement = Statement::new(finish!(""));
static FINISH_THE_UNLOCKED: Statement = Statement::new(finish!("SKIP LOCKED"));

static STILL_CLAIMED: Statement = Statement::new(
    "SELECT s.user_id FROM cometchat.sync_state AS s WHERE s.user_id = ANY ($2) AND s.claim = $1",
);

static PUT_OFF: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, next_attempt_at = now() + interval '10 s',
         unsettled_until = now() + interval '10 s'
     WHERE s.claim = $1",
);

/// Writes what became of claimed users, where the claim is still ours; waits for locks on our
/// state. Whom it cannot map now, since their row of `auth.users` is locked, is tried again later.
pub fn all(done: &[JobResult], claim: i64, random: impl Fn() -> f64) {
    if write_outcomes(&FINISH, done, claim, random) < done.len() {
        PUT_OFF.write(&[claim.into()]);
    }
}

/// The same without waiting for those whom somebody else has locked, an edit in a long transaction
/// say. Returns these: they are still claimed.
pub fn all_but_the_locked(done: &[JobResult], claim: i64, random: impl Fn() -> f64) -> Vec<Uuid> {
    if write_outcomes(&FINISH_THE_UNLOCKED, done, claim, random) == done.len() {
        return Vec::new();
    }
    let users: Vec<Uuid> = done.iter().map(|d| d.job.user).collect();
    let args = [claim.into(), spi::array(users)];
    STILL_CLAIMED.all(&args, |row| row.get(1)).into_iter().flatten().collect()
}

/// Whose row of `auth.users` is locked, because the user is being deleted say, is left out and stays
/// claimed: without the mapping the token would be lost. Returns how many were written.
fn write_outcomes(
    statement: &'static Statement,
    all: &[JobResult],
    claim: i64,
    random: impl Fn() -> f64,
) -> usize {
    let mapped = || all.iter().filter(|done| done.job.remote.mapped).map(|done| done.job.user);
    // Rows of auth.users are locked before ours, as by whoever deletes a user.
    let (kept, locked) = match auth_users::state() {
        AuthUsers::Table => auth_users::keep(&mapped().collect::<Vec<_>>()),
        AuthUsers::Absent | AuthUsers::NoTable => (mapped().collect(), Vec::new()),
    };
    let (kept, locked): (HashSet<Uuid>, HashSet<Uuid>) =
        (kept.into_iter().collect(), locked.into_iter().collect());
    let done: Vec<&JobResult> =
        all.iter().filter(|done| !locked.contains(&done.job.user)).collect();
    let written = write(statement, &done, claim, &kept, random);
    if written < done.len() {
        let ours = |d: &&&JobResult| d.job.status != UserStatus::Active && d.job.remote.deactivated;
        let whom = |d: &&JobResult| (d.job.user, d.job.app_id.clone(), d.job.remote.uid.clone());
        store::keep_deactivated(done.iter().filter(ours).map(whom).collect(), claim);
    }
    written
}

fn write(
    statement: &'static Statement,
    done: &[&JobResult],
    claim: i64,
    kept: &HashSet<Uuid>,
    random: impl Fn() -> f64,
) -> usize {
    fn column<'a, T: Value>(done: &[&'a JobResult], f: impl Fn(&'a JobResult) -> T) -> Arg {
        spi::array(done.iter().map(|done| f(done)))
    }
    let fates: Vec<NextAttempt> = done.iter().map(|d| NextAttempt::of(d, random())).collect();
    let args = [
        claim.into(),
        column(done, |d| d.job.user),
        column(done, |d| d.job.revision),
        column(done, |d| d.job.remote.uid.as_str()),
        column(done, |d| d.job.remote.token.as_deref()),
        column(done, |d| d.job.remote.mapped && kept.contains(&d.job.user)),
        column(done, |d| is_about_an_account(d).then_some(d.job.app_id.as_str())),
        column(done, |d| d.job.remote.sent.as_ref().map(|s| s.profile.as_str())),
        column(done, |d| d.job.remote.sent.as_ref().map(|s| s.metadata.as_str())),
        column(done, |d| d.job.remote.sent.as_ref().map(|s| s.keys.join(","))),
        column(done, |d| d.job.remote.deactivated),
        column(done, |d| d.job.remote.revoke_pending),
        spi::array(fates.iter().map(|f| f.agreed)),
        spi::array(fates.iter().map(|f| f.delay_ms)),
        spi::array(fates.iter().map(|f| f.attempts)),
        spi::array(fates.iter().map(|f| f.failed)),
        spi::array(fates.iter().map(|f| f.code.as_deref())),
        spi::array(fates.iter().map(|f| f.message.as_deref())),
        column(done, |d| d.job.wanted.name.value.as_deref()),
        column(done, |d| d.job.wanted.name.basis.as_deref()),
        column(done, |d| matches!(d.outcome, Outcome::Removed)),
        column(done, doubt_ms),
    ];
    statement.write(&args)
}

/// Whether there is, or may still be, an account there to remember: a farewell that failed is not over.
fn is_about_an_account(done: &JobResult) -> bool {
    let failed = matches!(done.outcome, Outcome::Failed { .. });
    done.job.remote.is_something() || failed && done.job.was_known
}

/// How long it is in doubt from now on what CometChat has; -1: as before; -2: as before, and whoever
/// agrees is looked at once more when that is over; `None`: no more.
fn doubt_ms(done: &JobResult) -> Option<i64> {
    const AS_BEFORE: Option<i64> = Some(-1);
    let agreed = matches!(done.outcome, Outcome::Synced | Outcome::Removed);
    match done.job.certainty {
        _ if done.job.remote.effect != Effect::None => store::unsettled_ms(done.job.remote.effect),
        Certainty::Settled => None,
        // Nobody has asked CometChat.
        Certainty::Unsettled | Certainty::InFlight(_) if done.job.skip => AS_BEFORE,
        Certainty::InFlight(_) => Some(-2),
        Certainty::NeverAsked | Certainty::Unsettled if agreed => None,
        Certainty::NeverAsked | Certainty::Unsettled => AS_BEFORE,
    }
}

static PARK: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, unsettled_until = now(), error_code = 'DATABASE',
         error_message = $4,
         next_attempt_at = CASE WHEN s.wanted_revision <> $3 THEN now() END,
         failed_at = CASE WHEN s.wanted_revision = $3 THEN now() END
     WHERE s.user_id = $1 AND s.claim = $2",
);

/// Gives up on a user whose outcome could not even be written. Who has changed since `revision` is
/// another matter, and is tried.
pub fn park(user: Uuid, claim: i64, revision: i64, why: &str) {
    PARK.write(&[user.into(), claim.into(), revision.into(), why.into()]);
}

/// What is written about a user's next attempt.
struct NextAttempt {
    agreed: bool,
    delay_ms: Option<i64>,
    attempts: i32,
    failed: bool,
    code: Option<String>,
    message: Option<String>,
}

impl NextAttempt {
    fn of(done: &JobResult, random: f64) -> NextAttempt {
        let job = &done.job;
        let attempts = i32::try_from(job.attempts).unwrap_or(i32::MAX).min(i32::MAX - 1);
        match &done.outcome {
            Outcome::Synced | Outcome::Removed => {
                let back_in = match job.status {
                    UserStatus::Suspended { back_in_ms } => back_in_ms,
                    _ => None,
                };
                let (code, message) = (None, None);
                NextAttempt {
                    agreed: true,
                    delay_ms: back_in,
                    attempts: 0,
                    failed: false,
                    code,
                    message,
                }
            }
            Outcome::Failed { decision, code, message, .. } => {
                let again = |delay_ms, attempts| NextAttempt {
                    agreed: false,
                    delay_ms: Some(delay_ms),
                    attempts,
                    failed: false,
                    code: Some(code.clone()),
                    message: message.clone(),
                };
                let failed = NextAttempt { failed: true, delay_ms: None, ..again(0, attempts + 1) };
                let after = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(1);
                match decision {
                    RetryDecision::Fail => failed,
                    RetryDecision::Retry if attempts + 1 >= config::max_attempts() => failed,
                    RetryDecision::Retry => {
                        again(after(policy::delay(job.attempts + 1, random)), attempts + 1)
                    }
                    RetryDecision::Throttled(wait) if !done.request_sent => NextAttempt {
                        code: None,
                        message: None,
                        ..again(after(policy::throttled_delay(*wait)), attempts)
                    },
                    // Nobody's attempt. Not due at once: it may be another class's limit than the
                    // one that the worker looks at before it claims.
                    RetryDecision::Throttled(wait) => {
                        again(after(policy::throttled_delay(*wait)), attempts)
                    }
                    RetryDecision::Defer(wait) => again(after(*wait), attempts),
                    RetryDecision::PlanFull => again(after(policy::NO_ROOM_DELAY), attempts),
                    // Due at once, when sending goes on.
                    RetryDecision::Outage | RetryDecision::OpenCircuit => again(0, attempts),
                    RetryDecision::Interrupted => {
                        NextAttempt { code: None, message: None, ..again(0, attempts) }
                    }
                }
            }
        }
    }
}
