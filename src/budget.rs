//! How many requests one untrusted user may cause: `cometchat.user_rate_limit` a minute, by calls and
//! by what calls and edits leave to the worker.
//!
//! A generic cell rate algorithm: a whole minute's requests at once, then one every
//! `60 s / limit`. A user is eight bytes: a tag and the moment at which the budget is whole again,
//! in a set of eight cells that its hash names. With the library preloaded the cells are shared by
//! all sessions; else each session counts for itself.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::Operation;
use pgrx::Uuid;

use crate::pg::{session, shared};

/// Cells that a user may be in. Whoever has been idle longest makes room.
const WAYS: usize = 8;

/// A budget is whole again within a minute. What lies further ahead, a process that stalls between
/// reading the clock and the cell allowed for, was written before the clock was set back.
const FURTHEST_AHEAD_MS: u64 = 120_000;

/// Bits of a cell that hold the moment, in milliseconds since 2020; the others hold the tag.
const TIME_BITS: u32 = 41;

/// What a request is for. Each use has a budget of its own: whoever has taken over a session, and
/// used up the user's requests, does not keep the user from ending all sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Revocation,
    Anything,
}

impl Use {
    pub fn of(operation: Operation) -> Use {
        match operation {
            Operation::FlushTokens => Use::Revocation,
            _ => Use::Anything,
        }
    }
}

/// Takes one request from the user's budget; `false` when there is none left.
pub fn take(user: Uuid, used: Use, per_minute: i32) -> bool {
    per_minute != 0 && take_for_later(user, used, 1, per_minute).is_ok()
}

/// Takes `requests` that the worker is to send.
///
/// # Errors
/// The milliseconds until there will be so many. A limit of 0 counts as 1 here: what was queued is
/// sent some time.
pub fn take_for_later(user: Uuid, used: Use, requests: u64, per_minute: i32) -> Result<(), u64> {
    let Ok(limit) = u64::try_from(per_minute) else {
        return Ok(()); // negative: no limit
    };
    let hash = hash(user.as_bytes());
    let hash = if used == Use::Revocation { hash.rotate_left(17) } else { hash };
    shared::with_budgets(|cells| {
        take_from(cells, hash, requests, limit.max(1), session::milliseconds_since_2020())
    })
}

fn take_from(
    cells: &[AtomicU64],
    hash: u64,
    requests: u64,
    limit: u64,
    now: u64,
) -> Result<(), u64> {
    // Of more than a minute's worth there would never be enough.
    let cost = (60_000 / limit) * requests.min(limit);
    let sets = cells.len() / WAYS;
    let set = (hash as usize % sets) * WAYS;
    let tag = (hash >> TIME_BITS).max(1); // 0 is an empty cell
    let set = &cells[set..set + WAYS];
    let whole_at = |cell: u64| match cell & ((1 << TIME_BITS) - 1) {
        whole if whole > now + FURTHEST_AHEAD_MS => 0,
        whole => whole,
    };
    loop {
        let mine = set.iter().find(|cell| cell.load(Ordering::Relaxed) >> TIME_BITS == tag);
        let cell = match mine {
            Some(cell) => cell,
            None => match set.iter().min_by_key(|cell| whole_at(cell.load(Ordering::Relaxed))) {
                Some(cell) => cell,
                None => return Ok(()), // cannot happen: a set has eight cells
            },
        };
        let old = cell.load(Ordering::Relaxed);
        let whole = if old >> TIME_BITS == tag { whole_at(old).max(now) } else { now };
        if whole + cost > now + 60_000 {
            return Err(whole + cost - now - 60_000);
        }
        let new = tag << TIME_BITS | (whole + cost);
        if cell.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Ok(());
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

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    fn cells() -> Vec<AtomicU64> {
        (0..64).map(|_| AtomicU64::new(0)).collect()
    }

    #[pg_test]
    fn a_user_has_a_minutes_worth_and_then_one_every_interval() {
        let cells = cells();
        let taken = (0..50).filter(|_| take_from(&cells, 42, 1, 10, 1_000_000).is_ok()).count();
        assert_eq!(taken, 10);
        assert!(take_from(&cells, 42, 1, 10, 1_000_000 + 5_999).is_err());
        assert!(take_from(&cells, 42, 1, 10, 1_000_000 + 6_000).is_ok());
        assert!(take_from(&cells, 42, 1, 10, 1_000_000 + 6_001).is_err());
        assert_eq!((0..50).filter(|_| take_from(&cells, 42, 1, 10, 1_100_000).is_ok()).count(), 10);
    }

    #[pg_test]
    fn a_clock_that_was_set_back_does_not_shut_a_user_out() {
        let cells = cells();
        assert_eq!(
            (0..50).filter(|_| take_from(&cells, 42, 1, 10, 10_000_000).is_ok()).count(),
            10
        );
        // Whoever read the clock a moment earlier gets nothing on top.
        assert!(take_from(&cells, 42, 1, 10, 10_000_000 - 30_000).is_err());
        assert_eq!((0..50).filter(|_| take_from(&cells, 42, 1, 10, 1_000_000).is_ok()).count(), 10);
        assert!(take_from(&cells, 42, 1, 10, 1_000_000 + 6_000).is_ok());
        assert!(take_from(&cells, 42, 1, 10, 1_000_000 + 6_001).is_err());
    }

    #[pg_test]
    fn users_do_not_pay_for_each_other() {
        let cells = cells();
        for user in 0..8_u64 {
            let hash = (user + 1) << TIME_BITS; // all in one set
            assert_eq!((0..50).filter(|_| take_from(&cells, hash, 1, 3, 1_000).is_ok()).count(), 3);
        }
    }

    #[pg_test]
    fn several_requests_wait_until_there_are_so_many() {
        let cells = cells();
        assert_eq!(take_from(&cells, 42, 9, 10, 1_000_000), Ok(()));
        assert_eq!(take_from(&cells, 42, 2, 10, 1_000_000), Err(6_000));
        assert_eq!(take_from(&cells, 42, 1, 10, 1_000_000), Ok(()));
        // More than a minute's worth is a minute's worth: else it would wait for ever.
        assert_eq!(take_from(&cells, 43, 5, 2, 1_000_000), Ok(()));
    }
}
