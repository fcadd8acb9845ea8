//! `cometchat.process_queue()` that is stopped half-way: what was sent is remembered, and nobody
//! stays claimed.

use std::time::Duration;

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Cluster, Database, Stack, NOTHING};
use simulator::{Fault, Simulator};
use uuid::Uuid;

/// Nothing preloaded, users waiting.
fn with_users(count: usize) -> (Stack, Vec<Uuid>) {
    let stack = Stack::on(Database::like_supabase(Cluster::start(&[])), Simulator::start());
    stack.execute("SELECT cometchat.resume(), cometchat.enable_auth_trigger()");
    let users = (0..count).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    (stack, users)
}

fn claimed(stack: &Stack) -> Option<String> {
    stack.value("SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL")
}

fn synced(stack: &Stack) -> Option<String> {
    stack.value("SELECT synced FROM cometchat.progress")
}

/// Calls until nothing is left, and looks that every user was created exactly once.
fn goes_on(stack: &Stack, users: &[Uuid]) {
    stack.chat.clear_faults();
    stack.asked();
    let remaining = users.len() - synced(stack).unwrap().parse::<usize>().unwrap();
    stack.execute("CALL cometchat.process_queue()");
    assert_eq!(stack.asked().len(), remaining, "whoever was sent is not sent again");
    assert!(users.iter().all(|user| stack.stored(*user).token.is_some()));
}

#[test]
fn a_cancel_keeps_what_was_done() {
    let (stack, users) = with_users(6);
    stack.chat.set_fault(Fault::delay(30_000).skip(2));
    stack.asked();
    let mut admin = stack.db.admin();
    admin.batch_execute("SET cometchat.request_timeout = '60s'").unwrap();
    let busy = BlockedSession::with(admin, "CALL cometchat.process_queue()");
    eventually("the third request hangs", || stack.chat.requests().len() == 3);
    let (time, mut client) = busy.cancel(&mut stack.db.admin());
    assert!(time < Duration::from_secs(10), "{time:?}");

    assert_eq!(claimed(&stack).as_deref(), Some("0"));
    assert_eq!(synced(&stack).as_deref(), Some("2"));
    client.batch_execute("SELECT 1").expect("the session goes on");
    stack.chat.clear_faults();
    goes_on(&stack, &users);
}

#[test]
fn a_key_removed_half_way_keeps_what_was_done() {
    let (stack, users) = with_users(3);
    stack.chat.set_fault(Fault::delay(8_000).skip(1).times(1));
    stack.asked();
    let mut admin = stack.db.admin();
    let key: String = admin.query_one("SHOW cometchat.api_key_file", &[]).unwrap().get(0);
    admin.batch_execute("SET cometchat.request_timeout = '60s'").unwrap();
    let busy = BlockedSession::with(admin, "CALL cometchat.process_queue()");
    eventually("the second request is under way", || stack.chat.requests().len() >= 2);
    std::fs::remove_file(key).expect("the key file");
    let error = busy.done().result.expect_err("the third cannot be sent");
    let error = error.as_db_error().unwrap();
    assert_eq!(
        error.message(),
        "CometChat is not properly configured: api_key_file cannot be read"
    );
    assert_eq!(claimed(&stack).as_deref(), Some("0"));
    assert_eq!(synced(&stack).as_deref(), Some("2"));
    assert_eq!(stack.asked().len(), 2);
    let with_token = users.iter().filter(|user| stack.stored(**user).token.is_some()).count();
    assert_eq!(with_token, 2, "whichever two went first");
}

/// So many who were there before the trigger, and nobody else yet.
fn with_backlog(count: u32, rate_limit: &str) -> Stack {
    let (stack, _) = with_users(0);
    stack.db.set("cometchat.rate_limit", Some(rate_limit));
    stack.execute(&format!(
        "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, {count});
         SELECT cometchat.disable_auth_trigger();
         DELETE FROM cometchat.sync_state WHERE user_id IS NOT NULL;
         SELECT cometchat.backfill(), cometchat.enable_auth_trigger()"
    ));
    stack
}

#[test]
fn people_go_before_the_backlog() {
    let stack = with_backlog(8, "-1");
    let people: Vec<String> = (0..8).map(|n| stack.sign_up(&n.to_string()).to_string()).collect();
    stack.asked();
    stack.execute("CALL cometchat.process_queue()");
    let created: Vec<String> =
        stack.chat.requests().into_iter().filter_map(|request| request.uid).collect();
    assert_eq!(created.len(), 16);
    assert_eq!(created[..8], people, "in the order in which they signed up");
}

fn last_run(stack: &Stack) -> Option<String> {
    stack.value(
        "SELECT c.process_queue_result || ' ' || h.ok FROM cometchat.control AS c,
           cometchat.health() AS h WHERE h.check_name = 'process_queue()'",
    )
}

#[test]
fn the_backlog_waits_for_a_request_as_in_the_worker() {
    let stack = with_backlog(40, "600"); // 20 in any two seconds
    stack.execute("CALL cometchat.process_queue()");
    assert_eq!(synced(&stack).as_deref(), Some("40"));
    assert_eq!(last_run(&stack).as_deref(), Some("done true"));
}

#[test]
fn our_own_limit_ends_a_run_and_is_no_failure() {
    let (stack, users) = with_users(8);
    stack.db.set("cometchat.rate_limit", Some("5"));
    stack.execute("CALL cometchat.process_queue()");
    let sent: usize = synced(&stack).and_then(|n| n.parse().ok()).expect("a number");
    assert!((1..=5).contains(&sent), "{sent}");
    assert_eq!(claimed(&stack).as_deref(), Some("0"));
    assert_eq!(last_run(&stack).as_deref(), Some("done true"));

    stack.db.set("cometchat.rate_limit", Some("-1"));
    stack.execute("SELECT cometchat.resume()");
    goes_on(&stack, &users);
}

#[test]
fn while_an_operator_has_paused_the_sending_it_sends_nothing() {
    let (stack, users) = with_users(2);
    stack.execute("SELECT cometchat.pause()");
    stack.asked();
    stack.execute("CALL cometchat.process_queue()");
    assert_eq!(stack.asked(), NOTHING);

    stack.execute("SELECT cometchat.resume()");
    goes_on(&stack, &users);
}

/// Where a worker could do it too: a session that has somebody in flight, for longer than a worker
/// takes to come.
fn beside_a_worker() -> (Stack, Uuid, BlockedSession) {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::delay(10_000).times(1));
    let mut admin = stack.db.admin();
    admin.batch_execute("SET cometchat.request_timeout = '60s'").unwrap();
    let busy = BlockedSession::with(admin, "CALL cometchat.process_queue()");
    eventually("she is in flight", || !stack.chat.requests().is_empty());
    (stack, ada, busy)
}

#[test]
fn a_starting_worker_keeps_a_sessions_claims() {
    let (stack, ada, busy) = beside_a_worker();
    stack.execute("SELECT cometchat.resume()");
    let bob = stack.sign_up("Bob Marley");
    eventually("the worker is at work", || stack.stored(bob).token.is_some());
    assert_eq!(claimed(&stack).as_deref(), Some("1"));

    busy.done().result.expect("process_queue");

    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.chat.requests().len(), 2, "once each");
}

#[test]
fn a_starting_worker_reclaims_the_claims_of_an_ended_session() {
    let (stack, ada, busy) = beside_a_worker();
    busy.terminate(&mut stack.db.admin());
    assert_eq!(claimed(&stack).as_deref(), Some("1"));

    stack.execute("SELECT cometchat.resume()");

    eventually("the worker sends her", || stack.stored(ada).token.is_some());
}

#[test]
fn in_a_transaction_it_is_refused_with_a_hint() {
    let (stack, users) = with_users(1);
    stack.asked();
    for beside in [
        "CALL cometchat.process_queue(); SELECT 1",
        "SELECT 1; CALL cometchat.process_queue()",
        "BEGIN; CALL cometchat.process_queue(); COMMIT",
    ] {
        let error = stack.db.admin().batch_execute(beside).expect_err(beside);
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "2D000", "{beside}");
        assert!(error.hint().is_some_and(|hint| hint.contains("alone")), "{beside}: {error:?}");
    }
    assert_eq!(stack.asked(), NOTHING);
    goes_on(&stack, &users);
}

#[test]
fn health_knows_when_it_last_ran_and_how_that_ended() {
    let (stack, users) = with_users(2);
    let row =
        "SELECT ok || ' ' || detail FROM cometchat.health() WHERE check_name = 'process_queue()'";
    let says = |what: &str| {
        let said = stack.value(row).unwrap_or_default();
        assert!(said.starts_with(what), "{said}");
        said
    };
    let worker = "SELECT ok FROM cometchat.health() WHERE check_name = 'worker'";
    assert!(says("true").contains("never called"));
    assert_eq!(stack.value(worker).as_deref(), Some("false"));

    stack.execute("CALL cometchat.process_queue(1)");
    assert!(says("true").ends_with("done"));
    assert_eq!(stack.value(worker).as_deref(), Some("true"), "it does the worker's job");

    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let _ = stack.db.admin().batch_execute("CALL cometchat.process_queue()");
    assert!(says("false").ends_with("AUTH_ERR_APIKEY_NOT_FOUND"));

    stack.chat.clear_faults();
    stack.db.set("cometchat.region", Some("no such"));
    let _ = stack.db.admin().batch_execute("CALL cometchat.process_queue()");
    assert!(says("false").contains("not properly configured"));

    stack.db.set("cometchat.region", Some("us"));
    goes_on(&stack, &users);
    assert!(says("true").ends_with("done"));
    let long_ago =
        "UPDATE cometchat.control SET process_queue_run_at = now() - interval '1 hour' WHERE true";
    stack.execute(long_ago);
    assert!(says("false").contains("01:00:0"));
}

/// Somebody's open transaction, in which `lock` has locked the user who is in flight, holds up neither the others
/// nor, once it is over, that user.
#[track_caller]
fn a_lock_holds_up_nobody(lock: impl Fn(&str) -> String, in_the_same_session: bool) {
    let (stack, users) = with_users(3);
    stack.session(users[0]).ensure(None, None, None).token();
    stack.change(users[0], "raw_user_meta_data = '{\"full_name\": \"Newer\"}'");
    stack.asked();
    stack.chat.set_fault(Fault::delay(2000).operation("update_user").times(1));
    let queue = BlockedSession::with(stack.db.admin(), "CALL cometchat.process_queue()");
    eventually("the edit is under way", || stack.was_asked("update_user"));
    let mut open = stack.db.admin();
    open.batch_execute(&format!("BEGIN; {}", lock(&users[0].to_string()))).expect("a lock");
    let queue = queue.done();
    queue.result.expect("process_queue does not wait for the end of that");

    assert!(users.iter().all(|user| stack.stored(*user).token.is_some()));
    open.batch_execute("COMMIT").expect("commit");
    let mut session = queue.client;
    if !in_the_same_session {
        session = stack.db.admin(); // and the other one ends
        let gone =
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL cometchat%')";
        eventually("the other session is gone", || stack.value(gone).as_deref() == Some("true"));
    }
    session
        .batch_execute("UPDATE cometchat.sync_state SET next_attempt_at = LEAST(next_attempt_at, now()) WHERE true;")
        .expect("now");
    session.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert_eq!(claimed(&stack).as_deref(), Some("0"));
    assert_eq!(stack.value("SELECT pending FROM cometchat.progress").as_deref(), Some("0"));
}

fn edit(user: &str) -> String {
    format!("UPDATE auth.users SET raw_user_meta_data = '{{\"full_name\": \"Newest\"}}' WHERE id = '{user}'")
}

fn lock_mapping(user: &str) -> String {
    format!("SELECT FROM public.cometchat_users WHERE user_id = '{user}' FOR UPDATE")
}

#[test]
fn an_open_transaction_with_an_edit_holds_up_nobody() {
    a_lock_holds_up_nobody(edit, true);
    a_lock_holds_up_nobody(edit, false);
}

#[test]
fn a_locked_mapping_holds_up_nobody() {
    a_lock_holds_up_nobody(lock_mapping, false);
}
