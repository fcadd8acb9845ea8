//! Who changed in `auth.users` without our trigger having seen it: the replica role, a disabled trigger,
//! logical apply, a restore. The state is compared with the table, and what differs is queued.

use std::collections::HashMap;

use uuid::Uuid;

use super::load_many;
use super::statement::Statement;
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

// Everybody of whom anything is stored. A banned user is due when the ban ends, which is no work
// that is pending.
macro_rules! due {
    ($whom:literal) => {
        concat!(
            "SELECT q.user_id,
                    s.claim IS NULL AND s.failed_at IS NULL
                    AND (s.next_attempt_at IS NULL
                         OR (s.next_attempt_at > now() AND s.wanted_revision = s.synced_revision)),
                    s.failed_at IS NOT NULL,
                    CASE WHEN isfinite(s.next_attempt_at)
                         THEN ceil(extract(epoch FROM s.next_attempt_at - now()) * 1000)::bigint END
             FROM ",
            $whom,
            " AS q(user_id)
             LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.user_id
             ORDER BY q.user_id"
        )
    };
}

static PAGE: Statement = Statement::new(due!(
    "(SELECT p.user_id
      FROM ((SELECT i.user_id FROM cometchat.sync_state AS i
             WHERE i.user_id >= $1 ORDER BY i.user_id LIMIT $2)
            UNION
            (SELECT u.user_id FROM public.cometchat_users AS u
             WHERE u.user_id >= $1 ORDER BY u.user_id LIMIT $2)) AS p
      ORDER BY p.user_id LIMIT $2)"
));

static THESE: Statement = Statement::new(due!("unnest($1)"));

/// The lowest of all ids: where the first page begins.
pub fn beginning() -> Uuid {
    Uuid::from_bytes([0; 16])
}

/// Compares the next `most` users, from the given id on. Raises an error where `auth.users` cannot be
/// read.
pub fn page(from: Uuid, most: usize, app_id: &str) -> Page {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let all: Vec<(Uuid, Due)> =
        PAGE.all(&[from.into(), limit.into()], read).into_iter().flatten().collect();
    let last = all.last().filter(|_| all.len() >= most);
    let next = last.and_then(|(user, _)| successor(*user));
    Page { seen: all.len(), found: compare(all, app_id), next }
}

/// Who of these still differs.
pub fn again(found: &[Difference], app_id: &str) -> Vec<Difference> {
    let users = spi::array(found.iter().map(|difference| difference.user));
    compare(THESE.all(&[users], read).into_iter().flatten().collect(), app_id)
}

fn read(row: &Row) -> Option<(Uuid, Due)> {
    let due = Due { settled: row.flag(2), failed: row.flag(3), in_ms: row.get(4) };
    row.get(1).map(|user| (user, due))
}

fn compare(all: Vec<(Uuid, Due)>, app_id: &str) -> Vec<Difference> {
    let candidates: HashMap<Uuid, Due> =
        all.into_iter().filter(|(_, due)| due.settled || due.failed).collect();
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
    match row.status {
        UserStatus::Deleted => {
            let told = row.known.as_ref().is_some_and(|k| k.deactivated && k.sent.is_none());
            // A deletion that was seen leaves neither.
            let traces = mapped
                || row.known.as_ref().is_some_and(|known| {
                    known.overrides.is_some()
                        || known.name.value.is_some()
                        || known.email.value.is_some()
                });
            (traces || !(told || due.failed)).then_some(What::Gone)
        }
        // For them there is retry_failed(): what was tried is known to differ.
        _ if due.failed => None,
        UserStatus::Suspended { back_in_ms } => {
            let by_hand = mapped && row.known.is_none();
            if sent || by_hand {
                return Some(What::ShutOut);
            }
            let late = |back: i64| due.in_ms.is_none_or(|ms| ms > back.saturating_add(SOONER_MS));
            let deactivated = known.is_some_and(|known| known.deactivated);
            (deactivated && back_in_ms.is_some_and(late)).then_some(What::BackSooner)
        }
        // What would say so cannot be read: whoever sends for them says that.
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

static QUEUE: Statement = Statement::new(
    "INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
     SELECT q.id, 1, now() FROM unnest($1) AS q(id) ORDER BY q.id
     ON CONFLICT (user_id) DO UPDATE
     SET wanted_revision = s.wanted_revision + 1, next_attempt_at = now(), attempts = 0,
         failed_at = NULL",
);

// What the trigger and the foreign key would have done.
static SAY_GOODBYE: Statement = Statement::new(
    "WITH mapping AS (
       DELETE FROM public.cometchat_users AS u WHERE u.user_id = ANY ($1)
       RETURNING u.user_id, u.cometchat_uid
     )
     INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
     SELECT q.id, m.cometchat_uid, 1, now()
     FROM unnest($1) AS q(id) LEFT JOIN mapping AS m ON m.user_id = q.id
     ORDER BY q.id
     ON CONFLICT (user_id) DO UPDATE
     SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
         overrides = NULL, name_argument = NULL, name_argument_base = NULL,
         email_argument = NULL, email_argument_base = NULL, error_message = NULL,
         wanted_revision = s.wanted_revision + 1, next_attempt_at = now(),
         attempts = 0, failed_at = NULL",
);

/// Queues users who differ. Who is gone loses mapping, overrides and arguments.
pub fn queue(found: &[Difference]) {
    let (gone, others): (Vec<&Difference>, Vec<&Difference>) =
        found.iter().partition(|difference| difference.what == What::Gone);
    let ids = |of: &[&Difference]| spi::array(of.iter().map(|difference| difference.user));
    if !others.is_empty() {
        QUEUE.write(&[ids(&others)]);
    }
    if !gone.is_empty() {
        SAY_GOODBYE.write(&[ids(&gone)]);
    }
}
