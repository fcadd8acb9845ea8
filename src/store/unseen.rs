//! Changes of `auth.users` that our trigger did not see: the replica role, a disabled trigger,
//! logical apply, a restore. The state is compared with the table, and what differs is queued.

use std::collections::HashMap;

use uuid::Uuid;

use super::claim::wipe;
use super::load::load_many;
use super::statement::Statement;
use crate::pg::rights::Lock;
use crate::pg::spi::{self, Row};
use sync::model::{UserRow, UserStatus};
use sync::profile::{self, CallArguments};

/// How a user's state differs from `auth.users`, though nothing is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Not in the table any more, and CometChat was not told.
    Gone,
    /// Banned or softly deleted, and CometChat was not told.
    ShutOut,
    /// The ban ends before the user is looked at again.
    BackSooner,
    /// Deactivated by us, and the reason is gone.
    Back,
    /// The profile is not the one that CometChat was sent.
    Changed,
}

impl What {
    /// The `kind` in `cometchat.reconcile()`.
    pub fn kind(self) -> &'static str {
        match self {
            What::Gone => "gone",
            _ => "drifted",
        }
    }

    /// The `detail` there.
    pub fn detail(self) -> &'static str {
        match self {
            What::Gone => "not in auth.users any more",
            What::ShutOut => "banned or deleted in auth.users, not in CometChat",
            What::BackSooner => "the ban ends sooner than was known",
            What::Back => "deactivated in CometChat, not banned in auth.users any more",
            What::Changed => "changed in auth.users, not sent",
        }
    }
}

/// One user who differs.
#[derive(Clone, Debug)]
pub struct Difference {
    pub user: Uuid,
    pub uid: String,
    pub what: What,
}

/// A page of users, in the order of their ids.
#[derive(Debug, Default)]
pub struct Page {
    /// How many were compared.
    pub seen: usize,
    pub found: Vec<Difference>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Uuid>,
}

/// What the state says of a user's next attempt.
struct Due {
    /// Nothing is to be sent now.
    settled: bool,
    failed: bool,
    /// When the user is looked at again.
    in_ms: Option<i64>,
}

static KNOWN_USERS: Statement =
    Statement::on_mapping(Lock::Read, include_str!("sql/known_users.sql"));

static NEXT_ATTEMPTS: Statement = Statement::new(include_str!("sql/next_attempts.sql"));

/// The lowest of all ids: where the first page begins.
pub fn beginning() -> Uuid {
    Uuid::from_bytes([0; 16])
}

/// Compares the next `limit` users, from the given id on. Raises an error where `auth.users` cannot be
/// read.
pub fn page(from: Uuid, limit: usize, app_id: &str) -> Page {
    let users = known(from, limit);
    let last = users.last().filter(|_| users.len() >= limit);
    let next = last.and_then(|user| successor(*user));
    Page { seen: users.len(), found: compare(&users, app_id), next }
}

/// Compares `limit` users, from the given id on and then from the beginning.
pub fn sample(from: Uuid, limit: usize, app_id: &str) -> Vec<Difference> {
    let mut users = known(from, limit);
    let rest = limit.saturating_sub(users.len());
    if rest > 0 {
        users.extend(known(beginning(), rest).into_iter().take_while(|user| *user < from));
    }
    compare(&users, app_id)
}

fn known(from: Uuid, limit: usize) -> Vec<Uuid> {
    let max_users = i64::try_from(limit).unwrap_or(i64::MAX);
    let inputs = [("from_user_id", from.into()), ("max_users", max_users.into())];
    KNOWN_USERS.all(&inputs, |row| row.get(c"user_id")).into_iter().flatten().collect()
}

/// Which of these users still differ.
pub fn again(found: &[Difference], app_id: &str) -> Vec<Difference> {
    let users: Vec<Uuid> = found.iter().map(|difference| difference.user).collect();
    compare(&users, app_id)
}

fn read(row: &Row) -> Option<(Uuid, Due)> {
    let due = Due {
        settled: row.flag(c"settled"),
        failed: row.flag(c"failed"),
        in_ms: row.get(c"due_in_ms"),
    };
    row.get(c"user_id").map(|user| (user, due))
}

fn compare(users: &[Uuid], app_id: &str) -> Vec<Difference> {
    let inputs = [("user_ids", spi::array(users.iter().copied()))];
    let all = NEXT_ATTEMPTS.all(&inputs, read);
    let candidates: HashMap<Uuid, Due> =
        all.into_iter().flatten().filter(|(_, due)| due.settled || due.failed).collect();
    let rows = load_many(&candidates.keys().copied().collect::<Vec<_>>());
    let found = rows.iter().filter_map(|(user, row)| {
        let what = difference(row, candidates.get(user)?, app_id)?;
        Some(Difference { user: *user, uid: row.uid.clone(), what })
    });
    let mut found: Vec<Difference> = found.collect();
    found.sort_by_key(|difference| *difference.user.as_bytes());
    found
}

fn successor(user: Uuid) -> Option<Uuid> {
    let next = u128::from_be_bytes(*user.as_bytes()).checked_add(1)?;
    Some(Uuid::from_bytes(next.to_be_bytes()))
}

/// A moment's difference between two clocks is none.
const SOONER_MS: i64 = 5_000;

fn difference(row: &UserRow, due: &Due, app_id: &str) -> Option<What> {
    let known = row.known_in(app_id);
    let sent = known.is_some_and(|known| known.sent.is_some());
    let mapped = row.mapping.is_some();
    let deactivated = known.is_some_and(|known| known.deactivated);
    let has_token = row.mapping.as_ref().is_some_and(|mapping| mapping.token.is_some());
    match row.auth.status {
        UserStatus::Deleted => {
            // An attempt forgets what was sent, or could not even be written, and was about to deactivate.
            // What failed is for retry_failed().
            let told = row.known.as_ref().is_some_and(|k| {
                (k.sent.is_none() || due.failed) && k.deactivated || k.sent.is_none() && due.failed
            });
            // A deletion that was seen leaves neither.
            let traces = mapped
                || row.known.as_ref().is_some_and(|known| {
                    known.overrides.is_some()
                        || known.name.value.is_some()
                        || known.email.value.is_some()
                });
            (traces || !told).then_some(What::Gone)
        }
        // Likewise.
        UserStatus::Suspended { .. }
            if sent && !(due.failed && deactivated) || has_token && !deactivated =>
        {
            Some(What::ShutOut)
        }
        // For these users there is retry_failed(): what was tried is known to differ.
        _ if due.failed => None,
        UserStatus::Suspended { back_in_ms } => {
            let by_hand = mapped && row.known.is_none();
            if by_hand {
                return Some(What::ShutOut);
            }
            let late = |back: i64| due.in_ms.is_none_or(|ms| ms > back.saturating_add(SOONER_MS));
            (deactivated && back_in_ms.is_some_and(late)).then_some(What::BackSooner)
        }
        // What would say so cannot be read: the worker, which sends for the user, says that.
        UserStatus::Unknown => None,
        UserStatus::Active => {
            let known = known?;
            if known.deactivated {
                return Some(What::Back);
            }
            let wanted = profile::wanted(row, CallArguments::default()).profile;
            (sent && !known.has(&wanted)).then_some(What::Changed)
        }
    }
}

static QUEUE_CHANGED: Statement = Statement::new(include_str!("sql/queue_changed.sql"));

static QUEUE_DELETED: Statement =
    Statement::on_mapping(Lock::Write, include_str!("sql/queue_deleted.sql"));

/// Queues users who differ. A user who is gone loses mapping, overrides and arguments.
pub fn queue(found: &[Difference]) {
    let users = |is: fn(What) -> bool| -> Vec<Uuid> {
        found.iter().filter(|found| is(found.what)).map(|found| found.user).collect()
    };
    let gone = users(|what| what == What::Gone);
    // A missed ban is urgent; a missed edit may be one of all users, of a table that was restored.
    let edited = users(|what| what == What::Changed);
    let banned = users(|what| !matches!(what, What::Gone | What::Changed));
    for (others, backlog) in [(banned, false), (edited, true)] {
        if !others.is_empty() {
            QUEUE_CHANGED.write(&[("user_ids", spi::array(others)), ("backlog", backlog.into())]);
        }
    }
    if !gone.is_empty() {
        QUEUE_DELETED.write(&[("user_ids", spi::array(gone.iter().copied()))]);
        wipe(&gone);
    }
}
