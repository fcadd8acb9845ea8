//! The SQL of CREATE EXTENSION, in the order in which it runs; sql/README.md says what each file holds.

use pgrx::prelude::*;

extension_sql_file!("../sql/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../sql/native/functions.sql", name = "native_functions", requires = ["schema"]);
extension_sql_file!("../sql/tables.sql", name = "tables", requires = ["native_functions"]);
extension_sql_file!("../sql/policies.sql", name = "policies", requires = ["tables"]);
extension_sql_file!("../sql/auth_users.sql", name = "auth_users", requires = ["policies"]);
extension_sql_file!("../sql/enqueue.sql", name = "enqueue", requires = ["auth_users"]);
extension_sql_file!("../sql/trigger_failures.sql", name = "trigger_failures", requires = ["enqueue"]);
extension_sql_file!("../sql/auth_trigger.sql", name = "auth_trigger", requires = ["trigger_failures"]);
extension_sql_file!("../sql/worker.sql", name = "worker", requires = ["auth_trigger"]);
extension_sql_file!("../sql/backfill.sql", name = "backfill", requires = ["worker"]);
extension_sql_file!("../sql/stats.sql", name = "stats", requires = ["backfill"]);
extension_sql_file!("../sql/operations.sql", name = "operations", requires = ["stats"]);
extension_sql_file!("../sql/health/hints.sql", name = "health_hints", requires = ["operations"]);
extension_sql_file!("../sql/health/facts.sql", name = "health_facts", requires = ["health_hints"]);
extension_sql_file!("../sql/health/runner.sql", name = "health_runner", requires = ["health_facts"]);
extension_sql_file!("../sql/health/api.sql", name = "health_api", requires = ["health_runner"]);
extension_sql_file!("../sql/health/sending.sql", name = "health_sending", requires = ["health_api"]);
extension_sql_file!("../sql/health/worker.sql", name = "health_worker", requires = ["health_sending"]);
extension_sql_file!("../sql/health/auth_users.sql", name = "health_auth_users", requires = ["health_worker"]);
extension_sql_file!("../sql/health/sign_ups.sql", name = "health_sign_ups", requires = ["health_auth_users"]);
extension_sql_file!("../sql/health/queue.sql", name = "health_queue", requires = ["health_sign_ups"]);
extension_sql_file!("../sql/health/access.sql", name = "health_access", requires = ["health_queue"]);
extension_sql_file!("../sql/health/server.sql", name = "health_server", requires = ["health_access"]);
extension_sql_file!("../sql/native/health_extension.sql", name = "native_health_extension", requires = ["health_server"]);
extension_sql_file!("../sql/health.sql", name = "health", requires = ["native_health_extension"]);
extension_sql_file!("../sql/reconcile.sql", name = "reconcile", requires = ["health"]);
extension_sql_file!("../sql/native/public_api.sql", name = "native_public_api", requires = ["reconcile"]);
extension_sql_file!("../sql/native/dump.sql", name = "native_dump", requires = ["native_public_api"]);
extension_sql_file!("../sql/native/owner.sql", name = "native_owner", requires = ["native_dump"]);
extension_sql_file!("../sql/grants.sql", name = "grants", requires = ["native_owner"]);
extension_sql_file!("../sql/native/grants.sql", name = "native_grants", requires = ["grants"]);
extension_sql_file!("../sql/native/install.sql", name = "native_install", requires = ["native_grants"], finalize);
