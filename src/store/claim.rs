//! Claims users that are due, and reads what to send for them.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::load::load_many;
use super::queue;
use super::statement::Statement;
use crate::pg::spi::{self, Row};
use crate::pg::{lock, transaction};
use crate::{config, shmem};
use sync::import;
use sync::job::Job;
use sync::model::{SyncState, UserRow, UserStatus};
use sync::pacing::Room;
use sync::policy::{self, as_ms};
use sync::profile::{self, CallArguments};
use sync::user_rate_limit::Budget;

static CLAIM: Statement = Statement::new(include_str!("sql/claim.sql"));

/// Claimed users.
#[derive(Default)]
pub struct Claimed {
    /// To be sent one by one.
    pub singly: Vec<Job>,
    /// To be created together.
    pub together: Vec<Job>,
    /// How many could be: a few go singly all the same.
    pub found_for_import: usize,
}

impl Claimed {
    pub fn len(&self) -> usize {
        self.singly.len() + self.together.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are of the backlog.
    pub fn of_backlog(&self) -> usize {
        self.singly.iter().filter(|job| job.backlog).count() + self.together.len()
    }
}

/// Claims users that are due, as many as there is `room` for, and reads what to send for them: people
/// first, then the longest due. Those who are `held` wait: the process still has an earlier job of theirs,
/// whose claim a call has taken away, and its outcome must not pass for that of the new one.
pub fn claim(room: Room, claim: i64, app_id: &str, held: &HashSet<Uuid>) -> Claimed {
    let number = |users: usize| i64::try_from(users).unwrap_or(i64::MAX);
    let inputs = [
        ("max_users", number(room.users).into()),
        ("max_backlog", number(room.backlog).into()),
        ("claim", claim.into()),
        ("max_import", number(room.import).into()),
    ];
    let read =
        |row: &Row| Some((row.get::<Uuid>(c"user_id")?, row.flag(c"backlog"), row.flag(c"import")));
    let claimed: Vec<(Uuid, bool, bool)> = CLAIM.all(&inputs, read).into_iter().flatten().collect();
    if claimed.is_empty() {
        return Claimed::default();
    }
    let rules = config::sync_policy();
    let mut rows = load_many(&claimed.iter().map(|(user, ..)| *user).collect::<Vec<_>>());
    wipe_deleted(&mut rows);
    let to_import: HashSet<Uuid> =
        claimed.iter().filter(|(_, _, import)| *import).map(|(user, ..)| *user).collect();
    let to_job = |(user, backlog, _): (Uuid, bool, bool)| {
        let row = rows.get(&user)?;
        Some(Job { backlog, ..job(user, row, app_id, &rules) })
    };
    let jobs: Vec<Job> = claimed.into_iter().filter_map(to_job).collect();
    let (held, jobs): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().partition(|job| held.contains(&job.user));
    let (jobs, mut too_soon) = within_budgets(jobs);
    too_soon.extend(held.iter().map(|job| (job.user, as_ms(policy::LOCKED_RECHECK))));
    if !too_soon.is_empty() {
        queue::defer(&too_soon, claim);
    }
    let to_deactivate: Vec<&Job> = jobs.iter().filter(|job| job.deactivates()).collect();
    intend_to_deactivate(&to_deactivate, claim, app_id);
    // A crash must not lose a mark that nothing else stands for.
    if !to_deactivate.is_empty() || jobs.iter().any(Job::activates) {
        transaction::commit_durably();
    }
    split(jobs, |job| to_import.contains(&job.user), claim)
}

/// Splits off those who are created together. Who was claimed for that, and cannot be, waits behind the rest
/// of the backlog, which would wait for them otherwise; a few go singly.
fn split(jobs: Vec<Job>, for_import: impl Fn(&Job) -> bool, claim: i64) -> Claimed {
    let (imports, mut singly): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(for_import);
    let (together, others): (Vec<Job>, Vec<Job>) =
        imports.into_iter().partition(Job::is_importable);
    if !others.is_empty() {
        let wait = as_ms(policy::LOCKED_RECHECK);
        queue::defer(&others.iter().map(|job| (job.user, wait)).collect::<Vec<_>>(), claim);
    }
    let (together, rest) = import::fit(together);
    let found_for_import = together.len();
    if !rest.is_empty() {
        queue::release_claims(rest.iter().map(|job| job.user).collect(), claim);
    }
    if together.len() < policy::MIN_IMPORT_USERS {
        singly.extend(together);
        return Claimed { singly, together: Vec::new(), found_for_import };
    }
    Claimed { singly, together, found_for_import }
}

static WIPE: Statement = Statement::new(include_str!("sql/wipe.sql"));

/// Wipes what is these deleted users' own.
pub(super) fn wipe(users: &[Uuid]) {
    WIPE.write(&[("user_ids", spi::array(users.iter().copied()))]);
}

/// Names and addresses do not outlive the user, whatever deleted them and whatever comes of telling
/// CometChat. (The trigger wipes them earlier, where it is there.)
fn wipe_deleted(rows: &mut HashMap<Uuid, UserRow>) {
    let mut deleted = Vec::new();
    let is_deleted = |row: &UserRow| row.auth.status == UserStatus::Deleted;
    for (user, row) in rows.iter_mut().filter(|(_, row)| is_deleted(row)) {
        deleted.push(*user);
        row.known.iter_mut().for_each(SyncState::wipe);
    }
    if !deleted.is_empty() {
        wipe(&deleted);
    }
}

static INTEND_TO_DEACTIVATE: Statement =
    Statement::new(include_str!("sql/intend_to_deactivate.sql"));

fn intend_to_deactivate(jobs: &[&Job], claim: i64, app_id: &str) {
    if !jobs.is_empty() {
        INTEND_TO_DEACTIVATE.write(&[
            ("user_id", spi::array(jobs.iter().map(|job| job.user))),
            ("uid", spi::array(jobs.iter().map(|job| job.remote.uid.as_str()))),
            ("claim", claim.into()),
            ("app_id", app_id.into()),
        ]);
    }
}

/// Splits off users that `user_rate_limit` leaves no requests now, and how many milliseconds to wait
/// for them: one user's edits must not use up what CometChat allows for all. The same for users whose
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
                too_soon.push((job.user, as_ms(policy::TOKENS_BUSY_DELAY)));
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

fn job(user: Uuid, row: &UserRow, app_id: &str, rules: &config::SyncPolicy) -> Job {
    let known = row.known_in(app_id);
    // Whatever is known of an account, that a worker has reactivated it and came no further say.
    let is_there = row.mapping.is_some() || known.is_some();
    let requested = row.known.as_ref().is_some_and(|k| k.requested);
    let passed_over = rules.passes_over(row.auth.anonymous, row.auth.unconfirmed).is_some();
    Job {
        user,
        app_id: app_id.to_owned(),
        revision: row.wanted_revision().unwrap_or(0),
        attempts: row.known.as_ref().map_or(0, |k| k.attempts.unsigned_abs()),
        backlog: false,
        status: row.auth.status,
        skip: row.auth.status == UserStatus::Active && passed_over && !is_there && !requested,
        on_delete: rules.on_delete,
        wanted: profile::wanted(row, CallArguments::default()),
        imported_token: row.imported_token(),
        remote: row.remote_in(app_id),
        was_known: known.is_some(),
        knew_revocation: row.knew_revocation(),
        certainty: row.certainty_in(app_id),
    }
}
