//! How Postgres plans our statements: none is compiled, whatever `jit` and its costs are, and none
//! reads a whole table of ours or `auth.users` to find a few users.

use std::time::Duration;

use scenarios::environment::has_module;
use scenarios::{eventually, Cluster, Database, Stack};
use serde_json::json;
use simulator::Simulator;

/// Counts for each statement, nested ones included, how often it was compiled.
const COUNTED: [&str; 5] = [
    "shared_preload_libraries = 'cometchat_ext, pg_stat_statements'",
    "pg_stat_statements.track = all",
    "jit = on",
    "jit_above_cost = 0",
    "autovacuum = off", // its own statements are none of ours, and a table is small until analyzed
];

/// Statements that were compiled, other than those of whoever calls us, Postgres's own of the foreign
/// key, and the one call of a function that goes without settings of its own (see sql/auth_trigger.sql).
const COMPILED: &str =
    "SELECT string_agg(format('%s: %s', s.jit_functions, left(s.query, 200)), E'\n')
     FROM extensions.pg_stat_statements AS s
     JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid AND d.datname = current_database()
     WHERE s.jit_functions > 0 AND NOT s.toplevel AND s.query ~ 'cometchat|auth\\.users|ours|known'
       AND s.query !~ 'FROM ONLY|^SELECT cometchat.enqueue_changed_user'";

fn counted() -> Stack {
    let stack = Stack::on(Database::like_supabase(Cluster::start(&COUNTED)), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack.execute("SELECT extensions.pg_stat_statements_reset()");
    stack
}

/// Every statement that a user's life takes, in the worker and in sessions.
fn live(stack: &Stack) {
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is synced", || stack.stored(ada).token.is_some());
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    session.refresh(None).token();
    session.revoke(None);
    session.ensure(None, None, None).token();
    stack.enqueue(ada, &json!({ "avatar": "https://example.com/ada.png" }));
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"Ada King\"}'");
    eventually("the edit arrives", || stack.chat_user(ada)["name"] == "Ada King");
    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is banned", || stack.is_deactivated(ada));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    stack.execute(
        "SELECT cometchat.backfill(), cometchat.retry_failed();
         SELECT * FROM cometchat.health();
         SELECT * FROM cometchat.reconcile(true)",
    );
    stack.execute("CALL cometchat.process_queue()");
    eventually("nothing is left to do", || {
        stack.value("SELECT pending FROM cometchat.progress").as_deref() == Some("0")
    });
}

#[test]
fn no_statement_of_ours_is_compiled() {
    if !has_module("pg_stat_statements") {
        return;
    }
    let stack = counted();
    if stack.value("SELECT pg_jit_available()").as_deref() == Some("false") {
        println!("skipped: this PostgreSQL comes without llvmjit");
        return;
    }

    live(&stack);

    // The setting is in force: what others ask is compiled.
    let others = "SELECT count(*) FROM pg_catalog.pg_class AS c WHERE c.relpages % 7 = 3";
    stack.execute(others);
    let compiled = "SELECT sum(jit_functions) FROM extensions.pg_stat_statements WHERE query LIKE '%relpages %'";
    assert_ne!(stack.value(compiled).as_deref(), Some("0"), "jit is not to be had here");
    assert_eq!(stack.value(COMPILED), None);
}

/// A plan is kept: one that reads the whole of a small table would read the whole of a large one.
#[test]
fn a_few_users_are_found_by_index_however_small_the_tables_are() {
    are_found_by_index(&Stack::syncing());
}

/// Somebody has turned off for the database what our statements need.
#[test]
fn a_few_users_are_found_by_index_whatever_the_planner_may_not_do() {
    let stack = Stack::new();
    for name in ["enable_indexscan", "enable_bitmapscan", "enable_nestloop"] {
        stack.db.set(name, Some("off"));
    }
    stack.db.set("plan_cache_mode", Some("force_custom_plan"));
    are_found_by_index(&stack.sync());
}

#[track_caller]
fn are_found_by_index(stack: &Stack) {
    let bob = stack.sign_up("Bob Marley");
    eventually("he is synced", || stack.stored(bob).token.is_some());
    stack.execute("VACUUM ANALYZE cometchat.sync_state, public.cometchat_users, auth.users");
    // Those of before have counted, too.
    std::thread::sleep(Duration::from_millis(1500));
    stack.execute("SELECT pg_stat_reset()");

    // What this test itself asks of the database would count: CometChat is looked at alone.
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || stack.app().user(&ada.to_string()).is_some());
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    session.refresh(None).token();
    session.revoke(None);
    session.ensure(None, None, None).token();
    stack.change(bob, "raw_user_meta_data = '{\"full_name\": \"Robert Nesta Marley\"}'");
    eventually("the edit arrives", || stack.chat_user(bob)["name"] == "Robert Nesta Marley");
    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is banned", || stack.is_deactivated(ada));
    drop(session); // a session tells what it has counted when it ends, at the latest

    let scans = |kind: &str| {
        let sql = format!(
            "SELECT sum({kind}) FROM pg_stat_all_tables
             WHERE relid IN ('cometchat.sync_state'::regclass, 'public.cometchat_users'::regclass)"
        );
        stack.value(&sql).expect("a sum")
    };
    eventually("the indexes were used", || scans("idx_scan") != "0");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(scans("seq_scan"), "0");
}

#[test]
fn every_function_of_ours_says_so() {
    let stack = Stack::new();
    let without = "SELECT string_agg(p.oid::regprocedure::text, ', ')
         FROM pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
         WHERE p.pronamespace = 'cometchat'::regnamespace AND p.prokind = 'f'
           AND NOT COALESCE('jit=off' = ANY (p.proconfig), false)
           -- two calls, which need no compiling, at every login
           AND p.proname <> 'on_auth_user_update'";

    assert_eq!(stack.value(without), None);
}
