//! What the trigger could not queue, because our state was locked, is found later.
//!
//! (That the sign-up, the edit or the deletion itself commits: sign_up_never_fails.rs.)

use postgres::Client;
use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Cluster, Database, Stack};
use serde_json::json;
use simulator::{Fault, Simulator};
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
fn an_edit_missed_by_the_trigger_is_found_by_backfill() {
    let (stack, ada, locker) = with_locked_ada();
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");

    unlock_and_backfill(&stack, locker);

    eventually("CometChat has her new name", || stack.chat_user(ada)["name"] == "The Countess");
}

#[test]
fn a_ban_missed_by_the_trigger_is_found_by_backfill() {
    let (stack, ada, locker) = with_locked_ada();
    stack.change(ada, "banned_until = 'infinity'");

    unlock_and_backfill(&stack, locker);

    eventually("she is deactivated", || stack.chat_user(ada)["deactivatedAt"].as_u64() > Some(0));
}

#[test]
fn a_deletion_missed_by_the_trigger_is_found_by_backfill() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.enqueue(ada, &json!({"link": "https://example.com/ada"}));
    eventually("she arrives", || {
        stack.app().user(&ada.to_string()).is_some_and(|user| !user["link"].is_null())
    });
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    unlock_and_backfill(&stack, locker);

    eventually("she is deactivated", || stack.chat_user(ada)["deactivatedAt"].as_u64() > Some(0));
    let kept = "SELECT count(*) FROM cometchat.sync_state
                WHERE num_nonnulls(overrides, name_argument, email_argument) > 0";
    assert_eq!(stack.value(kept).as_deref(), Some("0"), "what was hers does not outlive her");
}

#[test]
fn a_deletion_is_not_lost_while_the_mapping_is_locked() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; LOCK TABLE public.cometchat_users").expect("lock");
    // The deletion itself waits, for the mapping that goes along with the user.
    let delete = format!("DELETE FROM auth.users WHERE id = '{ada}'");
    let deletion = BlockedSession::with(stack.db.admin(), &delete);
    eventually("it is noted and waits", || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'relation'
                     AND query LIKE 'DELETE FROM auth.users%'";
        stack.value(FAILURES).as_deref() == Some("1") && stack.value(waits).as_deref() == Some("1")
    });
    locker.batch_execute("COMMIT").expect("unlock");
    deletion.done().result.expect("the deletion");

    eventually("she is deactivated", || stack.chat_user(ada)["deactivatedAt"].as_u64() > Some(0));
}

#[test]
fn a_locked_row_delays_no_other_user() {
    let (stack, ada, mut locker) = with_locked_ada();
    // Missed, and whose state stays locked.
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");
    assert_eq!(stack.value(FAILURES).as_deref(), Some("1"));

    let others: Vec<Uuid> = (0..40).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("all others arrive", || {
        others.iter().all(|user| stack.stored(*user).token.is_some())
    });
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");

    locker.batch_execute("COMMIT").expect("unlock");
    eventually("and she does, in the end", || stack.chat_user(ada)["name"] == "The Countess");
}

#[test]
fn a_row_locked_in_flight_delays_no_other_user() {
    let stack = Stack::new();
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack.chat.set_fault(Fault::delay(8_000).times(1));
    let mut locker = stack.db.admin();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is in flight", || !stack.chat.requests().is_empty());
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    eventually("she has arrived there", || stack.app().user_count() == 1);

    let others: Vec<Uuid> = (0..40).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("all others arrive", || {
        others.iter().all(|user| stack.stored(*user).token.is_some())
    });
    assert_eq!(stack.stored(ada).token, None, "nobody waits for her lock");

    locker.batch_execute("COMMIT").expect("unlock");
    eventually("and she does, in the end", || stack.stored(ada).token.is_some());
    assert_eq!(stack.chat.requests().len(), 41, "once each");
}

#[test]
fn a_due_and_locked_row_does_not_keep_the_worker_busy() {
    // A server of its own, whose transactions are counted.
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    let mut locker = stack.db.admin();
    locker
        .batch_execute("UPDATE cometchat.sync_state SET next_attempt_at = now() WHERE true")
        .expect("due");
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    stack.execute("SELECT cometchat.wake()");
    let transactions = || stack.value("SELECT txid_current()").unwrap().parse::<i64>().unwrap();
    let before = transactions();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let taken = transactions() - before;
    assert!(taken < 100, "{taken} transactions in two seconds");
    locker.batch_execute("COMMIT").expect("unlock");
    eventually("she is done", || {
        let due = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
        stack.value(due).as_deref() == Some("0")
    });
    assert!(stack.stored(ada).token.is_some());
}

#[test]
fn an_edit_during_the_workers_slow_commit_is_not_lost() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let mut operator = cluster.admin("postgres");
    operator.batch_execute("SET synchronous_commit = local").expect("set");
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    // From now on a commit waits for a standby that is not there; the Auth server's do not.
    operator.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").expect("set");
    operator.batch_execute("SELECT pg_reload_conf()").expect("reload");
    let commit = "SELECT pg_logical_emit_message(true, '', '')";
    eventually("commits wait", || {
        drop(BlockedSession::with(stack.db.admin(), commit));
        let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        stack.value(waits).as_deref() == Some("true")
    });
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
