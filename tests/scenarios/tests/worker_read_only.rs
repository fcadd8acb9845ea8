//! A database that is read-only, as a whole or for one transaction: nothing is sent that could not be
//! remembered, the worker waits and says why once, and goes on by itself.

use scenarios::{eventually, Cluster, Database, Session, Stack, NOTHING};
use simulator::Simulator;

const COMPLAINT: &str = "the database is read-only";

/// Runs as an operator who may still write.
fn writable(stack: &Stack, sql: &str) {
    let mut admin = stack.db.admin();
    admin.batch_execute("SET default_transaction_read_only = off").expect("a setting");
    admin.batch_execute(sql).expect(sql);
}

#[test]
fn the_worker_of_a_read_only_database_waits_logs_once_and_resumes() {
    // Alone: the log is read.
    let conf = ["shared_preload_libraries = 'cometchat_ext'", "log_statement = 'none'"];
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || stack.stored(ada).token.is_some());
    stack.asked();
    stack.db.set("default_transaction_read_only", Some("on"));
    writable(&stack, "INSERT INTO auth.users (id) VALUES (gen_random_uuid())");
    eventually("the log says it", || stack.db.cluster().log().contains(COMPLAINT));
    let unwell = "SELECT string_agg(check_name, ', ') FROM cometchat.health()
                  WHERE NOT ok AND hint <> ''";
    assert_eq!(stack.value(unwell).as_deref(), Some("write access"));
    for _ in 0..20 {
        writable(&stack, "SELECT cometchat.wake()");
    }
    std::thread::sleep(std::time::Duration::from_secs(2));
    stack.asked(); // health() asks
    let log = stack.db.cluster().log();
    assert_eq!(log.matches(COMPLAINT).count(), 1, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(stack.asked(), NOTHING);

    let reset = format!("ALTER DATABASE {} RESET default_transaction_read_only", stack.db.name());
    writable(&stack, &reset);
    stack.execute("SELECT cometchat.wake()");
    let left = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
    eventually("it goes on", || stack.value(left).as_deref() == Some("0"));
    assert_eq!(stack.value(unwell), None);
}

#[test]
fn every_function_answers_or_says_that_the_transaction_is_read_only() {
    let (stack, ada) = Stack::with_ada();
    let new = stack.sign_up("Bob Marley");
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("default_transaction_read_only", Some("on"));

    assert!(stack.session(ada).ensure(None, None, None).success(), "what is stored is served");
    assert_eq!(stack.session(new).ensure(None, None, None).code(), "READ_ONLY");
    assert_eq!(stack.session(ada).refresh(None).code(), "READ_ONLY");
    assert_eq!(stack.session(ada).revoke(None).code(), "READ_ONLY");
    assert_eq!(stack.asked(), NOTHING);

    let mut admin = Session::of(stack.db.admin());
    for look in ["health()", "reconcile()", "progress", "stats", "failed_users"] {
        admin.execute(&format!("SELECT * FROM cometchat.{look}"));
    }
    for change in [
        "backfill()",
        "retry_failed()",
        "pause()",
        "reconcile(true)",
        "enable_auth_trigger()",
        "drop_foreign_key()",
        &format!("enqueue('{ada}')"),
    ] {
        assert_eq!(admin.sqlstate(&format!("SELECT cometchat.{change}")), "25006", "{change}");
    }
    let error = admin.client.batch_execute("CALL cometchat.process_queue()").unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "The database is read-only");
    let error = admin.client.batch_execute("DELETE FROM auth.users WHERE true").unwrap_err();
    assert_eq!(error.code().unwrap().code(), "25006");
}
