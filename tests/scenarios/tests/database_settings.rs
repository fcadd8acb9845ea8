//! Settings that people give a whole database: everything goes on under each of them.

use std::time::Duration;

use scenarios::{eventually, within, Cluster, Database, Stack, NOTHING};
use serde_json::json;
use simulator::Simulator;
use uuid::Uuid;

type Settings = &'static [(&'static str, &'static str)];

/// The extension is created, and used in every way, where these settings are in force.
#[track_caller]
fn goes_on_with(settings: Settings) {
    let db = Database::like_supabase(Cluster::shared());
    for (name, value) in settings {
        // A list is one, not one name in quotes.
        let value = if *name == "search_path" { (*value).into() } else { format!("'{value}'") };
        let sql = format!("ALTER DATABASE {} SET {name} = {value}", db.name());
        db.admin().batch_execute(&sql).expect(&sql);
    }
    let stack = Stack::on(db, Simulator::start());
    goes_on(&stack);
}

#[track_caller]
fn goes_on(stack: &Stack) {
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let [ada, bob, carl] = ["Ada Lovelace", "Bob Marley", "Carl Gauss"].map(|n| stack.sign_up(n));
    stack.all_arrive(&[ada, bob, carl]);
    // Where all is SERIALIZABLE, whoever writes beside the worker is refused.
    for user in [ada, bob, carl] {
        stack.settled(user);
    }
    let stored = stack.stored(ada).token;
    assert_eq!(Some(stack.session(ada).ensure(None, None, None).token()), stored);
    assert_ne!(Some(stack.session(ada).refresh(None).token()), stored);
    stack.settled(ada);
    assert!(stack.session(ada).revoke(None).success());
    assert_eq!(stack.stored(ada).token, None);
    stack.settled(ada);
    stack.session(ada).ensure(None, Some("Ada \\ King's \"Byron\""), None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Ada \\ King's \"Byron\"");

    stack
        .change(bob, "raw_user_meta_data = '{\"full_name\": \"Robert\"}', email = 'b@example.org'");
    stack.settled(bob);
    assert_eq!(stack.chat_user(bob)["name"], "Robert");
    stack.enqueue(bob, &json!({"name": "Bob", "metadata": {"level": 1.5, "list": [null]}}));
    stack.settled(bob);
    assert_eq!(stack.chat_user(bob)["metadata"]["level"], 1.5);

    stack.change(carl, "banned_until = now() + interval '1 day'");
    eventually("a ban", || stack.is_deactivated(carl));
    assert_eq!(stack.session(carl).ensure(None, None, None).code(), "USER_DEACTIVATED");
    stack.change(carl, "banned_until = NULL");
    eventually("its end", || !stack.is_deactivated(carl));
    stack.settled(carl);

    let missed = Uuid::new_v4();
    stack.execute(&format!(
        "SET session_replication_role = replica; INSERT INTO auth.users (id) VALUES ('{missed}');
         SET session_replication_role = origin; SELECT cometchat.backfill()"
    ));
    stack.all_arrive(&[missed]);
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{bob}'"));
    eventually("a deletion", || stack.is_deactivated(bob));
    for user in [ada, carl, missed] {
        stack.settled(user);
    }
    let mut admin = stack.db.admin();
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    let left = admin.query("SELECT kind FROM cometchat.reconcile()", &[]).expect("reconcile");
    assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), NOTHING);
    let ill = admin
        .query(
            "SELECT concat_ws(': ', check_name, detail, hint) FROM cometchat.health() WHERE NOT ok",
            &[],
        )
        .expect("health");
    assert_eq!(ill.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), NOTHING);
    stack.execute(
        "SELECT * FROM cometchat.progress, cometchat.stats; SELECT * FROM cometchat.failed_users;
         SELECT cometchat.retry_failed(); SELECT cometchat.pause(); SELECT cometchat.resume();
         SELECT cometchat.disable_auth_trigger(); DROP EXTENSION cometchat_ext",
    );
}

#[test]
fn how_values_are_written_and_read() {
    goes_on_with(&[
        ("standard_conforming_strings", "off"),
        ("escape_string_warning", "on"),
        ("backslash_quote", "on"),
        ("bytea_output", "escape"),
        ("DateStyle", "SQL, DMY"),
        ("IntervalStyle", "sql_standard"),
        ("TimeZone", "Asia/Kathmandu"),
        ("extra_float_digits", "-15"),
        ("xmloption", "document"),
        ("array_nulls", "off"),
        ("transform_null_equals", "on"),
        ("quote_all_identifiers", "on"),
        ("client_encoding", "SQL_ASCII"),
    ]);
}

#[test]
fn how_statements_are_planned() {
    goes_on_with(&[
        ("enable_seqscan", "off"),
        ("enable_indexscan", "off"),
        ("enable_indexonlyscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_nestloop", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_sort", "off"),
        ("enable_hashagg", "off"),
        ("enable_material", "off"),
        ("plan_cache_mode", "force_custom_plan"),
        ("from_collapse_limit", "1"),
        ("join_collapse_limit", "1"),
        ("constraint_exclusion", "on"),
        ("cursor_tuple_fraction", "0"),
    ]);
}

#[test]
fn parallel_queries_with_little_memory() {
    let force = if scenarios_major() < 16 { "force_parallel_mode" } else { "debug_parallel_query" };
    let settings: Settings = Box::leak(Box::new([
        (force, "on"),
        ("max_parallel_workers_per_gather", "8"),
        ("parallel_setup_cost", "0"),
        ("parallel_tuple_cost", "0"),
        ("min_parallel_table_scan_size", "0"),
        ("work_mem", "64kB"),
        ("temp_file_limit", "1MB"),
        ("jit_above_cost", "0"),
        ("maintenance_work_mem", "1MB"),
    ]));
    goes_on_with(settings);
}

fn scenarios_major() -> u32 {
    let major = std::env::var("COMETCHAT_PG").unwrap_or_else(|_| "15".into());
    major.parse().expect("a number")
}

#[test]
fn deadlines_and_transactions() {
    let settings: Settings = &[
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("deadlock_timeout", "10ms"),
        ("idle_in_transaction_session_timeout", "20s"),
        ("idle_session_timeout", "20s"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
        ("synchronous_commit", "remote_apply"),
        ("row_security", "off"),
    ];
    goes_on_with(settings);
    if scenarios_major() >= 17 {
        goes_on_with(&[("transaction_timeout", "20s")]);
    }
}

#[test]
fn deadlines_that_are_too_short_for_a_worker() {
    // A session's statements meet them, the worker's must not.
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let mut session = stack.db.admin();
    for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        stack.db.set(name, Some("1ms"));
    }
    if scenarios_major() >= 17 {
        session
            .batch_execute(&format!(
                "ALTER DATABASE {} SET transaction_timeout = '1ms'",
                stack.db.name()
            ))
            .expect("set");
    }
    session
        .batch_execute(
            "SELECT cometchat.resume();
             INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 50)",
        )
        .expect("sign-ups");
    eventually("all arrive", || stack.app().user_count() == 50);
}

#[test]
fn how_functions_are_compiled_and_checked() {
    goes_on_with(&[
        ("check_function_bodies", "off"),
        ("plpgsql.variable_conflict", "use_column"),
        ("plpgsql.extra_errors", "all"),
        ("plpgsql.check_asserts", "on"),
        ("plpgsql.print_strict_params", "on"),
    ]);
    goes_on_with(&[
        ("plpgsql.variable_conflict", "use_variable"),
        ("plpgsql.extra_warnings", "all"),
    ]);
}

#[test]
fn where_things_are_looked_for_and_put() {
    goes_on_with(&[
        ("search_path", "\"$user\", extensions, nowhere, public, auth"),
        ("default_tablespace", "nowhere"),
        ("temp_tablespaces", "nowhere"),
        ("default_table_access_method", "heap"),
        ("default_toast_compression", "pglz"),
        ("max_stack_depth", "256kB"),
        ("lo_compat_privileges", "on"),
    ]);
}

#[test]
fn what_is_logged_and_measured() {
    goes_on_with(&[
        ("log_min_messages", "debug5"),
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_lock_waits", "on"),
        ("log_temp_files", "0"),
        ("debug_print_plan", "on"),
        ("debug_print_parse", "on"),
        ("track_activities", "off"),
        ("track_functions", "all"),
        ("track_io_timing", "on"),
        ("client_min_messages", "debug1"),
    ]);
}

#[test]
fn a_role_that_every_session_of_the_database_takes_on() {
    let stack = Stack::new();
    let mut admin = stack.db.admin();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("role", Some("anon"));
    admin
        .batch_execute(
            "SELECT cometchat.resume();
             INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 50)",
        )
        .expect("sign-ups");
    eventually("all arrive", || stack.app().user_count() == 50);
}

#[test]
fn health_names_what_blocks_the_worker_for_long() {
    let stack = Stack::syncing();
    let mut holder = stack.db.admin();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    holder.batch_execute("BEGIN; LOCK TABLE cometchat.control").expect("lock");
    stack.sign_up("Bob Marley");
    within(Duration::from_secs(120), "the log says so", || {
        stack.logged("cannot send").iter().any(|line| line.contains("55P03"))
    });
    holder.batch_execute("COMMIT").expect("commit");
    eventually("sending resumed", || stack.app().user_count() == 2);
    assert_eq!(stack.logged("cannot send").len(), 1);
}

#[test]
fn a_read_only_database_is_left_alone_and_named_until_it_can_be_written() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.db.set("default_transaction_read_only", Some("on"));
    let mut admin = stack.db.admin();
    for sql in [
        "SET default_transaction_read_only = off",
        "INSERT INTO auth.users (id) VALUES (gen_random_uuid())",
    ] {
        admin.batch_execute(sql).expect(sql);
    }
    eventually("the log says so", || stack.logged("read-only").len() == 1);
    let why = "SELECT string_agg(concat(detail, hint), '') FROM cometchat.health() WHERE NOT ok";
    let says = stack.value(why).unwrap_or_default();
    assert!(says.contains("read_only is on"), "{says}");
    assert_eq!(
        stack.session(ada).ensure(None, None, None).token(),
        stack.stored(ada).token.expect("one")
    );
    assert_eq!(stack.app().user_count(), 1);

    let reset = format!("ALTER DATABASE {} RESET default_transaction_read_only", stack.db.name());
    admin.batch_execute(&reset).expect(&reset);
    admin.batch_execute("SELECT cometchat.wake()").expect("wake");
    eventually("sending resumed", || stack.app().user_count() == 2);
    assert_eq!(stack.logged("read-only").len(), 1);
}
