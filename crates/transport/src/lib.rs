//! One ureq transport in which every wait belongs to the host program.
//!
//! `ureq` blocks inside the kernel; a Postgres backend must not. Here nothing blocks for longer
//! than a tick of the kernel's clock, and whoever makes the agent says how to wait ([`Wait`]): a
//! backend waits on its latch, a thread of the worker polls. Nothing in this crate knows Postgres.
#![forbid(unsafe_code)]

mod agent;
mod connect;
mod resolve;
mod reuse;
mod tcp;
mod tls;
mod tunnel;
mod wait;

pub use agent::{agent, AgentOptions, BadOption};
pub use reuse::no_new_connection;
pub use wait::{interrupted, Interest, Interrupted, PollWait, Wait};
