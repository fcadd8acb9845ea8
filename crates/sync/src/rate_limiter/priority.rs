//! Which requests go first, and how much of a limit is kept for them.

/// The smallest plan's limit, per minute ("Rate limits", REST API).
pub(super) const FIRST_LIMIT: u32 = 500;

/// The import's, on every plan ("Data import", constraints).
pub(super) const FIRST_IMPORT_LIMIT: u32 = 60;

/// What the worker leaves of an announced window to callers who wait, and to look whether the window is
/// over: one request in 40, within bounds. With one in 50, or with two of 100, the model (`model.rs`)
/// finds worlds in which a look is refused; 60 are enough however large the limit is.
pub(super) fn reserve(limit: u32) -> u32 {
    match limit {
        0..100 => 2,
        _ => (limit / 40).clamp(3, 60),
    }
}

/// What the backlog leaves besides, of 100 requests, when an announced window begins; less and less
/// until it ends, so that nothing of the window is lost.
pub(super) const BACKLOG_RESERVE_PERCENT: u32 = 25;

/// Where no window is announced, the backlog sends no more than its share in any so many seconds: then
/// the next request is never far away for people.
pub(super) const BACKLOG_SPREAD_SECONDS: u32 = 2;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive,
    /// The queue: somebody did something, and does not wait.
    Worker,
    /// The queue, where nobody did anything: `cometchat.backfill()`, say.
    Backlog,
}

impl Priority {
    /// Of work from the queue.
    pub fn of_queued(backlog: bool) -> Priority {
        if backlog {
            Priority::Backlog
        } else {
            Priority::Worker
        }
    }

    /// Where no window is announced: of 100 requests, those that are left to the ones above.
    pub(super) fn reserve_percent(self) -> u32 {
        match self {
            Priority::Interactive => 0,
            Priority::Worker => 1,
            Priority::Backlog => 3,
        }
    }
}
