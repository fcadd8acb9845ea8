//! cometchat.progress and cometchat.stats tell the truth, to operators and to monitoring.

use scenarios::{eventually, Stack};
use simulator::Fault;

fn progress(stack: &Stack, columns: &str) -> Option<String> {
    stack.value(&format!("SELECT concat_ws(' ', {columns}) FROM cometchat.progress"))
}

#[test]
fn nothing_moves_while_sending_is_paused_and_so_there_is_no_estimate() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    stack.sign_ups(3);
    let state = || progress(&stack, "paused_reason, pending, COALESCE(eta::text, 'unknown')");
    eventually("the breaker opens", || state().as_deref() == Some("API_KEY_REJECTED 3 unknown"));
    assert_eq!(progress(&stack, "bar").as_deref(), Some("[#####...............] 25 %"));
    stack.chat.clear_faults();
    stack.execute("SELECT cometchat.resume()");
    eventually("all is sent", || {
        progress(&stack, "pending, eta, bar").as_deref()
            == Some("0 00:00:00 [####################] 100 %")
    });
}

#[test]
fn a_server_that_cannot_be_reached_is_a_reason() {
    let stack = Stack::new();
    stack.db.set("cometchat.api_base_url", Some("http://127.0.0.1:9"));
    let stack = stack.sync();
    stack.sign_up("Ada Lovelace");
    eventually("it is said", || progress(&stack, "paused_reason").as_deref() == Some("NETWORK"));

    stack.execute("DELETE FROM cometchat.sync_state WHERE true");
    eventually("nobody is left who finds out", || {
        progress(&stack, "paused_reason").as_deref() == Some("")
    });
}

#[test]
fn who_is_banned_or_passed_over_is_not_pending() {
    let stack = Stack::syncing();
    let banned = stack.sign_up("Ada Lovelace");
    stack.settled(banned);
    stack.change(banned, "banned_until = now() + interval '1 day'");
    stack.execute("INSERT INTO auth.users (id, is_anonymous) VALUES (gen_random_uuid(), true)");
    let columns = "pending, backlog, passed_over, deactivated, failed";
    eventually("all is settled", || progress(&stack, columns).as_deref() == Some("0 0 1 1 0"));
}

#[test]
fn requests_are_counted_by_class_outcome_and_latency_until_they_are_reset() {
    let stack = Stack::syncing();
    stack.all_arrive(&stack.sign_ups(4));
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST"));
    stack.sign_up("Bob Marley");
    let requests =
        "SELECT string_agg(concat_ws(' ', class, outcome, requests), ', ' ORDER BY outcome)
                    FROM cometchat.stats_requests WHERE requests > 0";
    let counted = "core ok 4, core refused 1";
    eventually("they are counted", || stack.value(requests).as_deref() == Some(counted));
    let latency = "SELECT concat_ws(' ', count(*), bool_and(requests <= 5),
                          max(requests) FILTER (WHERE le_ms IS NULL)) FROM cometchat.stats_latency";
    assert_eq!(stack.value(latency).as_deref(), Some("12 t 5"));
    let rate = "SELECT synced_per_minute >= 4 FROM cometchat.progress";
    assert_eq!(stack.value(rate).as_deref(), Some("true"));

    stack.execute("SELECT cometchat.reset_stats()");
    let stats = "SELECT concat_ws(' ', requests, failures, synced, failed, slowest_ms,
                        reset_at > now() - interval '1 minute') FROM cometchat.stats";
    assert_eq!(stack.value(stats).as_deref(), Some("0 0 0 0 0 t"));
    assert_eq!(stack.value(requests), None);
}

#[test]
fn the_one_who_waits_longest_is_the_queues_lag() {
    let stack = Stack::new();
    let lag = "SELECT queue_lag::text FROM cometchat.stats";
    assert_eq!(stack.value(lag).as_deref(), Some("00:00:00"));
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.sign_up("Ada Lovelace");
    stack.execute(
        "UPDATE cometchat.sync_state SET next_attempt_at = now() - interval '1 hour' WHERE true",
    );
    let is_old =
        "SELECT queue_lag BETWEEN interval '1 hour' AND interval '2 hours' FROM cometchat.stats";
    assert_eq!(stack.value(is_old).as_deref(), Some("true"));
}

#[test]
fn pg_monitor_reads_numbers_and_no_user() {
    let stack = Stack::new();
    let role = format!("monitor_{}", stack.db.name());
    stack.execute(&format!("CREATE ROLE {role} LOGIN IN ROLE pg_monitor"));
    let mut monitor = stack.db.connect(&role);
    for view in ["progress", "stats", "stats_requests", "stats_latency"] {
        monitor.query(&format!("SELECT * FROM cometchat.{view}"), &[]).expect(view);
    }
    for view in ["failed_users", "attempts", "sync_state", "control", "running_backfill"] {
        let refused = monitor.query(&format!("SELECT * FROM cometchat.{view}"), &[]);
        assert_eq!(refused.unwrap_err().code().unwrap().code(), "42501", "{view}");
    }
    drop(monitor);
    stack.execute(&format!("DROP ROLE {role}"));
}

#[test]
fn whoever_waits_for_a_backfill_is_told_when_it_is_done_or_that_it_is_not() {
    let stack = Stack::new();
    stack.execute(
        "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 50)",
    );
    stack.execute("SELECT cometchat.backfill()");
    let mut service = stack.service();
    let wait = |time: &str| format!("CALL cometchat.wait_until_synced('{time}')");
    assert_eq!(service.sqlstate(&wait("1 second")), "55000");
    stack.execute("SELECT cometchat.resume()");
    service.execute(&wait("1 minute"));
    assert_eq!(stack.app().user_count(), 50);
}
