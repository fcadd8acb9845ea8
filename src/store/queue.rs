//! The queue beside claiming: look at it, give users back, make them due. Each is one short transaction;
//! nothing is held while requests are under way.

use std::time::Duration;

use pgrx::pg_sys;
use uuid::Uuid;

use super::save::in_flight_ms;
use super::statement::Statement;
use crate::pg::rights::Rights;
use crate::pg::spi::{self, Row, Timestamp};
use crate::pg::subxact;
use crate::shmem::wake;
use sync::policy::{self, as_ms};

/// What is not urgent waits no longer than this for a lock.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// What is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueState {
    /// Milliseconds until the next user is due; 0 when one is due already.
    pub due_in_ms: Option<i64>,
    /// The same of the backlog.
    pub backlog_due_in_ms: Option<i64>,
    /// The trigger has missed users.
    pub has_missed: bool,
    /// Users have been claimed by another process for longer than any request takes.
    pub has_abandoned: bool,
    /// Users of a backfill are still to be queued.
    pub has_backfill: bool,
}

static QUEUE_STATE: Statement = Statement::new(include_str!("sql/queue_state.sql"));

/// Looks without writing: an idle worker takes no transaction id.
pub fn state(claim: i64) -> QueueState {
    let read = |row: &Row| QueueState {
        due_in_ms: row.get(c"due_in_ms"),
        backlog_due_in_ms: row.get(c"backlog_due_in_ms"),
        has_missed: row.flag(c"has_missed"),
        has_abandoned: row.flag(c"has_abandoned"),
        has_backfill: row.flag(c"has_backfill"),
    };
    QUEUE_STATE.first(&abandoned_inputs(claim), read).unwrap_or_default()
}

fn abandoned_inputs(claim: i64) -> [spi::Input; 2] {
    [("claim", claim.into()), ("abandoned_after_ms", as_ms(policy::ABANDONED_CLAIM).into())]
}

static REQUEUE_MISSED: Statement = Statement::new(include_str!("sql/requeue_missed.sql"));

static ABANDONED_CLAIMS: Statement = Statement::new(include_str!("sql/abandoned_claims.sql"));

/// Queues the users that the trigger has missed, and frees abandoned claims, as far as no lock is in the
/// way. `false`: not all could be done.
pub fn reclaim_stale(state: QueueState, claim: i64) -> bool {
    let mut done = true;
    if state.has_missed {
        let requeue = || REQUEUE_MISSED.first(&[], |row| row.get::<i64>(c"queued"));
        done &= matches!(subxact::run(LOCK_WAIT, requeue), Ok(Some(Some(1..))));
    }
    if state.has_abandoned {
        let free = || free(&ABANDONED_CLAIMS.all(&abandoned_inputs(claim), read_claim), 0);
        done &= subxact::run(LOCK_WAIT, free).is_ok();
    }
    done
}

static STALE_CLAIMS: Statement = Statement::new(include_str!("sql/stale_claims.sql"));

static SESSIONS: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/sessions.sql"));

/// A worker that starts frees what an earlier one left behind: it is due again at once.
/// `false`: not all could be freed, since they are locked.
pub fn free_stale_claims(claim: i64) -> bool {
    let stale = stale_claims(claim, |_| true);
    // Looked at first: a statement that may write takes a transaction id.
    let found = stale();
    found.is_empty() || {
        free(&found, in_flight_ms());
        stale().is_empty()
    }
}

/// A session that works in the worker's stead does the same with the claims of sessions, and with those that
/// an earlier batch of its own left behind; the worker's are the worker's while there is one.
pub fn free_claims_of_sessions(claim: i64) {
    // SAFETY: set once, before any code of ours runs.
    let stale = || stale_claims(claim, |process| process != unsafe { pg_sys::MyProcPid })();
    let found = stale();
    if found.is_empty() {
        return;
    }
    // Looked at twice: a session that began to work between the two looks, at sessions and at claims, is known to
    // the second one.
    let again = stale();
    let may = |found: &Claimed| {
        again.contains(found) && found.is_some_and(|(_, claim)| claim < 0 || !wake::worker_is_up())
    };
    let found: Vec<Claimed> = found.into_iter().filter(may).collect();
    if !found.is_empty() {
        free(&found, in_flight_ms());
    }
}

/// Reads the claims of processes that are gone, beside `claim`: of all but the `live` ones.
fn stale_claims(claim: i64, live: impl Fn(i32) -> bool) -> impl Fn() -> Vec<Claimed> {
    let read = |row: &Row| row.get::<i32>(c"pid").zip(row.get::<Timestamp>(c"backend_start"));
    let sessions = SESSIONS.all(&[], read).into_iter().flatten();
    let (pids, starts): (Vec<_>, Vec<_>) = sessions.filter(|(process, _)| live(*process)).unzip();
    move || {
        let inputs = [
            ("claim", claim.into()),
            ("pids", spi::array(pids.iter().copied())),
            ("backend_starts", spi::array(starts.iter().copied())),
        ];
        STALE_CLAIMS.all(&inputs, read_claim)
    }
}

static FREE_CLAIMS: Statement = Statement::new(include_str!("sql/free_claims.sql"));

type Claimed = Option<(Uuid, i64)>;

fn read_claim(row: &Row) -> Claimed {
    row.get::<Uuid>(c"user_id").zip(row.get::<i64>(c"claim"))
}

/// Frees claims of others whose requests may have an effect for so long; but for those that are locked.
fn free(claims: &[Claimed], in_flight_ms: i64) {
    let claims = || claims.iter().flatten();
    FREE_CLAIMS.write(&[
        ("user_id", spi::array(claims().map(|(user, _)| *user))),
        ("claim", spi::array(claims().map(|(_, claim)| *claim))),
        ("in_flight_ms", in_flight_ms.into()),
    ]);
}

static RELEASE_CLAIMS: Statement = Statement::new(include_str!("sql/release_claims.sql"));

/// These users will not be sent now: they are due as before.
pub fn release_claims(users: Vec<Uuid>, claim: i64) {
    RELEASE_CLAIMS.write(&[("user_ids", spi::array(users)), ("claim", claim.into())]);
}

static DEFER: Statement = Statement::new(include_str!("sql/defer.sql"));

/// Gives claimed users back, each to be tried so many milliseconds from now.
pub fn defer(users: &[(Uuid, i64)], claim: i64) {
    DEFER.write(&[
        ("claim", claim.into()),
        ("user_id", spi::array(users.iter().map(|(user, _)| *user))),
        ("wait_ms", spi::array(users.iter().map(|(_, wait_ms)| *wait_ms))),
    ]);
}

static CONTINUE_BACKFILL: Statement = Statement::new(include_str!("sql/continue_backfill.sql"));

/// Queues the next users of a backfill. `false`: there are none, or none can be read now.
pub fn continue_backfill(app_id: &str) -> bool {
    let max_users = i64::try_from(policy::BACKFILL_PAGE).unwrap_or(i64::MAX);
    let inputs = [("app_id", app_id.into()), ("max_users", max_users.into())];
    CONTINUE_BACKFILL.first(&inputs, |row| row.get::<i64>(c"queued")).flatten().is_some()
}

static MAKE_DUE: Statement = Statement::new(include_str!("sql/make_due.sql"));

/// These users, who were put off, are due now.
pub fn make_due(users: Vec<Uuid>) {
    MAKE_DUE.write(&[("user_ids", spi::array(users))]);
}

static MAKE_PLAN_LIMITED_DUE: Statement =
    Statement::new(include_str!("sql/make_plan_limited_due.sql"));

/// Users who wait because the plan had no room for them are due now.
pub fn make_plan_limited_due() {
    MAKE_PLAN_LIMITED_DUE.write(&[]);
}

static CLOCK_SET_BACK: Statement = Statement::new(include_str!("sql/clock_set_back.sql"));

/// The server's clock was set back: nobody waits until it says again what it said before.
pub fn clock_set_back() {
    CLOCK_SET_BACK.write(&[("in_flight_ms", in_flight_ms().into())]);
}

static MAKE_THROTTLED_DUE: Statement = Statement::new(include_str!("sql/make_throttled_due.sql"));

/// Users that a 429 put off are due now.
pub fn make_throttled_due() {
    MAKE_THROTTLED_DUE.write(&[]);
}
