//! What the worker makes of failures: who is failed, who is tried again, what stops everybody.

use std::time::{Duration, Instant};

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, in_three_tries, within, Stack, NOTHING};
use simulator::{Fault, FaultKind, Filter, ListenerState};
use uuid::Uuid;

#[track_caller]
fn all_arrive(stack: &Stack, users: &[Uuid]) {
    stack.all_arrive(users);
    assert_eq!(stack.app().user_count(), users.len());
}

fn requests(stack: &Stack) -> u64 {
    stack.chat.counters().requests
}

#[test]
fn resume_probes_at_once_while_everybody_is_refused() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    stack.sign_up("Ada Lovelace");
    let paused = "SELECT paused_reason FROM cometchat.progress WHERE in_flight = 0";
    for _ in 0..4 {
        // An answer that is still on its way would stop it once more.
        eventually("it is paused", || stack.value(paused).is_some());
        // By themselves, probes come after 5, 10, 20 and 40 s.
        let before = requests(&stack);
        stack.execute("SELECT cometchat.resume()");
        within(Duration::from_secs(10), "it probes", || requests(&stack) > before);
    }
}

#[test]
fn a_refused_user_is_failed_with_cometchats_code_and_others_continue() {
    let stack = Stack::syncing();
    let bad = Uuid::new_v4();
    let fault = Fault::status(400, "ERR_ROLE_NOT_FOUND").uid(&bad.to_string());
    stack.chat.set_fault(fault);
    let sql = "INSERT INTO auth.users (id) VALUES ($1)";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&bad]).expect(sql);
    let others = stack.sign_ups(5);

    all_arrive(&stack, &others);
    let failed = "SELECT concat_ws(' ', user_id, attempts, error_code) FROM cometchat.failed_users";
    eventually("the bad one is failed", || {
        stack.value(&format!("SELECT max(x) FROM ({failed}) AS f(x)"))
            == Some(format!("{bad} 1 ERR_ROLE_NOT_FOUND"))
    });
    assert_eq!(stack.chat.requests_where(&of(bad)).len(), 1);

    stack.chat.clear_faults();
    assert_eq!(stack.value("SELECT cometchat.retry_failed()").as_deref(), Some("1"));
    eventually("the bad one has arrived", || stack.stored(bad).token.is_some());
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.failed_users").as_deref(), Some("0"));
}

fn of(user: Uuid) -> Filter {
    Filter { uid: Some(user.to_string()), ..Filter::default() }
}

#[test]
fn a_changed_profile_retries_a_failed_user() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").times(1));
    let ada = stack.sign_up("Ada Lovelace");
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    eventually("she is failed", || stack.value(failed).as_deref() == Some("1"));

    stack.change(ada, "email = 'other@example.com'");

    all_arrive(&stack, &[ada]);
}

#[test]
fn server_errors_and_silence_are_tried_again() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.request_timeout", Some("300ms"));
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").times(2));
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).times(2));

    let users = stack.sign_ups(4);

    all_arrive(&stack, &users);
    assert!(requests(&stack) >= 8);
    let left = "SELECT count(*) FROM cometchat.sync_state
                WHERE attempts > 0 OR error_code IS NOT NULL OR failed_at IS NOT NULL";
    eventually("nothing is held against them", || stack.value(left).as_deref() == Some("0"));
}

#[test]
fn after_max_attempts_a_user_is_failed() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.max_attempts", Some("2"));
    stack.chat.set_fault(Fault::status(500, "ERR_EXCEPTION"));

    stack.sign_up("Ada Lovelace");

    let failed = "SELECT max(attempts || ' ' || error_code) FROM cometchat.failed_users";
    eventually("she is failed", || stack.value(failed).as_deref() == Some("2 ERR_EXCEPTION"));
    assert_eq!(requests(&stack), 2);
}

/// Everything pauses under `fault`, callers hear `code` without a request, and it goes on by
/// itself once the fault is gone.
#[track_caller]
fn pauses_everybody(fault: Fault, code: &str) {
    let stack = Stack::syncing();
    stack.chat.set_fault(fault);
    let started = Instant::now();
    let mut users = stack.sign_ups(1);
    let reason = "SELECT paused_reason FROM cometchat.progress";
    eventually("sending is paused", || stack.value(reason).as_deref() == Some(code));
    let asked = requests(&stack);

    users.extend(stack.sign_ups(3));
    let answer = stack.session(users[1]).ensure(None, None, None);

    assert_eq!(answer.code(), code);
    let sent = requests(&stack);
    let probes = started.elapsed().as_secs() / 5;
    assert!(sent <= asked + probes, "nothing else is sent meanwhile");
    let unwell = format!(
        "SELECT count(*) FROM cometchat.health() WHERE NOT ok AND detail = '{code}'
         AND check_name = 'sending'"
    );
    assert_eq!(stack.value(&unwell).as_deref(), Some("1"));
    stack.chat.clear_faults();
    all_arrive(&stack, &users);
    assert_eq!(stack.logged("sending is paused").len(), 1);
    eventually("it says so", || stack.logged("sending resumed").len() == 1);
    let used = "SELECT max(attempts) FROM cometchat.sync_state";
    assert_eq!(stack.value(used).as_deref(), Some("0"));
}

#[test]
fn a_rejected_key_opens_the_circuit_breaker_and_sending_resumes() {
    pauses_everybody(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"), "API_KEY_REJECTED");
}

#[test]
fn a_forbidden_app_opens_the_circuit_breaker() {
    pauses_everybody(Fault::status(403, "AUTH_ERR_NO_ACCESS"), "API_KEY_REJECTED");
}

#[test]
fn a_refusal_without_cometchats_code_opens_the_circuit_breaker() {
    pauses_everybody(Fault::raw(403, "text/html", "<h1>Forbidden</h1>"), "API_KEY_REJECTED");
}

#[test]
fn a_used_up_plan_pauses_new_users() {
    pauses_everybody(Fault::status(402, "ERR_PLAN_QUOTA_RESTRICTION"), "PLAN_LIMIT");
}

#[test]
fn a_wrong_host_opens_the_circuit_breaker() {
    pauses_everybody(Fault::status(404, "ERR_API_NOT_FOUND"), "API_ERROR");
    pauses_everybody(Fault::raw(404, "text/html", "<h1>Not here</h1>"), "API_ERROR");
}

#[test]
fn retry_after_delays_all_users_and_loses_nothing() {
    let stack = Stack::syncing();
    let fault = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "8").times(1);
    stack.chat.set_fault(fault);
    let mut users = stack.sign_ups(1);
    eventually("the 429 was heard", || {
        stack.value("SELECT rate_limited FROM cometchat.stats").as_deref() == Some("1")
    });

    users.extend(stack.sign_ups(1));
    let answer = stack.session(users[1]).ensure(None, None, None);
    users.extend(stack.sign_ups(9));

    assert_eq!((answer.code(), answer.queued()), ("RATE_LIMITED", true));
    all_arrive(&stack, &users);
    let arrived: Vec<f64> = stack.chat.requests().iter().map(|r| r.arrived_ms).collect();
    let gap = arrived[1] - arrived[0];
    assert!(gap >= 7_990.0, "the next request came after {gap} ms");
    let used = "SELECT max(attempts) FROM cometchat.sync_state";
    assert_eq!(stack.value(used).as_deref(), Some("0"));
}

#[test]
fn an_outage_uses_up_no_attempts_and_all_users_arrive_after_it() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.max_attempts", Some("1"));
    stack.chat.set_listener(ListenerState::Closed);
    let users = stack.sign_ups(20);
    eventually("the outage was noticed", || stack.logged(": NETWORK").len() == 1);
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.failed_users").as_deref(), Some("0"));

    stack.chat.set_listener(ListenerState::Open);

    all_arrive(&stack, &users);
}

#[test]
fn a_login_with_a_transient_failure_is_finished_by_the_worker() {
    let stack = Stack::syncing();
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    for fault in [
        Fault::status(500, "ERR_EXCEPTION").times(1),
        Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "1").times(1),
        Fault::new(FaultKind::Reset).times(1),
    ] {
        let ada = stack.sign_up(&format!("Ada {}", Uuid::new_v4().simple()));
        stack.chat.set_fault(fault);
        let answer = stack.session(ada).ensure(None, None, None);
        assert!(!answer.success() && answer.queued(), "{answer:?}");
        eventually("the worker finishes it", || stack.stored(ada).token.is_some());
    }
}

#[test]
fn a_login_while_the_worker_has_the_user_in_flight_waits_for_that_answer() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::delay(300).operation("create_user"));
    let create = Filter { operation: Some("create_user".into()), ..Filter::default() };
    // It waits for two seconds, then asks by itself.
    in_three_tries(|| {
        let ada = stack.sign_ups(1)[0];
        assert!(stack.chat.wait_for(&create, 1, Duration::from_secs(30)));

        let token = stack.session(ada).ensure(None, None, None).token();

        stack.settled(ada);
        assert_eq!(stack.stored(ada).token, Some(token));
        match stack.asked() {
            asked if asked == ["create_user"] => Ok(()),
            asked => Err(asked),
        }
    });
}

#[test]
fn a_login_whose_update_fails_succeeds_and_the_worker_updates_later() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    all_arrive(&stack, &[ada]);
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("update_user").times(1));

    let answer = stack.session(ada).ensure(None, Some("Countess"), None);

    assert!(answer.success() && answer.queued(), "{answer:?}");
    assert_eq!(Some(answer.token()), stack.stored(ada).token);
    eventually("the worker updates", || stack.chat_user(ada)["name"] == "Countess");
}

#[test]
fn a_login_while_sending_is_paused_succeeds_with_the_stored_token_and_updates_later() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    all_arrive(&stack, &[ada]);
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    stack.enqueue(stack.sign_up("Bob Marley"), &serde_json::json!({}));
    let reason = "SELECT paused_reason FROM cometchat.progress";
    let paused = || stack.value(reason).as_deref() == Some("API_KEY_REJECTED");
    eventually("sending is paused", paused);

    let answer = stack.session(ada).ensure(None, None, None);

    assert!(answer.queued(), "{answer:?}");
    assert_eq!(Some(answer.token()), stack.stored(ada).token);
    stack.chat.clear_faults();
    eventually("the worker updates", || stack.chat_user(ada)["name"] == "Countess");
}

#[test]
fn a_hanging_login_does_not_block_the_worker() {
    let stack = Stack::syncing();
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).uid(&ada.to_string()).times(1));
    let mut session = stack.session(ada);
    session.execute("SET statement_timeout = 0; SET cometchat.request_timeout = '60s'");
    let busy = BlockedSession::with(session.client, "SELECT public.cometchat_ensure_user()");
    eventually("it hangs", || stack.chat.counters().in_flight > 0);
    stack.execute("SELECT cometchat.enable_auth_trigger()");

    let bob = stack.sign_up("Bob Marley");

    eventually("the other one arrives", || stack.stored(bob).token.is_some());
    assert_eq!(stack.chat.requests_where(&of(ada)).len(), 1);
    let _ = busy.cancel(&mut stack.db.admin());
    assert_ne!(stack.asked(), NOTHING);
}
