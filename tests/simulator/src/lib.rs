//! A local, stateful stand-in for CometChat's REST v3 users API: table of contents.
//!
//! Start one with [`Simulator::start`] or [`Simulator::builder`], point a client at
//! [`Simulator::base_url`] with the key [`DEV_API_KEY`], and look at [`Simulator::requests`]
//! afterwards. The letters in comments (OA, PC, QA, ...) name the sources of the contract.

pub(crate) mod api; // what each REST operation answers
pub(crate) mod control; // the `/_control` endpoints
pub(crate) mod faults; // what can go wrong on request
pub(crate) mod net; // sockets, TLS, HTTP, raw bytes
pub(crate) mod state; // users, tokens, limits, the request journal

mod app_view;
mod builder;
mod in_process;
mod settings;
mod shared;
mod simulator;

pub use app_view::AppView;
pub use builder::Builder;
pub use faults::{Fault, FaultKind, FaultStatus};
pub use in_process::{Answer, InProcess};
pub use net::switch::ListenerState;
pub use settings::{
    HeaderStyle, Key, Limits, MetadataOnPut, RecordMode, Scope, Settings, DEFAULT_APP, DEV_API_KEY,
};
pub use shared::Filter;
pub use simulator::Simulator;
pub use state::counters::Counters;
pub use state::journal::{KeySeen, Recorded};
