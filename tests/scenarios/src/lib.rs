//! Scenario tests on real servers: what they stand on.
//!
//! Each file in `tests/` is a chapter of the specification. A test makes a [`Stack`] (a database
//! of its own in the shared cluster, and a simulator of its own), talks SQL as the extension's users
//! do, and looks at what CometChat got. The shared cluster starts with the first test that needs
//! it and stops with the process; `COMETCHAT_CLUSTER` names the folder of one that runs already.
//! Tests that stop or kill a server start a [`Cluster`] of their own.

mod arrival;
pub mod bed;
pub mod busy;
mod cluster;
mod cluster_guard;
pub mod crowd;
mod database;
mod dump;
mod encoding;
pub mod environment;
mod fault_server;
mod findings;
mod kill;
mod mutate;
mod name_server;
mod process;
mod proxy;
mod session;
mod stack;
mod stored;
mod trap;
mod tree;
mod wait;
pub mod walk;

pub use cluster::Cluster;
pub use database::Database;
pub use encoding::{Encoding, Reader};
pub use fault_server::{drain, read_request, FaultServer, Stage};
pub use findings::Findings;
pub use mutate::Mutator;
pub use name_server::{NameServer, Names};
pub use process::Process;
pub use proxy::ConnectProxy;
pub use session::{Answer, Session};
pub use stack::{Stack, APP, NOTHING};
pub use stored::Stored;
pub use trap::Trap;
pub use tree::Tree;
pub use wait::{aged, eventually, in_three_tries, in_tries, within};
