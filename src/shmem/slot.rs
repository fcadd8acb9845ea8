//! What is shared about one database.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering,
};

use pgrx::pg_sys;
use sync::circuit_breaker::BreakerSnapshot;
use sync::import::Availability;
use sync::plan_quota::PlanQuota;
use sync::rate_limiter::Limiter;

use super::signs::Signs;
use super::spin_lock::SpinLock;
use super::stats::Stats;
use super::turn::Turn;

/// What the worker, the launcher and the sessions of one database share. A field outlives the
/// worker that wrote it unless its comment says otherwise; [`Slot::clear`] ends all of them.
pub struct Slot {
    /// Its oid; 0 while the slot is free. Written by the process that takes the slot.
    pub(super) database: AtomicU32,
    /// The worker's latch; null while there is none. Written by the worker, when it begins and ends.
    pub latch: AtomicPtr<pg_sys::Latch>,
    /// The worker's process id; 0 while there is none. Written like the latch.
    pub pid: AtomicI32,
    /// There is work that no worker has seen yet. Set by sessions, cleared by the worker before it
    /// polls.
    pub pending_wakeup: AtomicBool,
    /// An operator has paused the worker: it has ended, and the launcher starts no other.
    /// Set by the worker, cleared by `resume()`.
    pub paused_by_operator: AtomicBool,
    /// `resume()` was called: what held sending back is tried again at once. Cleared by the worker.
    pub start_over: AtomicBool,
    /// When the extension was created here, in Postgres's microseconds; 0 once there was work. Until
    /// then nothing is sent, since the rows may be those of a dump that is being restored.
    pub created_at: AtomicI64,
    /// The process that created it.
    pub creator: AtomicI32,
    /// Why the circuit breaker is open, as [`sync::error::PauseReason`] in numbers; 0 while it is
    /// closed. Written by the worker, cleared when it ends.
    pub breaker_reason: AtomicU32,
    /// Why nobody can be reached, as a number of [`sync::error::ErrorCode`]; 0 while somebody can. Callers
    /// try all the same. Written by the worker, cleared when it ends.
    pub outage: AtomicU32,
    /// The worker may not write (`default_transaction_read_only`). Written by the worker.
    pub read_only: AtomicBool,
    /// Whether the database has a background process, and for how long.
    pub turn: Turn,
    /// The open circuit breaker of a worker that made room; its successor takes it.
    pub breaker: SpinLock<Option<SavedBreaker>>,
    /// A hash of what a worker logged last, so that the next one does not log it again; or 0.
    pub last_complaint: AtomicU64,
    /// Requests that CometChat allows.
    pub limiter: SpinLock<Limiter>,
    /// Whether new users wait for room in the plan.
    pub quota: SpinLock<PlanQuota>,
    /// Whether CometChat's import is to be had.
    pub import: SpinLock<Availability>,
    /// Counters since the server's start.
    pub stats: Stats,
    /// What `health()` tells of the recent past.
    pub signs: SpinLock<Signs>,
}

/// The state of an open circuit breaker, between two workers of the database.
#[derive(Clone, Copy)]
pub struct SavedBreaker {
    pub snapshot: BreakerSnapshot,
    /// When the next probe may go, in Postgres's microseconds, which all processes share.
    pub until: i64,
    /// As in [`Slot::breaker_reason`].
    pub reason: u32,
}

impl Slot {
    pub(super) const fn new() -> Self {
        Slot {
            database: AtomicU32::new(0),
            latch: AtomicPtr::new(std::ptr::null_mut()),
            pid: AtomicI32::new(0),
            pending_wakeup: AtomicBool::new(false),
            paused_by_operator: AtomicBool::new(false),
            start_over: AtomicBool::new(false),
            created_at: AtomicI64::new(0),
            creator: AtomicI32::new(0),
            breaker_reason: AtomicU32::new(0),
            outage: AtomicU32::new(0),
            read_only: AtomicBool::new(false),
            turn: Turn::new(),
            breaker: SpinLock::new(None),
            last_complaint: AtomicU64::new(0),
            limiter: SpinLock::new(Limiter::new()),
            quota: SpinLock::new(PlanQuota::new()),
            import: SpinLock::new(Availability::new()),
            stats: Stats::new(),
            signs: SpinLock::new(Signs::new()),
        }
    }

    /// Frees the slot of a database that was dropped.
    pub(super) fn clear(&self) {
        self.pending_wakeup.store(false, Ordering::Release);
        self.paused_by_operator.store(false, Ordering::Release);
        self.start_over.store(false, Ordering::Release);
        self.created_at.store(0, Ordering::Release);
        self.breaker_reason.store(0, Ordering::Release);
        self.outage.store(0, Ordering::Release);
        self.read_only.store(false, Ordering::Release);
        self.turn.clear();
        self.breaker.with(|breaker| *breaker = None);
        self.last_complaint.store(0, Ordering::Release);
        self.limiter.with(|limiter| *limiter = Limiter::new());
        self.quota.with(|quota| *quota = PlanQuota::new());
        self.import.with(|import| *import = Availability::new());
        self.stats.clear(0);
        self.signs.with(|signs| *signs = Signs::new());
        self.database.store(0, Ordering::Release);
    }

    /// The database that the slot is about.
    pub fn database(&self) -> u32 {
        self.database.load(Ordering::Acquire)
    }
}
