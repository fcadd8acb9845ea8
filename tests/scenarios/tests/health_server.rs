//! health() on the server around the extension: processes, versions, standby, read-only, replication.

use std::time::Duration;

use scenarios::environment::has_module;
use scenarios::health::{check, fails, is_mended_by_its_hint, run_hint, unwell};
use scenarios::{eventually, within, Cluster, Database, PgCopy, Stack};
use simulator::Simulator;

const PRELOADED: &str = "shared_preload_libraries = 'cometchat_ext'";

fn in_cluster(conf: &[&str]) -> Stack {
    let cluster = Cluster::start(conf);
    Stack::on(Database::like_supabase(cluster), Simulator::start()).sync()
}

#[track_caller]
fn is_well(stack: &Stack) {
    within(Duration::from_secs(90), "all is well", || unwell(&stack.db).is_empty());
}

#[test]
fn a_server_without_the_library_is_told_how_to_preload_it() {
    if !has_module("pg_stat_statements") {
        return;
    }
    let stack = in_cluster(&["shared_preload_libraries = 'pg_stat_statements'"]);
    let ada = stack.sign_up("Ada Lovelace");
    is_mended_by_its_hint(
        &stack.db,
        "not preloaded",
        "worker",
        "shared_preload_libraries = 'pg_stat_statements', 'cometchat_ext'",
    );
    stack.settled(ada);
    is_well(&stack);
}

#[test]
fn too_few_processes_are_mended_by_the_hint() {
    for processes in [1, 2] {
        let stack = in_cluster(&[PRELOADED, &format!("max_worker_processes = {processes}")]);
        let ada = stack.sign_up("Ada Lovelace");
        is_mended_by_its_hint(
            &stack.db,
            "too few processes",
            "worker",
            &format!("SET max_worker_processes = {}", processes + 8),
        );
        stack.settled(ada);
        is_well(&stack);
    }
}

#[test]
fn a_template_is_mended_by_the_hint() {
    let stack = in_cluster(&[PRELOADED]);
    let name = stack.db.name();
    stack.execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true"));
    stack.execute("SELECT pg_reload_conf()");
    within(Duration::from_secs(90), "the worker leaves", || stack.worker().is_none());
    let template = fails(&stack.db, "a template", "worker");
    run_hint(&stack.db, &template.hint);
    is_well(&stack);
}

#[test]
fn a_standby_says_so_and_is_promoted_by_the_hint() {
    let stack = in_cluster(&[PRELOADED, "wal_level = replica", "max_wal_senders = 3"]);
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let name = stack.db.name().to_owned();
    let standby = stack.db.cluster().standby();
    let told = |name: &str| {
        let sql = "SELECT ok, concat_ws(' | ', detail, hint) FROM cometchat.health()
                   WHERE check_name = $1";
        let row = standby.admin(stack.db.name()).query_one(sql, &[&name]).expect(sql);
        (row.get::<_, bool>(0), row.get::<_, String>(1))
    };
    eventually("the database is there", || {
        standby
            .admin("postgres")
            .query("SELECT FROM pg_database WHERE datname = $1", &[&name])
            .is_ok()
    });
    let (ok, said) = told("write access");
    assert!(!ok && said.contains("a standby"), "{said}");
    assert!(said.contains("SELECT pg_promote();"), "{said}");
    let (ok, said) = told("worker");
    assert!(ok && said.contains("standby"), "{said}");
    standby.admin(&name).batch_execute("SELECT pg_promote(); -- the hint").expect("promote");
    within(Duration::from_secs(60), "the new primary is well", || told("write access").0);
    within(Duration::from_secs(60), "it has a worker", || told("worker").1.starts_with("process"));
}

#[test]
fn a_read_only_database_or_role_is_mended_by_the_hint() {
    let stack = in_cluster(&[PRELOADED]);
    let name = stack.db.name().to_owned();
    for (breakage, words) in [
        (
            format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
            format!("ALTER DATABASE {name} RESET"),
        ),
        (
            "ALTER ROLE authenticator SET default_transaction_read_only = true".into(),
            "ALTER ROLE authenticator RESET".into(),
        ),
        (
            format!("ALTER ROLE authenticator IN DATABASE {name} SET default_transaction_read_only = on"),
            format!("ALTER ROLE authenticator IN DATABASE {name} RESET"),
        ),
        (
            "ALTER SYSTEM SET default_transaction_read_only = on".into(),
            "ALTER SYSTEM SET default_transaction_read_only = 'off'".into(),
        ),
    ] {
        stack.db.admin().batch_execute(&breakage).expect("break it");
        stack.execute("SELECT pg_reload_conf()");
        let said = fails(&stack.db, &breakage, "write access");
        assert!(said.hint.contains(&words), "{breakage}: {said:?}");
        run_hint(&stack.db, &said.hint);
        is_well(&stack);
    }
}

#[test]
fn a_library_that_is_older_than_the_extension_needs_a_restart_and_the_other_way_an_update() {
    let copy = PgCopy::copy();
    let cluster = Cluster::start(&[PRELOADED]);
    cluster.restart_from(&copy);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start()).sync();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let version = check(&stack.db, "versions").detail;
    assert_eq!(version, "extension 0.2.0, library 0.2.0", "the test counts on it");

    // Somebody updates the extension to a version whose library is not loaded. (upgrade_alive has the
    // real libraries.)
    copy.add_update("0.2.0", "0.2.9", "SELECT 1;");
    copy.add_update("0.2.9", "0.2.0", "SELECT 1;");
    stack.execute("ALTER EXTENSION cometchat_ext UPDATE TO '0.2.9'");
    let said = fails(&stack.db, "the old library is in memory", "versions");
    assert_eq!(said.detail, "extension 0.2.9, library 0.2.0");
    assert!(said.hint.starts_with("\\! pg_ctl restart # "), "{}", said.hint);
    stack.execute("ALTER EXTENSION cometchat_ext UPDATE TO '0.2.0'");

    // The other way: the library is newer, and the extension was not updated.
    copy.add_update("0.2.0", "0.1.8", "SELECT 1;");
    copy.add_update("0.1.8", "0.2.0", "SELECT 1;");
    stack.execute("ALTER EXTENSION cometchat_ext UPDATE TO '0.1.8'");
    let said = fails(&stack.db, "the library is newer", "versions");
    assert_eq!(said.hint, "ALTER EXTENSION cometchat_ext UPDATE;");
    run_hint(&stack.db, &said.hint);
    assert_eq!(check(&stack.db, "versions").detail, "extension 0.2.0, library 0.2.0");
    is_well(&stack);
}

#[test]
fn a_table_without_replica_identity_is_mended_by_the_hint() {
    let stack = in_cluster(&[PRELOADED, "wal_level = logical"]);
    stack.execute("CREATE PUBLICATION everything FOR ALL TABLES");
    let seen = check(&stack.db, "replication");
    assert!(seen.ok && seen.detail.contains("everything"), "{seen:?}");
    for (breakage, words) in [
        ("ALTER TABLE cometchat.sync_state REPLICA IDENTITY NOTHING", "IDENTITY DEFAULT"),
        ("ALTER TABLE cometchat.trigger_misses REPLICA IDENTITY DEFAULT", "IDENTITY FULL"),
        ("ALTER TABLE cometchat_users REPLICA IDENTITY NOTHING", "cometchat_users"),
    ] {
        stack.execute(breakage);
        is_mended_by_its_hint(&stack.db, breakage, "replication", words);
    }
    is_well(&stack);
}

#[test]
fn functions_whose_jit_was_turned_on_are_mended_by_the_hint() {
    let stack = Stack::syncing();
    stack.execute("ALTER FUNCTION cometchat.on_auth_user_insert() RESET jit");
    is_mended_by_its_hint(&stack.db, "jit", "jit", "on_auth_user_insert");
}
