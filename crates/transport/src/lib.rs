//! One ureq transport in which every wait belongs to the host program.
//!
//! `ureq` blocks inside the kernel; a Postgres backend must not. Here nothing blocks for longer
//! than a tick of the kernel's clock, and the caller that makes the agent says how to wait ([`Wait`]):
//! a backend waits on its latch, a thread of the worker polls. Nothing in this crate knows Postgres.
#![forbid(unsafe_code)]

mod agent; // the pieces put together
mod connect; // opens connections: name, TCP, tunnel
mod resolve; // name resolution that cannot hang its caller
mod reuse; // whether a request went over a pooled connection
mod tcp; // reads and writes on a connection
mod tls; // one TLS configuration for each agent
mod tunnel; // CONNECT through a proxy
mod wait; // how to wait for a socket

pub use agent::{agent, AgentOptions, BadOption};
pub use reuse::no_new_connection;
pub use wait::{interrupted, Interest, Interrupted, PollWait, Wait};
