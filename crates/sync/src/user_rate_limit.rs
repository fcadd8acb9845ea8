//! How many requests one untrusted user may cause: `cometchat.user_rate_limit` a minute, by calls and
//! by what calls and edits leave to the worker.
//!
//! A generic cell rate algorithm: a whole minute's requests at once, then one every
//! `60 s / limit`. A user is eight bytes: a tag and the moment at which the budget is whole again,
//! in a set of eight cells that its hash names. With the library preloaded the cells are shared by
//! all sessions; else each session counts for itself.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::Operation;
use uuid::Uuid;

/// Cells that a user may be in. Whoever has been idle longest makes room.
const CELLS_PER_SET: usize = 8;

/// The window, in milliseconds: a budget is whole again within it.
const WINDOW_MS: u64 = 60_000;

/// A moment that lies further ahead than this was written before the clock was set back. Twice the
/// window: a process may stall between reading the clock and the cell.
const MAX_AHEAD_MS: u64 = 2 * WINDOW_MS;

/// Bits of a cell that hold the theoretical arrival time (TAT), in the caller's milliseconds; the
/// others hold the user's tag.
const TAT_BITS: u32 = 41;

/// What a request is for. Each has a budget of its own: somebody who has taken over a session, and
/// used up the user's requests, does not keep the user from ending all sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Flushing the user's tokens.
    Revocation,
    /// Everything else.
    Other,
}

impl From<Operation> for Budget {
    fn from(operation: Operation) -> Budget {
        match operation {
            Operation::FlushTokens => Budget::Revocation,
            _ => Budget::Other,
        }
    }
}

/// The cells of all users, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct UserBudgets<'a> {
    /// A multiple of eight of them.
    pub cells: &'a [AtomicU64],
    /// Milliseconds of a clock that all who share the cells read; fits into [`TAT_BITS`].
    pub now_ms: u64,
}

impl UserBudgets<'_> {
    /// Takes one request from the user's budget of `per_minute` (negative: no limit); `false` when
    /// there is none left.
    pub fn take(self, user: Uuid, budget: Budget, per_minute: i32) -> bool {
        per_minute != 0 && self.take_many(user, budget, 1, per_minute).is_ok()
    }

    /// Takes `requests` that the worker is to send.
    ///
    /// # Errors
    /// The milliseconds until there will be so many. A limit of 0 counts as 1 here: what was queued
    /// is sent some time.
    pub fn take_many(
        self,
        user: Uuid,
        budget: Budget,
        requests: u64,
        per_minute: i32,
    ) -> Result<(), u64> {
        let Ok(limit) = u64::try_from(per_minute) else {
            return Ok(()); // negative: no limit
        };
        let hash = hash(user.as_bytes());
        let hash = if budget == Budget::Revocation { hash.rotate_left(17) } else { hash };
        self.take_from_cell(hash, requests, limit.max(1))
    }

    fn take_from_cell(self, hash: u64, requests: u64, limit: u64) -> Result<(), u64> {
        let now = self.now_ms;
        // Of more than a window's worth there would never be enough.
        let cost = (WINDOW_MS / limit) * requests.min(limit);
        let first = (hash as usize % (self.cells.len() / CELLS_PER_SET)) * CELLS_PER_SET;
        let set = &self.cells[first..first + CELLS_PER_SET];
        let tag = (hash >> TAT_BITS).max(1); // 0 is an empty cell
        let tat_of = |cell: u64| match cell & ((1 << TAT_BITS) - 1) {
            tat if tat > now + MAX_AHEAD_MS => 0,
            tat => tat,
        };
        loop {
            let own = set.iter().find(|cell| cell.load(Ordering::Relaxed) >> TAT_BITS == tag);
            let oldest = || set.iter().min_by_key(|cell| tat_of(cell.load(Ordering::Relaxed)));
            let Some(cell) = own.or_else(oldest) else {
                return Ok(()); // cannot happen: a set has eight cells
            };
            let old = cell.load(Ordering::Relaxed);
            let tat = if old >> TAT_BITS == tag { tat_of(old).max(now) } else { now };
            if tat + cost > now + WINDOW_MS {
                return Err(tat + cost - now - WINDOW_MS);
            }
            let new = tag << TAT_BITS | (tat + cost);
            if cell.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}

/// FNV-1a with a final mix: spreads user ids, which are random anyway.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Vec<AtomicU64> {
        (0..64).map(|_| AtomicU64::new(0)).collect()
    }

    fn take(cells: &[AtomicU64], hash: u64, n: u64, limit: u64, now_ms: u64) -> Result<(), u64> {
        UserBudgets { cells, now_ms }.take_from_cell(hash, n, limit)
    }

    #[test]
    fn a_revocation_has_a_budget_of_its_own() {
        let cells = cells();
        let budgets = UserBudgets { cells: &cells, now_ms: 1_000_000 };
        let user = Uuid::from_bytes([7; 16]);
        let count = |budget, limit| (0..50).filter(|_| budgets.take(user, budget, limit)).count();
        assert_eq!(count(Budget::from(Operation::CreateUser), 3), 3);
        assert_eq!(count(Budget::from(Operation::FlushTokens), 3), 3);
        assert_eq!(count(Budget::Other, 0), 0, "0 allows nothing");
        assert_eq!(count(Budget::Other, -1), 50, "negative allows everything");
        assert!(budgets.take_many(Uuid::nil(), Budget::Other, 1, 0).is_ok(), "queued: some time");
    }

    #[test]
    fn a_user_has_a_minutes_worth_and_then_one_every_interval() {
        let cells = cells();
        let taken = (0..50).filter(|_| take(&cells, 42, 1, 10, 1_000_000).is_ok()).count();
        assert_eq!(taken, 10);
        assert!(take(&cells, 42, 1, 10, 1_000_000 + 5_999).is_err());
        assert!(take(&cells, 42, 1, 10, 1_000_000 + 6_000).is_ok());
        assert!(take(&cells, 42, 1, 10, 1_000_000 + 6_001).is_err());
        assert_eq!((0..50).filter(|_| take(&cells, 42, 1, 10, 1_100_000).is_ok()).count(), 10);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_shut_a_user_out() {
        let cells = cells();
        assert_eq!((0..50).filter(|_| take(&cells, 42, 1, 10, 10_000_000).is_ok()).count(), 10);
        // Whoever read the clock a moment earlier gets nothing on top.
        assert!(take(&cells, 42, 1, 10, 10_000_000 - 30_000).is_err());
        assert_eq!((0..50).filter(|_| take(&cells, 42, 1, 10, 1_000_000).is_ok()).count(), 10);
        assert!(take(&cells, 42, 1, 10, 1_000_000 + 6_000).is_ok());
        assert!(take(&cells, 42, 1, 10, 1_000_000 + 6_001).is_err());
    }

    #[test]
    fn users_do_not_pay_for_each_other() {
        let cells = cells();
        for user in 0..8_u64 {
            let hash = (user + 1) << TAT_BITS; // all in one set
            assert_eq!((0..50).filter(|_| take(&cells, hash, 1, 3, 1_000).is_ok()).count(), 3);
        }
    }

    #[test]
    fn several_requests_wait_until_there_are_so_many() {
        let cells = cells();
        assert_eq!(take(&cells, 42, 9, 10, 1_000_000), Ok(()));
        assert_eq!(take(&cells, 42, 2, 10, 1_000_000), Err(6_000));
        assert_eq!(take(&cells, 42, 1, 10, 1_000_000), Ok(()));
        // More than a minute's worth is a minute's worth: else it would wait for ever.
        assert_eq!(take(&cells, 43, 5, 2, 1_000_000), Ok(()));
    }
}
