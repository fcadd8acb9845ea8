//! Which requests go first, and how much of a limit is kept for them.

/// The smallest plan's limit, per minute ("Rate limits", REST API).
pub(super) const FIRST_LIMIT: u32 = 500;

/// Of 100 requests, those that the worker leaves to callers who wait, and to look ahead.
pub(super) const RESERVE_PERCENT: u32 = 3;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive,
    /// The queue.
    Worker,
}
