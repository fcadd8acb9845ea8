//! Beside the extensions that hook into every statement of a server: auditing, statistics, waits, changed roles.

use scenarios::environment::has_extension;
use scenarios::{eventually, health, Cluster, Database, Session, Stack};
use serde_json::json;
use simulator::Simulator;

/// As a server has them that somebody watches closely.
const CONF: [&str; 16] = [
    "shared_preload_libraries = 'pg_stat_statements, pg_stat_kcache, pg_qualstats, pg_wait_sampling, \
     auto_explain, cometchat_ext, pgaudit, set_user'",
    "max_worker_processes = 40",
    "wal_level = logical",
    "pgaudit.log = all",
    "pgaudit.log_catalog = on",
    "pgaudit.log_parameter = on",
    "pgaudit.log_rows = on",
    "pgaudit.log_relation = on",
    "pg_stat_statements.track = all",
    "pg_stat_kcache.track = all",
    "pg_stat_kcache.track_planning = on",
    "pg_qualstats.sample_rate = 1",
    "pg_qualstats.track_constants = on",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_analyze = on",
];

#[test]
fn all_flows_work_beside_what_watches_every_statement() {
    if !["pgaudit", "pg_stat_kcache", "pg_qualstats", "pg_wait_sampling", "set_user"]
        .into_iter()
        .all(has_extension)
    {
        return;
    }
    let db = Database::like_supabase(Cluster::start(&CONF));
    let stack = Stack::on(db, Simulator::start());
    stack.execute(
        "CREATE EXTENSION pgaudit; CREATE EXTENSION pg_stat_kcache; CREATE EXTENSION pg_qualstats;
         CREATE EXTENSION pg_wait_sampling; CREATE EXTENSION set_user",
    );
    let stack = stack.sync();
    let users = stack.sign_ups(20);
    stack.all_arrive(&users);
    let mut session = stack.session(users[0]);
    let token = session.ensure(None, None, None).token();
    assert_ne!(session.refresh(None).token(), token);
    session.ensure(None, Some("Another"), None).token();
    assert!(session.revoke(None).success());
    session.ensure(None, None, None).token();
    stack.change(users[1], "banned_until = now() + interval '1 hour'");
    eventually("deactivated", || stack.is_deactivated(users[1]));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{}'", users[2]));
    eventually("deactivated", || stack.is_deactivated(users[2]));
    stack.enqueue(users[3], &json!({"role": "default"}));
    stack.settled(users[3]);
    let mut admin = Session::of(stack.db.admin());
    admin.execute("CALL cometchat.process_queue()");
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.reconcile(true)").as_deref(), Some("0"));
    let bad: Vec<_> = health::health(&stack.db).into_iter().filter(|row| !row.ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.failed_users").as_deref(), Some("0"));
    stack.execute("DROP EXTENSION cometchat_ext");
    stack.sign_up("Somebody");
}
