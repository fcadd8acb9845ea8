//! `cometchat_ext`: CometChat users and auth tokens from inside PostgreSQL.
//!
//! Data flows one way: [`api`] (what SQL calls) → [`ensure`], [`token`] (the use cases) →
//! `cometchat` (the REST client, a crate that does not know Postgres) → `transport` (ureq on
//! sockets that wait the way their host wants). [`users`] holds the SQL, [`pg`] everything unsafe,
//! and [`failure`] alone decides how an error looks from SQL.

mod answer;
mod api;
mod budget;
mod caller;
mod config;
mod converge;
mod ensure;
mod failure;
mod file;
mod http;
mod identity;
mod pg;
mod profile;
mod remote;
mod secret;
mod stats;
mod sync;
mod token;
mod users;

#[cfg(any(test, feature = "pg_test"))]
mod tests;

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/tables.sql", name = "tables", bootstrap);
extension_sql_file!("../sql/foreign_key.sql", name = "foreign_key", requires = ["tables"]);
extension_sql_file!("../sql/policies.sql", name = "policies", requires = ["foreign_key"]);
extension_sql_file!("../sql/control.sql", name = "control", requires = ["policies"]);
extension_sql_file!("../sql/queue.sql", name = "queue", requires = ["control"]);
extension_sql_file!("../sql/trigger.sql", name = "trigger", requires = ["queue"]);
extension_sql_file!("../sql/operate.sql", name = "operate", requires = ["trigger"]);
extension_sql_file!("../sql/health.sql", name = "health", requires = ["operate"]);
extension_sql_file!("../sql/reconcile.sql", name = "reconcile", requires = ["health"]);
extension_sql_file!("../sql/functions.sql", name = "functions", requires = ["reconcile"]);
extension_sql_file!("../sql/owner.sql", name = "owner", requires = ["functions"]);
extension_sql_file!("../sql/grants.sql", name = "grants", requires = ["owner"], finalize);

/// Runs once in each process that loads the library; in the postmaster when it is preloaded.
/// It only declares settings: no thread, socket or TLS state is made before a call needs it.
#[allow(non_snake_case)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::process::init();
    pg::shared::init();
    config::init();
    pg::bgworker::register_launcher();
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
