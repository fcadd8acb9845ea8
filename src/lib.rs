//! `cometchat_ext`: CometChat users and auth tokens from inside PostgreSQL.
//!
//! Data flows one way: [`api`] (what SQL calls) → [`calls`] (the use cases) → the crate `sync` (every
//! decision) → the crate `cometchat` (the REST client) → the crate `transport` (sockets that wait the
//! way their host wants). The crates do not know Postgres; `sync::error` alone decides how an error
//! looks from SQL.
//!
//! The layers from the bottom: pg, config, shmem, store, app, http, then calls and worker, then api. A
//! module imports only its own layer and those below; `tools/import_graph.sh` checks that.

mod api; // the functions that SQL calls: shells
mod app; // the CometChat app of this database: id, endpoint, key
mod calls; // the use cases
mod config; // the settings
mod http; // clients that send under this database's settings and limits
mod pg; // mechanism: what Postgres offers only through its C API
mod shmem; // what all processes of the server share in memory
#[rustfmt::skip]
mod sql; // the SQL of CREATE EXTENSION: which files, in which order
mod store; // all SQL that Rust runs
mod worker; // the background processes: what was committed reaches CometChat

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

/// Runs once in each process that loads the library; in the postmaster when it is preloaded.
/// It only declares settings: no thread, socket or TLS state is made before a call needs it.
#[allow(non_snake_case)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::process::init();
    shmem::init();
    config::init();
    worker::bgworker::register_launcher();
}

/// What `cargo pgrx test` asks of the crate it tests.
#[cfg(test)]
pub mod pg_test {
    /// Runs once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Lines for the test cluster's postgresql.conf.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
