//! What CometChat, or a firewall before it, answers for one user holds up nobody else for more than a
//! probe, and in the end that user is given up on.

use scenarios::{eventually, within, Session, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind};
use std::time::Duration;
use uuid::Uuid;

const FIREWALL: &str = "<h1>Forbidden</h1>";

fn failed(stack: &Stack) -> Vec<(Uuid, String)> {
    let sql = "SELECT user_id, error_code FROM cometchat.failed_users ORDER BY user_id";
    let rows = stack.db.admin().query(sql, &[]).expect(sql);
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A stack in which `count` users, the returned ones, always meet `fault`.
fn with_culprits(fault: &Fault, count: usize) -> (Stack, Vec<Uuid>) {
    let stack = Stack::alone().sync();
    stack.db.set("cometchat.max_attempts", Some("3"));
    let mut culprits: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    culprits.sort();
    for culprit in &culprits {
        stack.chat.set_fault(fault.clone().uid(&culprit.to_string()));
        let sql = "INSERT INTO auth.users (id) VALUES ($1)";
        stack.db.connect("supabase_auth_admin").execute(sql, &[culprit]).expect(sql);
    }
    (stack, culprits)
}

/// Fifty others arrive; after that nobody is ever kept waiting, and the culprits fail.
#[track_caller]
fn others_arrive_and_it_fails(fault: &Fault, count: usize, code: &str) {
    let (stack, culprits) = with_culprits(fault, count);
    eventually("it was refused", || {
        stack.value("SELECT failures FROM cometchat.stats") != Some("0".into())
    });

    let others = stack.sign_ups(50);

    stack.all_arrive(&others);
    let pauses = stack.logged("sending is paused").len();
    assert!(pauses <= 1, "{pauses} pauses");
    let want: Vec<(Uuid, String)> = culprits.iter().map(|c| (*c, code.to_owned())).collect();
    within(Duration::from_secs(60), "it is given up on", || {
        // Whoever comes meanwhile is served at once, by the worker and by a call.
        let reason = stack.value("SELECT paused_reason FROM cometchat.progress");
        assert_eq!(reason, None, "everybody waits again");
        std::thread::sleep(Duration::from_millis(50));
        failed(&stack) == want
    });
    let last = stack.sign_ups(1);
    stack.all_arrive(&last);
    assert_eq!(stack.logged("sending is paused").len(), pauses, "once is enough");
}

#[test]
fn a_firewalls_403_for_one_user_delays_no_other() {
    others_arrive_and_it_fails(&Fault::raw(403, "text/html", FIREWALL), 1, "API_KEY_REJECTED");
}

#[test]
fn several_users_refused_by_a_firewall_delay_no_other() {
    others_arrive_and_it_fails(&Fault::raw(403, "text/html", FIREWALL), 3, "API_KEY_REJECTED");
}

#[test]
fn a_404_and_a_400_of_a_proxy_delay_no_other_user() {
    others_arrive_and_it_fails(&Fault::raw(404, "text/html", "<h1>No</h1>"), 1, "API_ERROR");
    others_arrive_and_it_fails(&Fault::raw(400, "text/html", "<h1>No</h1>"), 1, "API_ERROR");
}

#[test]
fn connections_reset_for_one_user_delay_no_other() {
    others_arrive_and_it_fails(&Fault::new(FaultKind::Reset), 1, "NETWORK");
}

#[test]
fn unreadable_remote_metadata_delays_no_other_user() {
    let stack = Stack::alone().sync();
    stack.db.set("cometchat.max_attempts", Some("3"));
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.settled(ada);
    let body = format!(r#"{{"data":{{"uid":"{ada}","metadata":{{"a":1e400}}}}}}"#);
    let fault = Fault::raw(200, "application/json", &body).operation("get_user");
    stack.chat.set_fault(fault.uid(&ada.to_string()));
    stack.enqueue(ada, &json!({"metadata": {"team": "navy"}}));

    stack.all_arrive(&stack.sign_ups(20));
    within(Duration::from_secs(60), "she is given up on", || {
        failed(&stack) == [(ada, "API_ERROR".to_owned())]
    });
    stack.all_arrive(&stack.sign_ups(5));
    assert!(stack.logged("sending is paused").len() <= 1);
}

#[test]
fn requests_that_time_out_for_one_user_delay_no_other() {
    let stack = Stack::alone().sync();
    for (name, value) in [("concurrency", "1"), ("max_attempts", "4"), ("request_timeout", "200ms")]
    {
        stack.db.set(&format!("cometchat.{name}"), Some(value));
    }
    let culprit = Uuid::new_v4();
    let fault = Fault::new(FaultKind::HangBeforeHeader).uid(&culprit.to_string());
    stack.chat.set_fault(fault);
    let sql = "INSERT INTO auth.users (id) VALUES ($1)";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&culprit]).expect(sql);

    within(Duration::from_secs(90), "it is given up on", || {
        failed(&stack) == [(culprit, "TIMEOUT".to_owned())]
    });
    assert_eq!(stack.logged("sending is paused").len(), 0);
    stack.all_arrive(&stack.sign_ups(3));
}

#[test]
fn process_queue_goes_on_after_one_users_refusal() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let users = stack.sign_ups(6);
    for user in &users {
        stack.enqueue(*user, &json!({}));
    }
    let culprit = users[0];
    let fault = Fault::raw(403, "text/html", FIREWALL).uid(&culprit.to_string());
    stack.chat.set_fault(fault);
    // All due at the same time, as after a pause, but for that one: whoever is last has nobody behind who could
    // show that others are accepted.
    stack.execute(&format!(
        "UPDATE cometchat.sync_state SET next_attempt_at = now() WHERE true;
         UPDATE cometchat.sync_state SET next_attempt_at = now() - interval '1 s'
         WHERE user_id = '{culprit}'"
    ));

    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");

    // The delay is random, and may be over by now.
    let sql = format!(
        "SELECT attempts || ' ' || error_code FROM cometchat.sync_state
         WHERE user_id = '{culprit}' AND next_attempt_at IS NOT NULL"
    );
    assert_eq!(stack.value(&sql).as_deref(), Some("1 API_KEY_REJECTED"));
    stack.all_arrive(&users[1..]);
}

#[test]
fn a_reload_retries_a_delayed_user_at_once() {
    let stack = Stack::alone().sync();
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let ada = stack.sign_up("Ada Lovelace");
    // After 5 and 10 seconds; the next comes 20 seconds later.
    eventually("two probes", || stack.chat.counters().requests >= 3);
    let written =
        "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at > now() + '15 s'";
    eventually("she is put off", || stack.value(written).as_deref() == Some("1"));

    stack.chat.clear_faults();
    stack.execute("SELECT pg_reload_conf()");

    within(Duration::from_secs(8), "she arrives", || stack.stored(ada).token.is_some());
}

#[test]
fn process_queue_tries_a_refused_user_once() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let ada = stack.sign_up("Ada Lovelace");
    stack.enqueue(ada, &json!({}));
    stack.chat.set_fault(Fault::raw(403, "text/html", FIREWALL));

    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");

    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn a_rejected_key_uses_up_no_attempts() {
    let stack = Stack::alone().sync();
    stack.db.set("cometchat.max_attempts", Some("1"));
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let users = stack.sign_ups(20);
    let reason = "SELECT paused_reason FROM cometchat.progress";
    eventually("paused", || stack.value(reason).as_deref() == Some("API_KEY_REJECTED"));
    eventually("a probe, and another", || stack.chat.counters().requests >= 4);
    stack.chat.clear_faults();
    stack.all_arrive(&users);
    assert_eq!(failed(&stack), []);

    let stack = Stack::new();
    stack.db.set("cometchat.max_attempts", Some("1"));
    stack.unpause_all_but_the_worker();
    let users = stack.sign_ups(6);
    for user in &users {
        stack.enqueue(*user, &json!({}));
    }
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");
    assert_eq!(stack.asked().len(), 2, "one, and another to see whom it concerns");
    stack.chat.clear_faults();
    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");
    stack.all_arrive(&users);
    assert_eq!(failed(&stack), []);
}
