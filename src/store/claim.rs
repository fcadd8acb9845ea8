//! The queue's statements: look at it, claim what is due, give it back. Each is one short
//! transaction; nothing is held while requests are under way. (What became of it: `finish`.)

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use crate::config;
use crate::pg::rights::Rights;
use crate::pg::spi::{self, Row, Timestamp};
use crate::pg::{lock, subxact, transaction};
use crate::store::statement::Statement;
use crate::{shmem, store};
use sync::job::Job;
use sync::model::{SyncState, UserRow, UserStatus};
use sync::profile::{self, CallArguments};
use sync::user_rate_limit::Budget;

/// What is not urgent waits no longer than this for a lock.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Claimed by an earlier worker, or by a session (see [`store::session_claim`]) that is gone.
macro_rules! stale {
    () => {
        "s.claim IS NOT NULL AND s.claim <> $1
         AND NOT (s.claim < 0 AND EXISTS (
           SELECT FROM unnest($2, $3) AS a(pid, backend_start)
           WHERE a.pid = ((~s.claim) >> 32)::integer AND a.backend_start <= s.claimed_at))"
    };
}

static FREE_STALE_CLAIMS: Statement = Statement::new(concat!(
    "WITH stale AS MATERIALIZED (
           SELECT s.user_id FROM cometchat.sync_state AS s WHERE ",
    stale!(),
    " FOR UPDATE SKIP LOCKED
         )
         UPDATE cometchat.sync_state AS s
         SET claim = NULL, claimed_at = NULL, unsettled_until = now() + $4 * interval '1 ms'
         FROM stale WHERE s.user_id = stale.user_id"
));

static STALE_CLAIMS_ARE_LEFT: Statement = Statement::new(concat!(
    "SELECT true FROM cometchat.sync_state AS s WHERE ",
    stale!(),
    " LIMIT 1"
));

/// A worker that starts frees what an earlier one left behind: it is due again at once.
/// `false`: not all could be freed, since somebody has them locked.
pub fn free_stale_claims(claim: i64) -> bool {
    let (processes, starts): (Vec<_>, Vec<_>) = SESSIONS
        .all(&[], |row| row.get::<i32>(1).zip(row.get::<Timestamp>(2)))
        .into_iter()
        .flatten()
        .unzip();
    let args = || {
        [claim.into(), spi::array(processes.iter().copied()), spi::array(starts.iter().copied())]
    };
    let none = || STALE_CLAIMS_ARE_LEFT.first(&args(), |_| ()).is_none();
    // Looked at first: a statement that may write takes a transaction id.
    none() || {
        let [claim, processes, starts] = args();
        FREE_STALE_CLAIMS.write(&[claim, processes, starts, store::in_flight_ms().into()]);
        none()
    }
}

// Only the server itself sees when other roles' sessions began.
static SESSIONS: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_get_activity(NULL) AS a
     WHERE a.backend_start IS NOT NULL",
);

static GIVE_BACK: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, unsettled_until = NULLIF(s.unsettled_until, 'infinity')
     WHERE s.user_id = ANY ($1) AND s.claim = $2",
);

/// These users will not be sent now: they are due as before.
pub fn release_claims(users: Vec<Uuid>, claim: i64) {
    GIVE_BACK.write(&[spi::array(users), claim.into()]);
}

static FREE_OLD_CLAIMS: Statement = Statement::new(
    "WITH old AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.claim IS NOT NULL AND s.claim <> $1
         AND s.claimed_at < now() - interval '10 minutes'
       FOR UPDATE SKIP LOCKED
     )
     UPDATE cometchat.sync_state AS s
     SET claim = NULL, claimed_at = NULL, unsettled_until = now()
     FROM old WHERE s.user_id = old.user_id",
);

/// Claims that a session left behind or a dump brought along, but for those that are locked.
fn free_old_claims(claim: i64) {
    FREE_OLD_CLAIMS.write(&[claim.into()]);
}

// From now on what is stored about the users is in doubt, until an outcome is: whatever comes between,
// the next who claims them knows that requests may have been sent.
static CLAIM: Statement = Statement::new(
    "WITH due AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.next_attempt_at <= now() AND s.claim IS NULL
       ORDER BY s.next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
     )
     UPDATE cometchat.sync_state AS s
     SET claim = $2, claimed_at = now(), unsettled_until = COALESCE(s.unsettled_until, 'infinity')
     FROM due WHERE s.user_id = due.user_id RETURNING s.user_id",
);

/// Claims up to `most` users that are due and reads what to send for them.
pub fn claim(most: usize, claim: i64, app_id: &str) -> Vec<Job> {
    let args = [i64::try_from(most).unwrap_or(i64::MAX).into(), claim.into()];
    let users: Vec<Uuid> = CLAIM.all(&args, |row| row.get(1)).into_iter().flatten().collect();
    if users.is_empty() {
        return Vec::new();
    }
    let policy = config::sync_policy();
    let mut rows = store::load_many(&users);
    wipe_the_gone(&mut rows, claim);
    let jobs: Vec<Job> =
        rows.into_iter().map(|(user, row)| job(user, &row, app_id, &policy)).collect();
    let (jobs, too_soon) = within_budgets(jobs);
    if !too_soon.is_empty() {
        store::put_off(&too_soon, claim);
    }
    let about_to: Vec<&Job> = jobs.iter().filter(|j| j.deactivates()).collect();
    if !about_to.is_empty() {
        let users = spi::array(about_to.iter().map(|j| j.user));
        let uids = spi::array(about_to.iter().map(|j| j.remote.uid.as_str()));
        INTEND_TO_DEACTIVATE.write(&[users, uids, claim.into(), app_id.into()]);
    }
    // A crash must not lose a mark that nothing else stands for.
    if !about_to.is_empty() || jobs.iter().any(Job::activates) {
        transaction::commit_durably();
    }
    jobs
}

static WIPE: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET overrides = NULL, name_argument = NULL, name_argument_base = NULL,
         email_argument = NULL, email_argument_base = NULL, error_message = NULL
     WHERE s.user_id = ANY ($1) AND s.claim = $2
       AND num_nonnulls(s.overrides, s.name_argument, s.name_argument_base, s.email_argument,
                        s.email_argument_base, s.error_message) > 0",
);

/// Names and addresses do not outlive the user, whatever deleted them and whatever comes of telling
/// CometChat. (The trigger wipes them earlier, where it is there.)
fn wipe_the_gone(rows: &mut HashMap<Uuid, UserRow>, claim: i64) {
    let mut gone = Vec::new();
    for (user, row) in rows.iter_mut().filter(|(_, row)| row.status == UserStatus::Deleted) {
        gone.push(*user);
        row.known.iter_mut().for_each(SyncState::wipe);
    }
    if !gone.is_empty() {
        WIPE.write(&[spi::array(gone), claim.into()]);
    }
}

/// Whoever is at a user's tokens is done in so many milliseconds, as a rule.
const TOKENS_BUSY_MS: i64 = 500;

/// Splits off whom `user_rate_limit` leaves no requests now, and how many milliseconds to wait for
/// them: one user's edits must not use up what CometChat allows everybody. So it does with those whose
/// tokens are to be flushed while a call, which may be minting one, is under way.
fn within_budgets(jobs: Vec<Job>) -> (Vec<Job>, Vec<(Uuid, i64)>) {
    let limit = config::user_rate_limit();
    let mut too_soon = Vec::new();
    let mut may_go = Vec::with_capacity(jobs.len());
    for job in jobs {
        let take = |budget, requests| {
            shmem::user_budgets(|b| b.take_many(job.user, budget, requests, limit))
        };
        // A revocation that may go takes the edit along.
        let taken = match job.requests_of_the_user() {
            (0, 0) => Ok(()),
            (edit, 0) => take(Budget::Other, edit),
            _ if !lock::is_free(job.user) => {
                too_soon.push((job.user, TOKENS_BUSY_MS));
                continue;
            }
            (_, flush) => take(Budget::Revocation, flush),
        };
        match taken {
            Ok(()) => may_go.push(job),
            Err(wait_ms) => too_soon.push((job.user, i64::try_from(wait_ms).unwrap_or(60_000))),
        }
    }
    (may_go, too_soon)
}

// CometChat does not say who has deactivated somebody. Whoever sends next, after a crash between
// the request and its outcome, is to know that it may have been us. The outcome overwrites it.
static INTEND_TO_DEACTIVATE: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s
     SET deactivated = true, app_id = $4, cometchat_uid = d.uid
     FROM unnest($1, $2) AS d(user_id, uid)
     WHERE s.user_id = d.user_id AND s.claim = $3 AND COALESCE(s.app_id, $4) = $4",
);

fn job(user: Uuid, row: &UserRow, app_id: &str, policy: &config::SyncPolicy) -> Job {
    let known = row.known_in(app_id);
    let there = row.mapping.is_some() || known.is_some_and(|k| k.sent.is_some() || k.deactivated);
    let requested = row.known.as_ref().is_some_and(|k| k.requested);
    let not_by_itself =
        (row.anonymous && !policy.anonymous) || (row.unconfirmed && !policy.unconfirmed);
    Job {
        user,
        app_id: app_id.to_owned(),
        revision: row.wanted_revision().unwrap_or(0),
        attempts: row.known.as_ref().map_or(0, |k| k.attempts.unsigned_abs()),
        status: row.status,
        skip: row.status == UserStatus::Active && not_by_itself && !there && !requested,
        on_delete: policy.on_delete,
        wanted: profile::wanted(row, CallArguments::default()),
        imported_token: row.imported_token(),
        remote: row.remote_in(app_id),
        was_known: known.is_some(),
        certainty: row.certainty_in(app_id),
    }
}

static NEW_USERS_ARE_DUE: Statement = Statement::new(
    "WITH waiting AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.next_attempt_at > now() AND s.claim IS NULL
         AND (s.error_code = 'PLAN_LIMIT' OR starts_with(s.error_code, 'ERR_PLAN_'))
       FOR UPDATE SKIP LOCKED
     )
     UPDATE cometchat.sync_state AS s SET next_attempt_at = now()
     FROM waiting WHERE s.user_id = waiting.user_id",
);

static DUE_NOW: Statement = Statement::new(
    "WITH waiting AS MATERIALIZED (
       SELECT s.user_id FROM cometchat.sync_state AS s
       WHERE s.user_id = ANY ($1) AND s.next_attempt_at > now() AND s.claim IS NULL
       FOR UPDATE SKIP LOCKED
     )
     UPDATE cometchat.sync_state AS s SET next_attempt_at = now()
     FROM waiting WHERE s.user_id = waiting.user_id",
);

/// These users, who were put off, are due.
pub fn due_now(users: Vec<Uuid>) {
    DUE_NOW.write(&[spi::array(users)]);
}

/// Those who wait because the plan had no room for them are due.
pub fn new_users_are_due() {
    NEW_USERS_ARE_DUE.write(&[]);
}

static RETRY_THROTTLED: Statement = Statement::new(
    "UPDATE cometchat.sync_state AS s SET next_attempt_at = now()
     WHERE s.next_attempt_at > now() AND s.claim IS NULL
       AND s.wanted_revision <> s.synced_revision
       AND COALESCE(s.error_code, 'RATE_LIMITED') IN ('RATE_LIMITED', 'ERR_TOO_MANY_REQUESTS')",
);

/// Whom a 429 put off is due.
pub fn retry_throttled() {
    RETRY_THROTTLED.write(&[]);
}

static NEXT_DUE: Statement = Statement::new(
    "SELECT (SELECT CASE WHEN s.next_attempt_at <= now() THEN 0
                         WHEN s.next_attempt_at < now() + interval '1 hour'
                         THEN ceil(extract(epoch FROM s.next_attempt_at - clock_timestamp()) * 1000)
                         ELSE 3600000 END::bigint
             FROM cometchat.sync_state AS s WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL
             ORDER BY s.next_attempt_at LIMIT 1),
            EXISTS (SELECT FROM cometchat.trigger_misses),
            EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.claim IS NOT NULL
                    AND s.claim <> $1 AND s.claimed_at < now() - interval '10 minutes')",
);

static CATCH_UP: Statement = Statement::new("SELECT cometchat.requeue_missed()");

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
    let read = |row: &Row| Due { in_ms: row.get(1), missed: row.flag(2), stale: row.flag(3) };
    NEXT_DUE.first(&[claim.into()], read).unwrap_or_default()
}

/// Queues whom the trigger has missed, and frees old claims, as far as nobody's lock is in the way.
/// `false`: not all could be done.
pub fn reclaim_stale(due: Due, claim: i64) -> bool {
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
