//! State of the stand-in: table of contents.

pub mod bucket;
pub mod counters;
pub mod gauges;
pub mod journal;
pub mod ranks;
pub mod store;
pub mod tokens;
pub mod user;
pub mod world;
