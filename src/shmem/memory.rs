//! The shared segment: its layout, and how a process reaches its part of it.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use pgrx::{pg_guard, pg_shmem_init, pg_sys, PGRXSharedMemory, PgAtomic};
use sync::user_rate_limit::UserBudgets;
use uuid::Uuid;

use super::recent::Recent;
use super::slot::Slot;
use crate::pg::session;

/// Users whose rate limits are known at the same time: 128 KB of cells.
const RATE_LIMIT_CELLS: usize = 16 * 1024;

/// The same for a session that has its own.
const OWN_RATE_LIMIT_CELLS: usize = 1024;

/// Databases that can have a worker.
pub const SLOTS: usize = 64;

/// What is shared. It lives from the server's start to its end, or to a crash.
pub struct Shared {
    /// The launcher's latch; null while there is none. Written by the launcher.
    pub launcher: AtomicPtr<pg_sys::Latch>,
    /// Databases that wait for a background process. Written by the launcher.
    pub waiting: AtomicU32,
    slots: [Slot; SLOTS],
    /// Read and written by sessions; see `sync::user_rate_limit`.
    rate_limits: [AtomicU64; RATE_LIMIT_CELLS],
    /// See [`super::void_tokens`].
    void_tokens: Recent<Void>,
    /// See [`super::rolled_back`].
    rolled_back: Recent<Uuid>,
}

/// A token that CometChat has flushed, or may have, though it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Void {
    pub user: Uuid,
    /// The token's hash.
    pub token: u64,
}

// SAFETY: plain data, atomics and pointers into shared memory that are the same in all processes.
unsafe impl PGRXSharedMemory for Shared {}

// SAFETY: the name is unique in this library.
static SHARED: PgAtomic<Shared> = unsafe { PgAtomic::new(c"cometchat_ext") };

/// Set in the postmaster, before any session is forked.
static PRELOADED: AtomicBool = AtomicBool::new(false);

thread_local! {
    // A session's own, where the library is not preloaded.
    static OWN_RATE_LIMITS: Vec<AtomicU64> =
        (0..OWN_RATE_LIMIT_CELLS).map(|_| AtomicU64::new(0)).collect();
    static OWN_SLOT: &'static Slot = Box::leak(Box::new(Slot::new()));
    static OWN_VOID_TOKENS: &'static Recent<Void> = Box::leak(Box::new(Recent::new()));
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
                rate_limits: [const { AtomicU64::new(0) }; RATE_LIMIT_CELLS],
                void_tokens: Recent::new(),
                rolled_back: Recent::new(),
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

/// Runs `f` with what each untrusted user may still cause, as of now.
pub fn user_budgets<T>(f: impl FnOnce(UserBudgets) -> T) -> T {
    let now_ms = session::milliseconds_since_2020();
    match get() {
        Some(shared) => f(UserBudgets { cells: &shared.rate_limits, now_ms }),
        None => OWN_RATE_LIMITS.with(|own| f(UserBudgets { cells: own, now_ms })),
    }
}

/// The tokens that are void though they are stored.
pub(super) fn void_tokens() -> &'static Recent<Void> {
    get().map_or_else(|| OWN_VOID_TOKENS.with(|own| *own), |shared| &shared.void_tokens)
}

/// Users whose transaction sent something and was rolled back; `None` unless preloaded.
pub(super) fn rolled_back() -> Option<&'static Recent<Uuid>> {
    get().map(|shared| &shared.rolled_back)
}

/// Whether this database has a slot in shared memory, or can have one.
pub fn has_slot() -> bool {
    get().is_some_and(|shared| shared.slot(session::database()).is_some())
}

/// The slot of the database that this process is connected to: the shared one, or the session's
/// own where there is none.
pub fn slot() -> &'static Slot {
    let shared = get().and_then(|shared| shared.slot(session::database()));
    shared.unwrap_or_else(|| OWN_SLOT.with(|own| *own))
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

    /// Frees the slots of databases that were dropped. Call with the slots' databases read before
    /// `existing`, the list of those that exist: a database whose slot is older than the list, and
    /// which is not in it, was dropped, and no process can be connected to it.
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
