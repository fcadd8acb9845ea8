//! Every decision of the product, without Postgres: what a user's profile should be, which requests
//! bring CometChat there, what a failure means, when to try again and how fast to go.
//!
//! It knows CometChat's client and no database: the host reads [`model::UserRow`], hands over a
//! [`job::Job`] or runs a [`user_sync::UserSync`], and writes what comes back.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod attribution; // whether a failure concerns one user or all
pub mod circuit_breaker; // stops sending while no request can succeed, and probes
pub mod error; // what keeps a call from succeeding, and its code
pub mod import; // many users who are to be created, in one request
pub mod job; // one claimed user's work for CometChat
mod last_minute; // how much happened in each second of it
pub mod model; // what is known of one user
pub mod next_attempt; // what an outcome means for the next attempt, and for what is stored
pub mod pacing; // when a worker claims next, and what an outcome means for the others
pub mod plan_quota; // creates wait while the plan has no room
pub mod policy; // every wait, limit, backoff and classification
pub mod profile; // what CometChat should know of a user, and how that differs from what it knows
pub mod rate_limiter; // how many requests CometChat allows
pub mod throughput; // how many users a minute are being synced
pub mod user_rate_limit; // how many requests one user may cause
pub mod user_sync; // makes CometChat agree with what is wanted of one user
pub mod wall_clock; // whether the clock was set back
