//! What a transaction has done outside of the database, where no rollback undoes it: each with the
//! subtransaction whose rollback would undo what was written of it.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys::{self, SubTransactionId};

/// Those of the current transaction. A thread-local of the main thread; emptied at the transaction's end.
pub struct SideEffects<T> {
    registered: Cell<bool>,
    entries: RefCell<Vec<(SubTransactionId, T)>>,
}

impl<T> SideEffects<T> {
    pub const fn new() -> Self {
        SideEffects { registered: Cell::new(false), entries: RefCell::new(Vec::new()) }
    }

    /// Registers the callbacks for the ends of transactions and subtransactions, at the first call.
    pub fn register(
        &self,
        at_end: unsafe extern "C-unwind" fn(pg_sys::XactEvent::Type, *mut std::ffi::c_void),
        at_subtransaction_end: unsafe extern "C-unwind" fn(
            pg_sys::SubXactEvent::Type,
            SubTransactionId,
            SubTransactionId,
            *mut std::ffi::c_void,
        ),
    ) {
        if self.registered.get() {
            return;
        }
        // SAFETY: registered once, or twice at worst, which is harmless; the callbacks stay valid,
        // since libraries are never unloaded.
        unsafe {
            pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(at_subtransaction_end), std::ptr::null_mut());
        }
        self.registered.set(true);
    }

    /// Adds one, of the current subtransaction; not the same twice in a row.
    pub fn push(&self, done: T)
    where
        T: PartialEq,
    {
        // SAFETY: reads the transaction's state.
        let entry = (unsafe { pg_sys::GetCurrentSubTransactionId() }, done);
        let mut entries = self.entries.borrow_mut();
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }

    /// Forgets those for which `which` is true.
    pub fn forget(&self, which: impl Fn(&T) -> bool) {
        self.entries.borrow_mut().retain(|(_, done)| !which(done));
    }

    /// A subtransaction was committed: its side effects are its parent's now.
    pub fn move_to_parent(&self, ended: SubTransactionId, parent: SubTransactionId) {
        for (within, _) in self.entries.borrow_mut().iter_mut() {
            if *within == ended {
                *within = parent;
            }
        }
    }

    /// Takes those of one subtransaction.
    pub fn take_subtransaction(&self, ended: SubTransactionId) -> Vec<T> {
        let all = self.entries.take();
        let (of, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(within, _)| *within == ended);
        self.entries.replace(others);
        of.into_iter().map(|(_, done)| done).collect()
    }

    /// Takes all.
    pub fn take(&self) -> Vec<T> {
        self.entries.take().into_iter().map(|(_, done)| done).collect()
    }
}
