//! What the trigger could not queue, because our state was locked, is found later.
//!
//! (That the sign-up, the edit or the deletion itself commits: sync_sign_up.rs.)

use postgres::Client;
use scenarios::{eventually, Cluster, Database, Stack};
use simulator::Simulator;
use uuid::Uuid;

const FAILURES: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cometchat.trigger_failures";

/// A user who is synced, and a lock on our state of her.
fn with_locked_ada() -> (Stack, Uuid, Client) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    (stack, ada, locker)
}

/// Ends the lock under which one thing was swallowed, and does what the WARNING's hint says.
#[track_caller]
fn unlock_and_backfill(stack: &Stack, mut locker: Client) {
    locker.batch_execute("COMMIT").expect("unlock");
    assert_eq!(stack.value(FAILURES).as_deref(), Some("1"));
    stack.execute("SELECT cometchat.backfill()");
}

#[test]
fn an_edit_that_was_swallowed_is_found_by_backfill() {
    let (stack, ada, locker) = with_locked_ada();
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");

    unlock_and_backfill(&stack, locker);

    eventually("CometChat has her new name", || stack.chat_user(ada)["name"] == "The Countess");
}

#[test]
fn a_ban_that_was_swallowed_is_found_by_backfill() {
    let (stack, ada, locker) = with_locked_ada();
    stack.change(ada, "banned_until = 'infinity'");

    unlock_and_backfill(&stack, locker);

    eventually("she is deactivated", || stack.chat_user(ada)["deactivatedAt"].as_u64() > Some(0));
}

#[test]
fn a_deletion_that_was_swallowed_is_found_by_backfill() {
    let (stack, ada, locker) = with_locked_ada();
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    unlock_and_backfill(&stack, locker);

    eventually("she is deactivated", || stack.chat_user(ada)["deactivatedAt"].as_u64() > Some(0));
}

#[test]
fn an_edit_while_the_workers_own_commit_waits_for_a_slow_disk_or_standby_is_not_lost() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let mut operator = cluster.admin("postgres");
    operator.batch_execute("SET synchronous_commit = local").expect("set");
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    // From now on a commit waits for a standby that is not there; the Auth server's do not.
    operator.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").expect("set");
    operator.batch_execute("SELECT pg_reload_conf()").expect("reload");
    let mut auth_server = stack.db.connect("supabase_auth_admin");
    auth_server.batch_execute("SET synchronous_commit = local").expect("set");
    let ada = Uuid::new_v4();
    let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, '{\"name\": \"Ada\"}')";
    auth_server.execute(sql, &[&ada]).expect("a sign-up");
    let waits = "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'cometchat worker' AND wait_event = 'SyncRep'";
    eventually("the worker's commit waits", || stack.value(waits).as_deref() == Some("1"));

    let sql = "UPDATE auth.users SET raw_user_meta_data = '{\"name\": \"Countess\"}' WHERE id = $1";
    auth_server.execute(sql, &[&ada]).expect("an edit");

    println!("swallowed: {}", stack.value(FAILURES).unwrap_or_default());
    operator.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").expect("reset");
    operator.batch_execute("SELECT pg_reload_conf()").expect("reload");
    eventually("CometChat has her new name", || stack.chat_user(ada)["name"] == "Countess");
}
