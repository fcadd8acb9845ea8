//! Each list has one source in Rust; what repeats it is compared here, and the failure names what is
//! missing where. `BLESS=1 cargo test -p sync --test lists` rewrites what is generated.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test

mod codes; // error codes: README, docs, TypeScript client, example, health()
mod document; // generated parts of files
mod endpoints; // CometChat's endpoints: method, test, simulator
mod policy; // docs/policy.md
mod profile_fields; // fields of a profile: README
mod settings; // settings: README and goldens
