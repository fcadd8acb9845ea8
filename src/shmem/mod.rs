//! Shared memory: what all sessions of the server, the launcher and the workers know together.
//!
//! It exists only with `shared_preload_libraries`; without it each session has its own. Everything in
//! it is an atomic or stands behind a [`spin_lock::SpinLock`]: threads of the worker use it too, and may not
//! touch Postgres's locks.

mod memory; // the segment: its layout, and how a process reaches it
mod recent; // the latest entries of all databases, a bounded number
pub mod rolled_back; // users for whom a rolled-back transaction sent a request
mod side_effects; // what a transaction did that a rollback does not undo
pub mod signs; // what health() tells of the recent past
mod slot; // what is shared about one database
mod spin_lock; // a lock that threads may take
pub mod stats; // counters
pub mod turn; // which database has a background process, when there are too few
pub mod void_tokens; // stored tokens that CometChat has flushed
pub mod wake; // wakes the worker when the transaction commits

pub use memory::{get, has_slot, init, preloaded, slot, user_budgets, Shared, SLOTS};
pub use slot::{SavedBreaker, Slot};
