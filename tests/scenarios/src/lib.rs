//! Scenario tests on real servers: what they stand on.
//!
//! Each file in `tests/` is a chapter of the specification. A test makes a [`Stack`] (a database
//! of its own in the shared cluster, and a simulator of its own), talks SQL as the people who use
//! the extension do, and looks at what CometChat got. `make test` starts the shared cluster;
//! `COMETCHAT_CLUSTER` names its folder. Tests that stop or kill a server start a [`Cluster`].

mod cluster;
mod database;
mod session;
mod stack;

pub use cluster::Cluster;
pub use database::Database;
pub use session::{Answer, Session};
pub use stack::{Stack, APP};
