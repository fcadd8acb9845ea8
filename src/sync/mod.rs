//! The second half of the product: whatever was committed reaches CometChat by itself.
//!
//! By state, not by event: a row in `cometchat.sync_state` says what CometChat should have and
//! what it has. [`worker`] claims the rows that differ ([`queue`]), has threads bring them to
//! agreement ([`job`], [`pool`]) with no transaction open, and writes the outcome ([`outbox`],
//! [`finish`]). [`launcher`] starts a worker for each database that has the extension. [`retry`]
//! decides when to try again, [`limiter`] how fast to go.

pub mod brake;
pub mod finish;
pub mod foreground;
pub mod job;
pub mod launcher;
pub mod limiter;
pub mod look;
pub mod outbox;
pub mod pool;
pub mod queue;
pub mod retry;
pub mod threads;
pub mod worker;
