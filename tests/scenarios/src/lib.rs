//! Scenario tests on real servers: what they stand on.
//!
//! Each file in `tests/` is a chapter of the specification. A test makes a [`Stack`] (a database
//! of its own in the shared cluster, and a simulator of its own), talks SQL as the extension's users
//! do, and looks at what CometChat got. The shared cluster starts with the first test that needs
//! it and stops with the process; `COMETCHAT_CLUSTER` names the folder of one that runs already.
//! Tests that stop or kill a server start a [`Cluster`] of their own.

pub mod backlog;
pub mod blocked_session;
pub mod catalog;
mod cluster;
mod cluster_guard;
mod database;
pub mod database_variant;
pub mod document;
mod dump;
pub mod edition;
mod encoding;
pub mod environment;
mod fault_server;
mod findings;
pub mod health;
mod kill;
pub mod load;
mod mutate;
mod name_server;
mod pg_copy;
pub mod population;
mod process;
mod proxy;
mod psql;
mod queue_by_hand;
mod release;
mod rights_trap;
mod session;
mod stack;
mod stored;
mod sync_progress;
pub mod twins;
mod wait;
pub mod walk;

pub use cluster::{is_installed, major, root, Cluster};
pub use database::Database;
pub use encoding::{Encoding, Reader};
pub use fault_server::{drain, read_request, FaultServer, Stage};
pub use findings::Findings;
pub use mutate::Mutator;
pub use name_server::{NameServer, Names};
pub use pg_copy::PgCopy;
pub use process::Process;
pub use proxy::ConnectProxy;
pub use release::Release;
pub use rights_trap::RightsTrap;
pub use session::{Answer, Session};
pub use stack::{Stack, APP, NOTHING};
pub use stored::Stored;
pub use wait::{eventually, in_three_tries, in_tries, wait_until_aged, within};
