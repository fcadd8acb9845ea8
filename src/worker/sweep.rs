//! Compares the whole state with `auth.users`, page by page: after the server has started, once a day,
//! and when a sample that is compared each minute shows a change that no trigger saw.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use sync::policy;
use uuid::Uuid;

use super::notice;
use crate::app;
use crate::pg::transaction;
use crate::store::unseen::{self, Difference, What};
use crate::store::{self, control};

#[derive(Default)]
struct Sweep {
    /// Where the next page begins, while all are being compared.
    at: Option<Uuid>,
    seen: usize,
    queued: usize,
    gone: usize,
    /// The first of those that are gone, as many as may be deleted.
    deletions: Vec<Difference>,
    /// When the next sample is due; `None` before the first.
    next: Option<Instant>,
    /// All users are not compared before this.
    not_before: Option<Instant>,
    /// The SQLSTATE that was logged last.
    logged: Option<String>,
}

thread_local! {
    static SWEEP: RefCell<Sweep> = RefCell::default();
}

/// Compares a page, if one is due. Returns in how long the next is due.
pub fn step() -> Option<Duration> {
    SWEEP.with_borrow_mut(Sweep::step)
}

impl Sweep {
    fn step(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let was_running = self.at.is_some();
        if !was_running && self.next.is_some_and(|next| next > now) {
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
            // A lock, or auth.users cannot be read; health() says so too.
            *self = Sweep { logged: self.logged.take(), ..Sweep::default() };
            if !failed.will_pass() && self.logged.as_ref() != Some(&failed.sqlstate) {
                notice::tell(&format!(
                    "auth.users cannot be compared: {} {}",
                    failed.sqlstate, failed.message
                ));
                self.logged = Some(failed.sqlstate);
            }
        }
        self.next = Some(now + policy::SAMPLE_INTERVAL);
        // Also after the last page: the users who were queued are due.
        (was_running || self.at.is_some()).then_some(policy::COMPARED_PAGE_PAUSE)
    }

    /// Begins to compare all users once a day, after a start of the server, or if a sample differs.
    fn begin(&mut self, now: Instant, app_id: &str) {
        let sample_differs = || {
            let from = Uuid::from_bytes(random_bytes());
            !unseen::sample(from, policy::SAMPLE_SIZE, app_id).is_empty()
        };
        let allowed = self.not_before.is_none_or(|not_before| not_before <= now);
        if allowed && (control::comparison_is_due() || sample_differs()) {
            *self = Sweep {
                at: Some(unseen::beginning()),
                logged: self.logged.take(),
                ..Sweep::default()
            };
        }
    }

    fn page(&mut self, at: Uuid, app_id: &str) {
        let page = unseen::page(at, policy::COMPARED_PAGE, app_id);
        let (gone, others): (Vec<Difference>, Vec<Difference>) =
            page.found.into_iter().partition(|difference| difference.what == What::Gone);
        unseen::queue(&others);
        self.seen += page.seen;
        self.queued += others.len();
        self.gone += gone.len();
        let room = policy::MAX_UNSEEN_DELETIONS.saturating_sub(self.deletions.len());
        self.deletions.extend(gone.into_iter().take(room));
        self.at = page.next;
        if self.at.is_none() {
            self.end(app_id);
        }
    }

    fn end(&mut self, app_id: &str) {
        let deletes = self.gone <= policy::ALWAYS_UNSEEN_DELETIONS
            || (self.gone <= policy::MAX_UNSEEN_DELETIONS && self.gone * 10 <= self.seen);
        if deletes {
            let gone = unseen::again(&std::mem::take(&mut self.deletions), app_id);
            unseen::queue(&gone);
            self.queued += gone.len();
            self.gone = 0;
        } else {
            self.not_before = Some(Instant::now() + policy::OPERATOR_RECHECK);
            notice::tell(&format!(
                "{} of {} users are not in auth.users any more, and no trigger saw it; \
                 SELECT * FROM cometchat.reconcile(true) tells CometChat",
                self.gone, self.seen
            ));
        }
        control::record_comparison(self.gone);
        if self.queued > 0 {
            notice::tell(&format!(
                "{} users had changed without the trigger, and are queued",
                self.queued
            ));
        }
        self.deletions = Vec::new();
    }
}

fn random_bytes() -> [u8; 16] {
    let half = || (store::random() * u64::MAX as f64) as u64;
    (u128::from(half()) << 64 | u128::from(half())).to_be_bytes()
}
