//! Faults: table of contents.

pub mod book;
pub mod effect;
pub mod kind;
pub mod rule;

pub use book::FaultStatus;
pub use kind::FaultKind;
pub use rule::Fault;
