//! A spinlock that processes and threads may share.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value behind a spinlock. Hold it for moments only, and call nothing of Postgres meanwhile.
pub struct SpinLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through `with`, by one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub(super) const fn new(value: T) -> Self {
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
        assert!(!spin.locked.load(Ordering::Acquire), "every session would hang");
        spin.with(|value| *value += 1);
        assert_eq!(spin.with(|value| *value), 2);
    }
}
