//! One vocabulary of `sync_state.error_code`: CometChat's code where it sent one, else ours. Who was not
//! tried keeps what was known. And what is counted, and what a setting may be.

use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind, ListenerState};
use uuid::Uuid;

fn error_code(stack: &Stack, user: Uuid) -> Option<String> {
    let sql = format!("SELECT error_code FROM cometchat.sync_state WHERE user_id = '{user}'");
    stack.value(&sql)
}

#[test]
fn the_workers_error_codes_are_cometchats_or_ours() {
    for (fault, code, said) in [
        (Fault::status(400, "ERR_ROLE_NOT_FOUND"), "ERR_ROLE_NOT_FOUND", ""),
        (Fault::status(503, "ERR_MISSION_FAILED"), "ERR_MISSION_FAILED", ""),
        (Fault::raw(503, "text/html", "<h1>BlockedSession</h1>"), "API_ERROR", ""),
        (Fault::raw(404, "text/html", "<h1>No</h1>"), "API_ERROR", "API_ERROR"),
        (Fault::raw(403, "text/html", "<h1>No</h1>"), "API_KEY_REJECTED", "API_KEY_REJECTED"),
        (
            Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"),
            "AUTH_ERR_APIKEY_NOT_FOUND",
            "API_KEY_REJECTED (AUTH_ERR_APIKEY_NOT_FOUND)",
        ),
        (Fault::raw(402, "text/html", "<h1>Pay</h1>"), "PLAN_LIMIT", "for new users: PLAN_LIMIT"),
        (Fault::new(FaultKind::Garbage { bytes: "no".into() }), "API_ERROR", "API_ERROR"),
        (Fault::new(FaultKind::Reset), "NETWORK", "NETWORK"),
    ] {
        let stack = Stack::syncing();
        stack.chat.set_fault(fault);
        let ada = stack.sign_up("Ada Lovelace");

        eventually(code, || error_code(&stack, ada).as_deref() == Some(code));
        if said.is_empty() {
            continue;
        }
        eventually(said, || stack.logged("sending is paused").len() == 1);
        let line = stack.logged("sending is paused").remove(0);
        assert!(line.ends_with(&format!(": {said}")) || line.ends_with(said), "{line}");
    }
}

#[test]
fn a_calls_error_codes_are_the_same() {
    let stack = Stack::new();
    stack.db.set("cometchat.request_timeout", Some("500ms"));
    for (fault, code) in [
        (Fault::status(503, "ERR_MISSION_FAILED"), "ERR_MISSION_FAILED"),
        (Fault::raw(503, "text/html", "<h1>BlockedSession</h1>"), "API_ERROR"),
        (
            Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "1"),
            "ERR_TOO_MANY_REQUESTS",
        ),
        (Fault::new(FaultKind::HangBeforeHeader), "TIMEOUT"),
    ] {
        // The wait that CometChat asks for is the whole database's.
        let stack = if code == "ERR_TOO_MANY_REQUESTS" { &Stack::new() } else { &stack };
        stack.chat.clear_faults();
        stack.chat.set_fault(fault);
        let ada = stack.sign_ups(1)[0];

        assert!(stack.session(ada).ensure(None, None, None).queued());

        assert_eq!(error_code(stack, ada).as_deref(), Some(code));
    }
}

#[test]
fn an_outcome_that_cannot_be_written_is_a_failure_of_the_database() {
    let stack = Stack::syncing();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), Uuid::new_v4());
    stack.all_arrive(&[ada]);
    // Her mapping says that she has his uid.
    stack.execute("ALTER TABLE public.cometchat_users DISABLE TRIGGER ALL");
    stack.execute(&format!("UPDATE public.cometchat_users SET cometchat_uid = '{bob}' WHERE true"));
    let sql = "INSERT INTO auth.users (id) VALUES ($1)";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&bob]).expect(sql);

    let failed = "SELECT error_code || ' ' || error_message FROM cometchat.failed_users";
    eventually("he has failed", || {
        stack.value(failed).as_deref() == Some("DATABASE SQLSTATE 23505")
    });
}

#[test]
fn a_released_claim_keeps_the_error_of_the_last_attempt() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.concurrency", Some("1"));
    stack.execute("SELECT cometchat.pause()");
    let users = stack.sign_ups(4);
    stack.execute(
        "UPDATE cometchat.sync_state SET error_code = 'ERR_EXCEPTION', error_message = 'told',
           attempts = 3 WHERE true",
    );
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    stack.execute("SELECT cometchat.resume()");
    let reason = "SELECT paused_reason FROM cometchat.progress";
    eventually("sending is paused", || stack.value(reason).is_some());
    let claimed = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    eventually("all are given back", || stack.value(claimed).as_deref() == Some("0"));

    let codes = "SELECT string_agg(concat_ws(' ', n, error_code, error_message), ', ' ORDER BY n)
                 FROM (SELECT count(*) AS n, error_code,
                              CASE WHEN error_code = 'ERR_EXCEPTION' THEN error_message END
                                AS error_message
                       FROM cometchat.sync_state GROUP BY 2, 3) AS c";
    let want = "1 AUTH_ERR_APIKEY_NOT_FOUND, 3 ERR_EXCEPTION told";
    assert_eq!(stack.value(codes).as_deref(), Some(want));
    stack.chat.clear_faults();
    stack.all_arrive(&users);
}

#[test]
fn an_outage_is_stored_with_its_code() {
    let stack = Stack::syncing();
    stack.chat.set_listener(ListenerState::Closed);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("it is said", || error_code(&stack, ada).as_deref() == Some("NETWORK"));
}

#[test]
fn a_skipped_user_does_not_count_as_synced() {
    let stack = Stack::syncing();
    let sql = "INSERT INTO auth.users (id, is_anonymous) SELECT gen_random_uuid(), true
               FROM generate_series(1, 7)";
    stack.db.connect("supabase_auth_admin").batch_execute(sql).expect(sql);
    let waiting =
        "SELECT count(*) FROM cometchat.sync_state WHERE synced_revision < wanted_revision";
    eventually("all are looked at", || stack.value(waiting).as_deref() == Some("0"));
    let synced = "SELECT synced FROM cometchat.stats";
    assert_eq!(stack.value(synced).as_deref(), Some("0"));

    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    assert_eq!(stack.value(synced).as_deref(), Some("1"));
    // Nothing to send: nobody was brought anywhere.
    stack.enqueue(ada, &json!({}));
    stack.settled(ada);
    assert_eq!(stack.value(synced).as_deref(), Some("1"));
}

#[test]
fn on_delete_takes_one_of_three_words_and_no_other() {
    let stack = Stack::new();
    let mut admin = stack.db.admin();
    for word in ["deactivate", "delete", "keep", "KEEP"] {
        let sql = format!("SET cometchat.on_delete = '{word}'; RESET cometchat.on_delete");
        admin.batch_execute(&sql).expect(&sql);
    }
    let set = format!("ALTER DATABASE {} SET cometchat.on_delete = 'remove'", stack.db.name());
    for sql in ["SET cometchat.on_delete = 'remove'", "SET cometchat.on_delete = ''", &set] {
        let error = admin.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().expect("an error of the server's");
        assert_eq!(error.code().code(), "22023");
        assert_eq!(error.hint(), Some("Available values: deactivate, delete, keep."));
    }
    assert_eq!(
        stack.value("SELECT current_setting('cometchat.on_delete')").as_deref(),
        Some("deactivate")
    );
}
