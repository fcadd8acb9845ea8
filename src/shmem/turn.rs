//! Whose turn it is: there may be more databases than background processes.
//!
//! A worker says since when it is idle or at work; the launcher says when it is to make room for a
//! database that waits. Times are Postgres's own, which all processes share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

/// A worker that has been idle for so long makes room first.
const IDLE: Duration = Duration::from_millis(500);

/// A worker that is busy hands over after this, if others wait.
const SLICE: Duration = Duration::from_secs(5);

/// A database without a process is looked at after this at the latest. What lies further ahead was
/// written before the clock was set back.
const LONGEST: Duration = Duration::from_secs(60);

/// What a database's worker and the launcher know of each other.
pub struct Turn {
    /// Since when the worker has had nothing to do; 0 while it has.
    idle_since: AtomicI64,
    /// Since when it has been at work.
    began_at: AtomicI64,
    /// It is to hand its process over.
    make_room: AtomicBool,
    /// When a database without a worker is to be looked at; 0 for never.
    look_at: AtomicI64,
    /// Since when the database has waited for a process; 0 while it does not.
    waiting_since: AtomicI64,
    /// The process that was started last has become the database's worker.
    served: AtomicBool,
}

impl Turn {
    pub const fn new() -> Self {
        Turn {
            idle_since: AtomicI64::new(0),
            began_at: AtomicI64::new(0),
            make_room: AtomicBool::new(false),
            look_at: AtomicI64::new(0),
            waiting_since: AtomicI64::new(0),
            served: AtomicBool::new(false),
        }
    }

    /// Forgets everything, for another database.
    pub fn clear(&self) {
        let Turn { idle_since, began_at, make_room, look_at, waiting_since, served } = self;
        for moment in [idle_since, began_at, look_at, waiting_since] {
            moment.store(0, Ordering::Release);
        }
        make_room.store(false, Ordering::Release);
        served.store(false, Ordering::Release);
    }

    /// A worker begins.
    pub fn begin(&self) {
        self.clear();
        self.began_at.store(now(), Ordering::Release);
        self.served.store(true, Ordering::Release);
    }

    /// The worker is idle now, or is not.
    pub fn set_idle(&self, idle: bool) {
        let since = self.idle_since.load(Ordering::Acquire);
        if idle && since == 0 {
            self.idle_since.store(now(), Ordering::Release);
        } else if !idle && since != 0 {
            // Short pauses do not make the turn of a busy database longer.
            if elapsed(since) >= IDLE {
                self.began_at.store(now(), Ordering::Release);
            }
            self.idle_since.store(0, Ordering::Release);
        }
    }

    /// Whether the worker is to hand its process over.
    pub fn must_make_room(&self) -> bool {
        self.make_room.load(Ordering::Acquire)
    }

    /// The worker is to hand its process over.
    pub fn ask_for_room(&self) {
        self.make_room.store(true, Ordering::Release);
    }

    /// Whom to ask for room: those that are idle before those whose slice is over, and whoever has
    /// been so for longest first. `None`: nobody needs to yet.
    pub fn rank(&self) -> Option<(bool, i64)> {
        let (idle, began) =
            (self.idle_since.load(Ordering::Acquire), self.began_at.load(Ordering::Acquire));
        if idle != 0 && elapsed(idle) >= IDLE {
            Some((false, idle))
        } else if elapsed(began) >= SLICE {
            Some((true, began))
        } else {
            None
        }
    }

    /// Without a worker, the database is to be looked at after `time`.
    pub fn look_in(&self, time: Duration) {
        self.look_at.store(moment_in(time.min(LONGEST)), Ordering::Release);
    }

    /// How long until the database is to be looked at; `None` when it need not be.
    pub fn look_due_in(&self) -> Option<Duration> {
        let at = self.look_at.load(Ordering::Acquire);
        let left = until(at);
        (at != 0).then_some(if left > LONGEST { Duration::ZERO } else { left })
    }

    /// Nobody need look any more.
    pub fn look_no_more(&self) {
        self.look_at.store(0, Ordering::Release);
    }

    /// The database waits for a process, or does not any more.
    pub fn set_waiting(&self, waiting: bool) {
        if !waiting {
            self.waiting_since.store(0, Ordering::Release);
        } else if self.waiting_since.load(Ordering::Acquire) == 0 {
            self.waiting_since.store(now(), Ordering::Release);
        }
    }

    /// For how long the database has waited for a process.
    pub fn waiting_for(&self) -> Option<Duration> {
        let since = self.waiting_since.load(Ordering::Acquire);
        (since != 0).then(|| elapsed(since))
    }

    /// Whether the process that was started last became the database's worker; asked once.
    pub fn has_served(&self) -> bool {
        self.served.swap(false, Ordering::AcqRel)
    }
}

fn now() -> i64 {
    // SAFETY: a function without preconditions.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// The moment after `time` from now.
pub fn moment_in(time: Duration) -> i64 {
    now() + i64::try_from(time.as_micros()).unwrap_or(0)
}

/// How long until a moment.
pub fn until(moment: i64) -> Duration {
    u64::try_from(moment - now()).map_or(Duration::ZERO, Duration::from_micros)
}

/// Since a moment; none, if the clock was set back.
fn elapsed(since: i64) -> Duration {
    u64::try_from(now() - since).map_or(Duration::ZERO, Duration::from_micros)
}
