//! The second half of the product: whatever was committed reaches CometChat by itself.
//!
//! By state, not by event: a row in `cometchat.sync_state` says what CometChat should have and
//! what it has. [`worker`] claims the rows that differ ([`queue`]), has threads bring them to
//! agreement ([`job`], [`pool`]) with no transaction open, and writes the outcome ([`outbox`],
//! [`finish`]). [`launcher`] starts a worker for each database that has the extension. [`retry`]
//! decides when to try again, [`cometchat::limiter`] how fast to go, [`suspects`] whom a failure concerns,
//! [`quota`] whether new users wait. Where there are fewer processes than databases, workers make [`room`]
//! for each other. [`sweep`] looks for what no trigger saw.

pub mod begin;
pub mod brake;
pub mod finish;
pub mod foreground;
pub mod job;
pub mod launcher;
pub mod look;
pub mod outbox;
pub mod pool;
pub mod queue;
pub mod quota;
pub mod retry;
pub mod room;
pub mod suspects;
pub mod sweep;
pub mod threads;
pub mod worker;
