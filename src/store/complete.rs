//! Writes what became of claimed users, all of them in one statement.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pgrx::PgSqlErrorCode;
use sync::job::{JobResult, Outcome};
use sync::model::UserStatus;
use sync::policy::{self, as_ms};
use uuid::Uuid;

use super::auth_users::{self, AuthUsers};
use super::save::in_flight_ms;
use super::statement::Statement;
use crate::config;
use crate::pg::rights::Lock;
use crate::pg::spi::{self, Arg, Value};
use crate::pg::subxact;
use sync::next_attempt::{Doubt, NextAttempt};

static COMPLETE: Statement = Statement::on_mapping(Lock::Write, include_str!("sql/complete.sql"));
static COMPLETE_UNLOCKED: Statement =
    Statement::on_mapping(Lock::Write, include_str!("sql/complete.sql")).variant("skip locked");

static STILL_CLAIMED: Statement = Statement::new(include_str!("sql/still_claimed.sql"));

static DEFER_UNWRITTEN: Statement = Statement::new(include_str!("sql/defer_unwritten.sql"));

/// How long a session that works in the worker's stead waits for a locked user: another one that claims
/// has them for a moment.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// And for each of those with whom it could not be written together.
const LOCK_WAIT_ALONE: Duration = Duration::from_millis(20);

/// Writes what became of claimed users, where the claim is still ours. Those whom another transaction
/// keeps locked hold nobody up: they stay claimed, and are freed when that is over. A user who cannot be
/// mapped now, since their row of `auth.users` is locked, is tried again later.
pub fn write(results: &[JobResult], claim: i64, random: impl Fn() -> f64) {
    let together = || write_outcomes(&COMPLETE, results, claim, &random);
    let written = subxact::run(LOCK_WAIT, AssertUnwindSafe(together)).unwrap_or_else(|_| {
        results.iter().map(|result| usize::from(write_alone(result, claim, &random))).sum()
    });
    if written < results.len() {
        let defer = || {
            DEFER_UNWRITTEN.write(&[
                ("claim", claim.into()),
                ("delay_ms", as_ms(policy::UNWRITTEN_DELAY).into()),
                ("in_flight_ms", in_flight_ms().into()),
            ])
        };
        let _ = subxact::run(LOCK_WAIT_ALONE, defer); // else they stay claimed, as above
    }
}

/// One of those who could not be written together. An error that is not about a lock, of an app's own trigger
/// say, is the user's failure.
fn write_alone(result: &JobResult, claim: i64, random: &impl Fn() -> f64) -> bool {
    let one = std::slice::from_ref(result);
    let alone = || write_outcomes(&COMPLETE_UNLOCKED, one, claim, random) == 1;
    match subxact::run(LOCK_WAIT_ALONE, AssertUnwindSafe(alone)) {
        Ok(written) => written,
        Err(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE) => false,
        Err(code) => {
            let why = format!("SQLSTATE {}", subxact::sqlstate(code));
            let failed = || mark_failed(result.job.user, claim, result.job.revision, &why);
            subxact::run(LOCK_WAIT_ALONE, failed).is_ok()
        }
    }
}

/// The worker's way: writes all but the users that another transaction has locked, a long one with an edit
/// say. Returns these: they are still claimed.
pub fn write_unlocked(results: &[JobResult], claim: i64, random: impl Fn() -> f64) -> Vec<Uuid> {
    if write_outcomes(&COMPLETE_UNLOCKED, results, claim, random) == results.len() {
        return Vec::new();
    }
    let users = spi::array(results.iter().map(|result| result.job.user));
    let inputs = [("claim", claim.into()), ("user_ids", users)];
    STILL_CLAIMED.all(&inputs, |row| row.get(c"user_id")).into_iter().flatten().collect()
}

/// A user whose row of `auth.users` is locked, because the user is being deleted say, is left out and
/// stays claimed: without the mapping the token would be lost. Returns how many were written.
fn write_outcomes(
    statement: &'static Statement,
    results: &[JobResult],
    claim: i64,
    random: impl Fn() -> f64,
) -> usize {
    let mapped = || results.iter().filter(|r| r.job.remote.mapped).map(|r| r.job.user);
    // Rows of auth.users are locked before ours, as by a transaction that deletes a user.
    let (kept, locked) = match auth_users::state() {
        AuthUsers::Table => auth_users::keep(&mapped().collect::<Vec<_>>()),
        AuthUsers::Absent | AuthUsers::NoTable => (mapped().collect(), Vec::new()),
    };
    let (kept, locked): (HashSet<Uuid>, HashSet<Uuid>) =
        (kept.into_iter().collect(), locked.into_iter().collect());
    let results: Vec<&JobResult> =
        results.iter().filter(|result| !locked.contains(&result.job.user)).collect();
    let written = write_results(statement, &results, claim, &kept, random);
    if written < results.len() {
        keep_deactivated(&results, claim);
    }
    written
}

fn write_results(
    statement: &'static Statement,
    results: &[&JobResult],
    claim: i64,
    kept: &HashSet<Uuid>,
    random: impl Fn() -> f64,
) -> usize {
    fn column<'a, T: Value>(results: &[&'a JobResult], f: impl Fn(&'a JobResult) -> T) -> Arg {
        spi::array(results.iter().map(|result| f(result)))
    }
    let all = results;
    let (attempts, timeout) = (config::max_attempts(), config::request_timeout());
    let next: Vec<NextAttempt> =
        all.iter().map(|result| NextAttempt::after(result, random(), attempts)).collect();
    let doubts: Vec<Doubt> = all.iter().map(|result| Doubt::after(result, timeout)).collect();
    let inputs = [
        ("claim", claim.into()),
        ("user_id", column(all, |r| r.job.user)),
        ("revision", column(all, |r| r.job.revision)),
        ("uid", column(all, |r| r.job.remote.uid.as_str())),
        ("token", column(all, |r| r.job.remote.token.as_deref())),
        ("maps", column(all, |r| r.job.remote.mapped && kept.contains(&r.job.user))),
        ("app_id", column(all, |r| is_about_an_account(r).then_some(r.job.app_id.as_str()))),
        ("sent_profile", column(all, |r| r.job.remote.sent.as_ref().map(|s| s.profile.as_str()))),
        ("sent_metadata", column(all, |r| r.job.remote.sent.as_ref().map(|s| s.metadata.as_str()))),
        ("sent_fields", column(all, |r| r.job.remote.sent.as_ref().map(|s| s.keys.join(",")))),
        ("deactivated", column(all, |r| r.job.remote.deactivated)),
        ("revoke_pending", column(all, |r| r.job.remote.revoke_pending)),
        ("synced", spi::array(next.iter().map(|n| n.synced))),
        ("delay_ms", spi::array(next.iter().map(|n| n.delay_ms))),
        ("attempts", spi::array(next.iter().map(|n| n.attempts))),
        ("failed", spi::array(next.iter().map(|n| n.failed))),
        ("code", spi::array(next.iter().map(|n| n.code.as_deref()))),
        ("message", spi::array(next.iter().map(|n| n.message.as_deref()))),
        ("name_argument", column(all, |r| r.job.wanted.name.value.as_deref())),
        ("name_argument_base", column(all, |r| r.job.wanted.name.basis.as_deref())),
        ("removed", column(all, |r| matches!(r.outcome, Outcome::Removed))),
        ("settled", spi::array(doubts.iter().map(|doubt| *doubt == Doubt::Settled))),
        ("unsettled_ms", spi::array(doubts.iter().map(|doubt| doubt.for_ms()))),
        ("check_when_settled", spi::array(doubts.iter().map(|d| *d == Doubt::CheckWhenOver))),
        ("status", column(all, |r| status(r).map(i32::from))),
        ("took_ms", column(all, |r| r.request_sent.then(|| as_ms(r.took)))),
        ("knew_revocation", column(all, |r| r.job.knew_revocation)),
    ];
    statement.write(&inputs)
}

fn status(result: &JobResult) -> Option<u16> {
    match &result.outcome {
        Outcome::Failed { status, .. } => *status,
        Outcome::Synced | Outcome::Removed => None,
    }
}

/// Whether there is, or may still be, an account there to remember: a deletion that failed is not over.
fn is_about_an_account(result: &JobResult) -> bool {
    let failed = matches!(result.outcome, Outcome::Failed { .. });
    let remote = &result.job.remote;
    remote.is_something() || result.job.was_known && (failed || remote.revoke_pending)
}

static KEEP_DEACTIVATED: Statement = Statement::new(include_str!("sql/keep_deactivated.sql"));

/// Remembers which users we deactivated where a session's call took the claim away meanwhile: the rest of
/// the outcome is void then, but nothing else would tell that it was us.
fn keep_deactivated(results: &[&JobResult], claim: i64) {
    let by_us = |r: &&&JobResult| r.job.status != UserStatus::Active && r.job.remote.deactivated;
    let by_us: Vec<_> = results.iter().filter(by_us).map(|result| &result.job).collect();
    if !by_us.is_empty() {
        KEEP_DEACTIVATED.write(&[
            ("claim", claim.into()),
            ("user_id", spi::array(by_us.iter().map(|job| job.user))),
            ("app_id", spi::array(by_us.iter().map(|job| job.app_id.as_str()))),
            ("uid", spi::array(by_us.iter().map(|job| job.remote.uid.as_str()))),
        ]);
    }
}

static MARK_FAILED: Statement = Statement::new(include_str!("sql/mark_failed.sql"));

/// Gives up on a user whose outcome could not even be written. A user who has changed since `revision`
/// is tried.
pub fn mark_failed(user: Uuid, claim: i64, revision: i64, message: &str) {
    MARK_FAILED.write(&[
        ("user_id", user.into()),
        ("claim", claim.into()),
        ("revision", revision.into()),
        ("message", message.into()),
    ]);
}
