//! The worker compares the whole state with `auth.users`, page by page: after the server has started, once
//! a day, and when the few users that it looks at each minute show that something happened that no
//! trigger saw.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::log;
use uuid::Uuid;

use crate::app;
use crate::pg::rights::Rights;
use crate::pg::spi::Timestamp;
use crate::pg::transaction;
use crate::store;
use crate::store::statement::Statement;
use crate::store::unseen::{self, Difference, What};

/// Users compared at a time, and the pause between two pages in milliseconds: about a fifth of one
/// processor's time.
const PAGE: usize = 500;
const PAUSE: i64 = 50;

/// How often a few are looked at, and how many.
const EVERY: Duration = Duration::from_secs(60);
const FEW: usize = 250;

/// Where some were left for an operator, it compares all again only after so long.
const LONG: Duration = Duration::from_secs(3600);

/// Of those who are gone: the worker tells CometChat by itself of no more than this, nor of more than
/// one in ten. A table that is being restored is empty, or half there.
const MOST_GONE: usize = 1_000;
const ALWAYS: usize = 10;

#[derive(Default)]
struct Sweep {
    /// Where the next page begins, while all are being compared.
    at: Option<Uuid>,
    seen: usize,
    queued: usize,
    gone: usize,
    /// Of those who are gone, as many as may be told.
    farewells: Vec<Difference>,
    /// When it is to look again; `None` before the first time.
    next: Option<Instant>,
    /// Not compared with all before this.
    not_before: Option<Instant>,
    told: Option<String>,
}

thread_local! {
    static SWEEP: RefCell<Sweep> = RefCell::default();
}

/// Does a piece of work, if it is time. In how many milliseconds there is more.
pub fn step() -> Option<i64> {
    SWEEP.with_borrow_mut(Sweep::step)
}

static IS_DUE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT COALESCE($1 < now() - interval '1 day' OR $1 < pg_postmaster_start_time(), true)",
);

static COMPARED_AT: Statement =
    Statement::new("SELECT c.last_compared_at FROM cometchat.control AS c");

static COMPARED: Statement = Statement::new(
    "UPDATE cometchat.control AS c SET last_compared_at = now(), missed_deletions = $1 WHERE c.only_row",
);

impl Sweep {
    fn step(&mut self) -> Option<i64> {
        let now = Instant::now();
        let was_at_it = self.at.is_some();
        if !was_at_it && self.next.is_some_and(|next| next > now) {
            return None;
        }
        let result = transaction::run(AssertUnwindSafe(|| {
            transaction::commit_without_waiting();
            let Ok(app_id) = app::app_id() else { return };
            match self.at {
                Some(at) => self.page(at, &app_id),
                None => self.begin(now, &app_id),
            }
        }));
        if let Err(failed) = result {
            // Somebody's lock, or auth.users cannot be read; health() says so too.
            *self = Sweep { told: self.told.take(), ..Sweep::default() };
            if !failed.will_pass() && self.told.as_ref() != Some(&failed.sqlstate) {
                log!(
                    "cometchat: auth.users cannot be compared: {} {}",
                    failed.sqlstate,
                    failed.message
                );
                self.told = Some(failed.sqlstate);
            }
        }
        self.next = Some(now + EVERY);
        // Also after the last page: who was queued is due.
        (was_at_it || self.at.is_some()).then_some(PAUSE)
    }

    /// All are compared once a day, and after a start of the server; else a few.
    fn begin(&mut self, now: Instant, app_id: &str) {
        let something = || {
            let few = unseen::page(Uuid::from_bytes(random_bytes()), FEW, app_id);
            let rest = FEW - few.seen.min(FEW);
            !few.found.is_empty()
                || (rest > 0 && !unseen::page(unseen::beginning(), rest, app_id).found.is_empty())
        };
        let allowed = self.not_before.is_none_or(|not_before| not_before <= now);
        if allowed && (is_due() || something()) {
            *self =
                Sweep { at: Some(unseen::beginning()), told: self.told.take(), ..Sweep::default() };
        }
    }

    fn page(&mut self, at: Uuid, app_id: &str) {
        let page = unseen::page(at, PAGE, app_id);
        let (gone, others): (Vec<Difference>, Vec<Difference>) =
            page.found.into_iter().partition(|difference| difference.what == What::Gone);
        unseen::queue(&others);
        self.seen += page.seen;
        self.queued += others.len();
        self.gone += gone.len();
        let room = MOST_GONE.saturating_sub(self.farewells.len());
        self.farewells.extend(gone.into_iter().take(room));
        self.at = page.next;
        if self.at.is_none() {
            self.end(app_id);
        }
    }

    fn end(&mut self, app_id: &str) {
        let few = self.gone <= ALWAYS || (self.gone <= MOST_GONE && self.gone * 10 <= self.seen);
        if few {
            let gone = unseen::again(&std::mem::take(&mut self.farewells), app_id);
            unseen::queue(&gone);
            self.queued += gone.len();
            self.gone = 0;
        } else {
            self.not_before = Some(Instant::now() + LONG);
            log!(
                "cometchat: {} of {} users are not in auth.users any more, and no trigger saw it; \
                 SELECT * FROM cometchat.reconcile(true) tells CometChat",
                self.gone,
                self.seen
            );
        }
        COMPARED.write(&[i64::try_from(self.gone).unwrap_or(i64::MAX).into()]);
        if self.queued > 0 {
            log!(
                "cometchat: {} users had changed without the trigger, and are queued",
                self.queued
            );
        }
        self.farewells = Vec::new();
    }
}

fn is_due() -> bool {
    let compared_at = COMPARED_AT.first(&[], |row| row.get::<Timestamp>(1)).flatten();
    IS_DUE.first(&[compared_at.into()], |row| row.flag(1)).unwrap_or(false)
}

fn random_bytes() -> [u8; 16] {
    let half = || (store::random() * u64::MAX as f64) as u64;
    (u128::from(half()) << 64 | u128::from(half())).to_be_bytes()
}
