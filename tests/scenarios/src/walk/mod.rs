//! Random walks: what people and CometChat do to many users, from a seed, and what must hold once
//! everything has come to rest.
//!
//! Each user has a [`Plan`] of their own, faults included, which are bound to that user: whoever
//! is found in a wrong state has a short story, and [`shrink()`] looks for the shortest one that
//! goes wrong again. What concerns everybody is the [`Disturbance`].

mod actor;
mod check;
mod disturbance;
mod event;
mod run;
mod shrink;

pub use actor::Actor;
pub use check::{check, drain, Violation};
pub use disturbance::Disturbance;
pub use event::{Event, Plan, Step, Trouble};
pub use run::{Report, Walk};
pub use shrink::shrink;
