//! Shared memory: what all sessions of the server know together.
//!
//! There only with `shared_preload_libraries`; without it each session has its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pgrx::shmem::AssertPGRXSharedMemory;
use pgrx::{pg_guard, pg_shmem_init, pg_sys, PgAtomic};

/// Users whose budgets are known at the same time: 128 KB of cells.
const BUDGETS: usize = 16 * 1024;

type Budgets = AssertPGRXSharedMemory<[AtomicU64; BUDGETS]>;

// SAFETY: the name is unique in this library; the contents are atomics, which processes may share.
static BUDGET_CELLS: PgAtomic<Budgets> = unsafe { PgAtomic::new(c"cometchat_ext budgets") };

/// Set in the postmaster, before any session is forked.
static PRELOADED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN_BUDGETS: Vec<AtomicU64> = (0..1024).map(|_| AtomicU64::new(0)).collect();
}

/// Asks the postmaster for our share. Call from `_PG_init`.
pub fn init() {
    // SAFETY: a plain global of the server, read on its main thread.
    if unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        PRELOADED.store(true, Ordering::Relaxed);
        // SAFETY: zeroed atomics are empty cells.
        pg_shmem_init!(
            BUDGET_CELLS =
                unsafe { AssertPGRXSharedMemory::new([const { AtomicU64::new(0) }; BUDGETS]) }
        );
    }
}

/// Whether the library came with `shared_preload_libraries`.
pub fn preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// The cells of the users' budgets.
pub fn with_budgets<T>(f: impl FnOnce(&[AtomicU64]) -> T) -> T {
    if preloaded() {
        f(&BUDGET_CELLS.get()[..])
    } else {
        OWN_BUDGETS.with(|own| f(own))
    }
}
