//! Which database has a background process, when there are fewer processes than databases.
//!
//! A worker says since when it is idle or at work; the launcher says when it is to make room for a
//! database that waits. Times are Postgres's microseconds, which all processes share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::pg::session::now;

/// A worker that has been idle for so long makes room first.
const MIN_IDLE: Duration = Duration::from_millis(500);

/// A busy worker makes room after this, if other databases wait.
const TIME_SLICE: Duration = Duration::from_secs(5);

/// A worker that made room is started again after this at the latest. A moment further ahead was
/// written before the clock was set back.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);

/// What a database's worker and the launcher know of each other.
pub struct Turn {
    /// Since when the worker has had nothing to do; 0 while it works. Written by the worker.
    idle_since: AtomicI64,
    /// Since when it has been at work. Written by the worker.
    began_at: AtomicI64,
    /// It is to make room. Written by the launcher, cleared by the next worker.
    make_room: AtomicBool,
    /// When the launcher is to start the next worker; 0 for not before there is work. Written by a
    /// worker that ends.
    restart_at: AtomicI64,
    /// Since when the database has waited for a process; 0 while it does not. Written by the launcher.
    waiting_since: AtomicI64,
    /// The process that was started last has become the database's worker. Written by the worker,
    /// cleared by the launcher.
    served: AtomicBool,
}

impl Turn {
    pub const fn new() -> Self {
        Turn {
            idle_since: AtomicI64::new(0),
            began_at: AtomicI64::new(0),
            make_room: AtomicBool::new(false),
            restart_at: AtomicI64::new(0),
            waiting_since: AtomicI64::new(0),
            served: AtomicBool::new(false),
        }
    }

    /// Forgets everything, for another database.
    pub fn clear(&self) {
        let Turn { idle_since, began_at, make_room, restart_at, waiting_since, served } = self;
        for moment in [idle_since, began_at, restart_at, waiting_since] {
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
            if elapsed(since) >= MIN_IDLE {
                self.began_at.store(now(), Ordering::Release);
            }
            self.idle_since.store(0, Ordering::Release);
        }
    }

    /// Whether the worker is to make room.
    pub fn must_make_room(&self) -> bool {
        self.make_room.load(Ordering::Acquire)
    }

    /// The worker is to make room.
    pub fn ask_for_room(&self) {
        self.make_room.store(true, Ordering::Release);
    }

    /// The order in which workers are asked to make room: idle ones before those whose time slice is
    /// over, and the longest idle or busy first. `None`: not yet.
    pub fn rank(&self) -> Option<(bool, i64)> {
        let (idle, began) =
            (self.idle_since.load(Ordering::Acquire), self.began_at.load(Ordering::Acquire));
        if idle != 0 && elapsed(idle) >= MIN_IDLE {
            Some((false, idle))
        } else if elapsed(began) >= TIME_SLICE {
            Some((true, began))
        } else {
            None
        }
    }

    /// The launcher is to start the next worker after `time`.
    pub fn restart_in(&self, time: Duration) {
        self.restart_at.store(moment_in(time.min(MAX_RESTART_DELAY)), Ordering::Release);
    }

    /// How long until the next worker is to be started; `None` when it need not be.
    pub fn restart_due_in(&self) -> Option<Duration> {
        let at = self.restart_at.load(Ordering::Acquire);
        let left = until(at);
        (at != 0).then_some(if left > MAX_RESTART_DELAY { Duration::ZERO } else { left })
    }

    /// No worker need be started before there is work.
    pub fn cancel_restart(&self) {
        self.restart_at.store(0, Ordering::Release);
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
