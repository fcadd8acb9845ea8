//! A small, careful client for the users part of CometChat's REST API (v3).
//!
//! It knows nothing of PostgreSQL, starts no threads, keeps no state besides the
//! caller's `ureq::Agent`, and does not panic on anything a server may answer.
//! Facts about the API come from CometChat's public documentation; the comments
//! name the page. Where pages disagree, both readings are accepted.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answer; // the envelope: `{"data":..}` or `{"error":..}`
mod body; // an answer's body, never beyond its cap
mod bulk; // several users per request: deactivate, reactivate, import
mod client; // Client: where requests go, by when, who watches
mod error; // Error, and what the rest of the program does about it (ErrorKind)
mod exchange; // one request on the wire, one retry on a stale connection
mod key; // the REST API key
mod kind; // CometChat's error codes and HTTP statuses -> ErrorKind
pub mod limits; // CometChat's rules for names, uids, URLs, sizes
mod list; // listing users, a page at a time
mod message; // making CometChat's words safe to show
mod observe; // what an observer sees of a request
mod path; // one string, one path segment
mod tokens; // auth tokens
mod transport_error; // ureq's errors -> ours
mod tree; // JSON as a tree of bounded size
mod user; // the user object in both directions
mod users; // create, get, update, delete one user
mod value; // lenient reading of JSON values

pub use bulk::{BulkOutcome, ImportRow, RowOutcome, MAX_BULK_UIDS, MAX_IMPORT_USERS};
pub use client::{Client, Gate, Observer, Permit, ReuseProbe, DEFAULT_TIMEOUT};
pub use error::{Effect, Error, FieldError};
pub use key::{ApiKey, BadKey};
pub use kind::ErrorKind;
pub use list::{ListUsers, Pagination, UserPage, MAX_PER_PAGE};
pub use message::clean_message;
pub use observe::{Exchange, Limits, Operation, RateClass};
pub use tokens::AuthToken;
pub use user::{NewUser, Unset, User, UserPatch};
pub use users::{Created, Deleted};
