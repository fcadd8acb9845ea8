//! The REST API: table of contents.

pub mod access;
pub mod bulk;
pub mod draft;
pub mod error;
pub mod fields;
pub mod handle;
pub mod import;
pub mod listing;
pub mod reply;
pub mod route;
pub mod throttle;
pub mod tokens;
pub mod users;
