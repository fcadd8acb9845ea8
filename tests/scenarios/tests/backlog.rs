//! People before backlog: whatever waits, nobody who signs up, edits or logs in feels it.

use scenarios::{eventually, Cluster, Database, Session, Stack};
use simulator::{Filter, HeaderStyle, Limits, Simulator};
use uuid::Uuid;

/// Queues so many users who were there before the trigger, and nobody else.
fn with_backlog(users: u32, limit: &str) -> Stack {
    queue_backlog(Stack::new(), users, limit)
}

fn queue_backlog(stack: Stack, users: u32, limit: &str) -> Stack {
    let no_headers = Limits { headers: HeaderStyle::None, ..Limits::default() };
    stack.chat.set_limits(no_headers);
    stack.db.set("cometchat.rate_limit", Some(limit));
    // These are about the limit of single requests, which the import would spare.
    stack.db.set("cometchat.bulk_import", Some("off"));
    insert_users(&stack, users);
    stack.execute("SELECT cometchat.backfill()");
    stack
}

fn insert_users(stack: &Stack, users: u32) {
    stack.execute(&format!(
        "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, {users})"
    ));
}

fn creates(stack: &Stack) -> usize {
    let filter = Filter { operation: Some("create_user".into()), ..Filter::default() };
    stack.chat.requests_where(&filter).len()
}

fn waiting(stack: &Stack) -> i64 {
    let sql =
        "SELECT count(*) FROM cometchat.sync_state WHERE backlog AND next_attempt_at IS NOT NULL";
    stack.value(sql).and_then(|n| n.parse().ok()).expect("a number")
}

fn somebody_of_the_backlog(stack: &Stack) -> Uuid {
    let sql = "SELECT user_id FROM cometchat.sync_state
               WHERE backlog AND claim IS NULL AND sent_profile IS NULL
               ORDER BY next_attempt_at DESC, user_id LIMIT 1";
    stack.value(sql).expect("somebody").parse().expect("a uuid")
}

#[test]
fn under_a_hard_cap_a_sign_up_passes_the_backlog_and_logins_are_answered() {
    for limit in ["300", "0"] {
        let stack = with_backlog(1000, limit).sync();
        eventually("the backlog is being sent", || creates(&stack) > 0);
        for n in 0..5 {
            let new = stack.sign_up(&format!("New {n}"));
            stack.settled(new);
            let waiting_long = somebody_of_the_backlog(&stack);
            stack.session(waiting_long).ensure(None, None, None).token();
            let edited = somebody_of_the_backlog(&stack);
            stack.change(edited, r#"raw_user_meta_data = '{"full_name": "Edited"}'"#);
            stack.settled(edited);
        }
        assert!(waiting(&stack) > 500, "{} waiting under {limit}", waiting(&stack));
        assert_eq!(stack.chat.counters().with_status(429), 0);
    }
}

#[test]
fn the_backlog_arrives_in_the_end() {
    let stack = with_backlog(200, "-1").sync();
    eventually("all are in CometChat", || waiting(&stack) == 0 && stack.app().user_count() == 200);
}

#[test]
fn with_slow_answers_and_every_thread_busy_people_go_next() {
    let chat = Simulator::builder().latency_ms(100).start().expect("a simulator");
    let stack = Stack::on(Database::like_supabase(Cluster::shared()), chat);
    let stack = queue_backlog(stack, 300, "-1");
    stack.db.set("cometchat.concurrency", Some("2"));
    let stack = stack.sync();
    eventually("the backlog is being sent", || creates(&stack) > 0);
    let new = stack.sign_up("New");
    stack.settled(new);
    assert!(waiting(&stack) > 200, "{} wait", waiting(&stack));
}

#[test]
fn a_user_of_the_backlog_who_is_edited_or_banned_is_one_of_the_people() {
    let stack = with_backlog(3, "-1");
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let [edited, banned, other] = [0, 1, 2].map(|n| {
        let sql =
            format!("SELECT user_id FROM cometchat.sync_state ORDER BY user_id LIMIT 1 OFFSET {n}");
        stack.value(&sql).expect("a user").parse::<Uuid>().expect("a uuid")
    });
    stack.change(edited, r#"raw_user_meta_data = '{"full_name": "Edited"}'"#);
    stack.change(banned, "banned_until = now() + interval '1 day'");
    let backlog = "SELECT string_agg(user_id::text, ' ') FROM cometchat.sync_state WHERE backlog";
    assert_eq!(stack.value(backlog), Some(other.to_string()));
}

/// More than are queued by the call itself.
const MANY: u32 = 21_000;

#[test]
fn a_large_backfill_is_queued_page_by_page_and_nobody_waits_for_it() {
    let stack = Stack::new();
    insert_users(&stack, MANY);
    let last = stack.value("SELECT id FROM auth.users ORDER BY id DESC LIMIT 1").expect("a user");

    let mut operator = stack.db.admin();
    let mut open = operator.transaction().expect("a transaction");
    let queued: i64 = open.query_one("SELECT cometchat.backfill()", &[]).expect("backfill").get(0);
    assert_eq!(queued, i64::from(MANY));
    // The call has not committed.
    let mut login =
        Session::authenticated(stack.db.connect("authenticator"), last.parse().expect("a uuid"));
    login.execute("SET lock_timeout = '1s'");
    login.ensure(None, None, None).token();
    open.commit().expect("commit");

    let queued = "SELECT count(*) FROM cometchat.sync_state WHERE backlog";
    assert_eq!(stack.value(queued).as_deref(), Some("10000"), "the first page");
    let remaining = "SELECT remaining FROM cometchat.running_backfill";
    assert_eq!(stack.value(remaining).as_deref(), Some("11000"));
    let pending = "SELECT pending FROM cometchat.progress";
    assert_eq!(stack.value(pending).as_deref(), Some("21000"));
    // As if these had been sent.
    stack.execute("UPDATE cometchat.sync_state SET next_attempt_at = NULL WHERE backlog");
    stack.execute("SELECT cometchat.resume()");
    eventually("three pages more were queued", || {
        stack.value(remaining).is_none_or(|n| n.parse::<i64>().expect("a number") <= 9_500)
    });
}

#[test]
fn process_queue_goes_on_with_a_large_backfill() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    insert_users(&stack, MANY);
    stack.execute("SELECT cometchat.backfill()");
    stack.execute("UPDATE cometchat.sync_state SET next_attempt_at = NULL WHERE backlog");
    let mut service = stack.service();
    service.execute("CALL cometchat.process_queue(700)");
    assert_eq!(stack.app().user_count(), 700);
    let remaining = "SELECT remaining FROM cometchat.running_backfill";
    assert_eq!(stack.value(remaining).as_deref(), Some("10000"));
}

#[test]
fn whoever_is_queued_for_a_new_app_and_put_off_is_pending() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.execute("SELECT cometchat.pause()");
    stack.execute("UPDATE cometchat.sync_state SET app_id = 'another' WHERE true");
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("1"));
    stack.execute(
        "UPDATE cometchat.sync_state SET next_attempt_at = now() + interval '1 minute' WHERE true",
    );
    assert_eq!(stack.value("SELECT pending FROM cometchat.progress").as_deref(), Some("1"));
    assert_eq!(stack.value("SELECT cometchat.has_pending()").as_deref(), Some("true"));
}

#[test]
fn a_backlog_that_waits_for_long_is_not_overdue_but_a_person_is() {
    let stack = with_backlog(2, "-1");
    let queue = || scenarios::health::check(&stack.db, "queue");
    stack.execute(
        "UPDATE cometchat.sync_state SET next_attempt_at = now() - interval '1 hour' WHERE true",
    );
    assert!(queue().ok, "{:?}", queue());
    stack.execute("UPDATE cometchat.sync_state SET backlog = false WHERE true");
    assert!(!queue().ok, "{:?}", queue());
}

#[test]
fn a_backfill_that_is_repeated_while_it_runs_queues_everybody_once() {
    let stack = Stack::new();
    insert_users(&stack, MANY);
    stack.execute("SELECT cometchat.backfill(), cometchat.backfill()");
    stack.execute("SELECT cometchat.backfill()");
    let rows = "SELECT count(*) || ' ' || max(wanted_revision) FROM cometchat.sync_state";
    assert_eq!(stack.value(rows).as_deref(), Some("21000 1"));
}
