//! Shared memory: what all sessions of the server, the launcher and the workers know together.
//!
//! There only with `shared_preload_libraries`; without it each session has its own. Everything in
//! it is an atomic or stands behind a spinlock of ours: threads of the worker use it too, and may
//! not touch Postgres's locks.

pub mod rolled_back;
pub mod stats;
pub mod turn;
mod undoable;
pub mod void_tokens;
pub mod wake;

use std::cell::UnsafeCell;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use pgrx::{pg_guard, pg_shmem_init, pg_sys, PGRXSharedMemory, PgAtomic};
use sync::rate_limiter::Limiter;

use sync::circuit_breaker::BreakerSnapshot;
use sync::plan_quota::PlanQuota;
use sync::user_rate_limit::UserBudgets;

use crate::pg::session;
use rolled_back::Undone;
use stats::Stats;
use turn::Turn;
use void_tokens::VoidTokens;

/// Users whose budgets are known at the same time: 128 KB of cells.
const BUDGETS: usize = 16 * 1024;

/// Databases that can have a worker.
pub const SLOTS: usize = 64;

/// What is shared.
pub struct Shared {
    /// The launcher's latch; null while there is none.
    pub launcher: AtomicPtr<pg_sys::Latch>,
    /// Databases that wait for a background process.
    pub waiting: AtomicU32,
    slots: [Slot; SLOTS],
    budgets: [AtomicU64; BUDGETS],
    /// Of all databases.
    void_tokens: VoidList,
    /// Of all databases.
    undone: UndoneList,
}

/// Users whose transaction was rolled back, and how many there are.
struct UndoneList {
    list: SpinLock<Undone>,
    count: AtomicUsize,
}

/// Void tokens, and how many there are.
struct VoidList {
    list: SpinLock<VoidTokens>,
    count: AtomicUsize,
}

impl VoidList {
    const fn new() -> Self {
        VoidList { list: SpinLock::new(VoidTokens::new()), count: AtomicUsize::new(0) }
    }
}

/// What is shared about one database.
pub struct Slot {
    /// Its oid; 0 while the slot is free.
    database: AtomicU32,
    /// The worker's latch; null while there is none.
    pub latch: AtomicPtr<pg_sys::Latch>,
    /// The worker's process id; 0 while there is none.
    pub pid: AtomicI32,
    /// Somebody has work, and no worker has taken notice yet.
    pub pending_wakeup: AtomicBool,
    /// An operator has breaker_reason the worker: it is gone, and nobody starts it.
    pub paused_by_operator: AtomicBool,
    /// When the extension was created here, in Postgres's microseconds, and by which process; until
    /// somebody has work, nothing is sent, since what is there may be a dump that is coming in.
    pub created_at: AtomicI64,
    pub creator: AtomicI32,
    /// Why sending is breaker_reason: an index into the failure codes, 0 when it is not.
    pub breaker_reason: AtomicU32,
    /// Its worker may not write (`default_transaction_read_only`).
    pub read_only: AtomicBool,
    /// Whether it has a background process, and for how long.
    pub turn: Turn,
    /// Why the last worker held sending back when it made room: the next one goes on with it.
    pub breaker: SpinLock<Option<KeptBreaker>>,
    /// What a worker last complained of, so that the next does not say it again: a hash, or 0.
    pub complaint: AtomicU64,
    /// Requests that CometChat allows.
    pub limiter: SpinLock<Limiter>,
    /// Whether new users wait for room in the plan.
    pub quota: SpinLock<PlanQuota>,
    /// Counters since start.
    pub stats: Stats,
}

impl Slot {
    const fn new() -> Self {
        Slot {
            database: AtomicU32::new(0),
            latch: AtomicPtr::new(std::ptr::null_mut()),
            pid: AtomicI32::new(0),
            pending_wakeup: AtomicBool::new(false),
            paused_by_operator: AtomicBool::new(false),
            created_at: AtomicI64::new(0),
            creator: AtomicI32::new(0),
            breaker_reason: AtomicU32::new(0),
            read_only: AtomicBool::new(false),
            turn: Turn::new(),
            breaker: SpinLock::new(None),
            complaint: AtomicU64::new(0),
            limiter: SpinLock::new(Limiter::new()),
            quota: SpinLock::new(PlanQuota::new()),
            stats: Stats::new(),
        }
    }

    fn clear(&self) {
        self.pending_wakeup.store(false, Ordering::Release);
        self.paused_by_operator.store(false, Ordering::Release);
        self.created_at.store(0, Ordering::Release);
        self.breaker_reason.store(0, Ordering::Release);
        self.read_only.store(false, Ordering::Release);
        self.turn.clear();
        self.breaker.with(|breaker| *breaker = None);
        self.complaint.store(0, Ordering::Release);
        self.limiter.with(|limiter| *limiter = Limiter::new());
        self.quota.with(|quota| *quota = PlanQuota::new());
        self.stats.clear();
        self.database.store(0, Ordering::Release);
    }

    /// The database that the slot is about.
    pub fn database(&self) -> u32 {
        self.database.load(Ordering::Acquire)
    }
}

/// An open circuit breaker between two workers of the database.
#[derive(Clone, Copy)]
pub struct KeptBreaker {
    pub snapshot: BreakerSnapshot,
    /// When the next probe may go, in Postgres's time, which all processes share.
    pub until: i64,
    /// As in [`Slot::breaker_reason`].
    pub reason: u32,
}

/// A value behind a spinlock that processes and threads may share. Hold it for moments only, and
/// call nothing of Postgres meanwhile.
pub struct SpinLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through `with`, by one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    const fn new(value: T) -> Self {
        SpinLock { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Runs `f` on the value.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        while self
            .locked
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            std::hint::spin_loop();
            std::thread::yield_now();
        }
        let _unlock = Unlock(&self.locked);
        // SAFETY: the flag is ours until it is cleared, after `f` or a panic in it.
        f(unsafe { &mut *self.value.get() })
    }
}

/// Opens the spinlock however its holder leaves: one that stays closed would hang every session.
struct Unlock<'a>(&'a AtomicBool);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

// SAFETY: plain data, atomics and pointers into shared memory that are the same in all processes.
unsafe impl PGRXSharedMemory for Shared {}

// SAFETY: the name is unique in this library.
static SHARED: PgAtomic<Shared> = unsafe { PgAtomic::new(c"cometchat_ext") };

/// Set in the postmaster, before any session is forked.
static PRELOADED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN_BUDGETS: Vec<AtomicU64> = (0..1024).map(|_| AtomicU64::new(0)).collect();
    static OWN_SLOT: &'static Slot = Box::leak(Box::new(Slot::new()));
    static OWN_VOID_TOKENS: &'static VoidList = Box::leak(Box::new(VoidList::new()));
}

/// Asks the postmaster for our share. Call from `_PG_init`.
pub fn init() {
    // SAFETY: a plain global of the server, read on its main thread.
    if unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        PRELOADED.store(true, Ordering::Relaxed);
        pg_shmem_init!(
            SHARED = Shared {
                launcher: AtomicPtr::new(std::ptr::null_mut()),
                waiting: AtomicU32::new(0),
                slots: [const { Slot::new() }; SLOTS],
                budgets: [const { AtomicU64::new(0) }; BUDGETS],
                void_tokens: VoidList::new(),
                undone: UndoneList {
                    list: SpinLock::new(Undone::new()),
                    count: AtomicUsize::new(0)
                },
            }
        );
    }
}

/// Whether the library came with `shared_preload_libraries`.
pub fn preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// What is shared; `None` unless preloaded.
pub fn get() -> Option<&'static Shared> {
    preloaded().then(|| SHARED.get())
}

/// What each untrusted user may still cause, as of now.
pub fn user_budgets<T>(f: impl FnOnce(UserBudgets) -> T) -> T {
    let now_ms = session::milliseconds_since_2020();
    match get() {
        Some(shared) => f(UserBudgets { cells: &shared.budgets, now_ms }),
        None => OWN_BUDGETS.with(|own| f(UserBudgets { cells: own, now_ms })),
    }
}

/// The tokens that are void though they are stored.
pub fn with_void_tokens<T>(f: impl FnOnce(&mut VoidTokens) -> T) -> T {
    let void_tokens = void_tokens();
    void_tokens.list.with(|list| {
        let value = f(list);
        void_tokens.count.store(list.count(), Ordering::Release);
        value
    })
}

/// Whether there are any: as a rule there are none, and nobody waits to learn that.
pub fn any_void_tokens() -> bool {
    void_tokens().count.load(Ordering::Acquire) > 0
}

/// Users whose transaction sent something and was rolled back. Nothing without the library preloaded.
pub fn with_undone<T: Default>(f: impl FnOnce(&mut Undone) -> T) -> T {
    get().map_or_else(T::default, |shared| {
        shared.undone.list.with(|list| {
            let value = f(list);
            shared.undone.count.store(list.count(), Ordering::Release);
            value
        })
    })
}

/// Whether there are any.
pub fn any_undone() -> bool {
    get().is_some_and(|shared| shared.undone.count.load(Ordering::Acquire) > 0)
}

fn void_tokens() -> &'static VoidList {
    get().map_or_else(|| OWN_VOID_TOKENS.with(|own| *own), |shared| &shared.void_tokens)
}

/// Whether this database has a slot in shared memory, or can have one.
pub fn has_place() -> bool {
    // SAFETY: as below.
    let database: u32 = unsafe { pg_sys::MyDatabaseId }.into();
    get().is_some_and(|shared| shared.slot(database).is_some())
}

/// The slot of the database that this process is connected to: the shared one, or the session's
/// own where there is none.
pub fn slot() -> &'static Slot {
    // SAFETY: a global that is set for good when the backend connects.
    let database: u32 = unsafe { pg_sys::MyDatabaseId }.into();
    get().and_then(|shared| shared.slot(database)).unwrap_or_else(|| OWN_SLOT.with(|own| *own))
}

impl Shared {
    /// The database's slot, if it has one.
    pub fn known_slot(&self, database: u32) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.database() == database)
    }

    /// The database's slot, taken if it has none; `None` when all are taken.
    pub fn slot(&self, database: u32) -> Option<&Slot> {
        if let Some(known) = self.known_slot(database) {
            return Some(known);
        }
        self.slots.iter().find(|slot| {
            let taken =
                slot.database.compare_exchange(0, database, Ordering::AcqRel, Ordering::Acquire);
            taken.is_ok() || taken == Err(database)
        })
    }

    /// Gives back the slots of databases that are gone. Call with the slots' databases read before
    /// `existing`, the list of those that exist: a database whose slot is older than the list, and
    /// which is not in it, was dropped, and nobody can be connected to it.
    pub fn free_dropped_databases(&self, seen: &[u32], existing: &[u32]) {
        for slot in self.slots().filter(|slot| seen.contains(&slot.database())) {
            let gone = !existing.contains(&slot.database());
            if gone && slot.pid.load(Ordering::Acquire) == 0 {
                slot.clear();
            }
        }
    }

    /// Whether there is a launcher.
    pub fn has_launcher(&self) -> bool {
        !self.launcher.load(Ordering::Acquire).is_null()
    }

    /// Whether every slot is taken.
    pub fn is_full(&self) -> bool {
        self.slots.iter().all(|slot| slot.database() != 0)
    }

    /// Slots in use.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.database() != 0)
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    #[pg_test]
    fn a_panic_inside_a_spinlock_leaves_it_open() {
        let spin = SpinLock::new(1);
        let panics = std::panic::AssertUnwindSafe(|| spin.with(|_| panic!("a mistake of ours")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(!spin.locked.load(Ordering::Acquire), "it would be waited for for ever");
        spin.with(|value| *value += 1);
        assert_eq!(spin.with(|value| *value), 2);
    }
}
