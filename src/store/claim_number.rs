//! The number that marks the claims of one worker, or of one session.

use pgrx::pg_sys;

use sync::model::{Certainty, UserRow};

use super::save::in_flight_ms;
use crate::pg::session;
use crate::shmem::wake;

/// A number for claims that no earlier worker had: the clock.
pub fn fresh_claim() -> i64 {
    session::now()
}

/// A number for the claims of this session. Negative, unlike a worker's, and not of all its bits:
/// the inverted upper half is this process, for a worker that asks whether it is still there.
pub fn session_claim() -> i64 {
    // SAFETY: set once, before any code of ours runs.
    let process = i64::from(unsafe { pg_sys::MyProcPid });
    !(process << 32 | fresh_claim() & i64::from(u32::MAX))
}

/// Whether the session whose number this is, another than this one, is still there.
pub fn is_claimed_elsewhere(claim: i64) -> bool {
    let process = i32::try_from(!claim >> 32).unwrap_or(0);
    // SAFETY: set once, before any code of ours runs.
    process != unsafe { pg_sys::MyProcPid } && session::is_running(process)
}

/// The process that claimed the user is gone, and nobody has freed the claim yet: a request of it may have an
/// effect still.
pub fn expect_requests_of_the_dead(row: &mut UserRow) {
    if let Some(known) = row.known.as_mut().filter(|known| known.claim.is_some()) {
        known.certainty = Certainty::InFlight(in_flight_ms());
    }
}

/// Whether a process has the user in flight: a worker, or a session's `process_queue()`, that is still
/// there.
pub fn is_in_flight(row: &UserRow) -> bool {
    match row.known.as_ref().and_then(|known| known.claim) {
        None => false,
        Some(claim) if claim < 0 => is_claimed_elsewhere(claim),
        Some(_) => wake::worker_is_up(),
    }
}
