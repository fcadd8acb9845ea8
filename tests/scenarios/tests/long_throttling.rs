//! Somebody in between says 429, for a day or in a way of their own: nobody is silenced for long, and
//! an operator sees it and can end it.

use std::time::Duration;

use scenarios::{eventually, within, Stack};
use simulator::Fault;
use uuid::Uuid;

/// A proxy's page, for a day.
fn for_a_day() -> Fault {
    Fault::raw(429, "text/html", "<html>Slow down").header("Retry-After", "86400")
}

fn requests(stack: &Stack) -> u64 {
    stack.chat.counters().requests
}

/// Silenced by a proxy, with somebody waiting.
fn silenced() -> (Stack, Uuid) {
    let stack = Stack::syncing();
    let fault = stack.chat.set_fault(for_a_day());
    let ada = stack.sign_up("Ada Lovelace");
    // Not the request alone: the worker may not have read the answer yet.
    let throttled = "SELECT cometchat.worker_status() ->> 'throttled_until'";
    eventually("the answer was read", || stack.value(throttled).is_some());
    stack.chat.clear_fault(fault);
    (stack, ada)
}

fn is_synced(stack: &Stack, user: Uuid) -> bool {
    stack.stored(user).token.is_some()
}

#[test]
fn resume_tries_again_at_once() {
    let (stack, ada) = silenced();
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!((answer.code(), requests(&stack)), ("RATE_LIMITED", 1), "silence is kept");

    stack.execute("SELECT cometchat.resume()");

    within(Duration::from_secs(10), "it goes on", || is_synced(&stack, ada));
}

#[test]
fn a_reload_of_the_configuration_tries_again_at_once() {
    let (stack, ada) = silenced();

    stack.execute("SELECT pg_reload_conf()");

    within(Duration::from_secs(10), "it goes on", || is_synced(&stack, ada));
}

#[test]
fn a_retry_in_vain_sends_one_request() {
    let (stack, ada) = silenced();
    for n in 0..20 {
        stack.sign_up(&format!("User Number {n}"));
    }
    let fault = stack.chat.set_fault(for_a_day());
    stack.execute("SELECT cometchat.resume()");
    eventually("it was tried", || requests(&stack) == 2);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(requests(&stack), 2);
    assert!(!is_synced(&stack, ada));

    stack.chat.clear_fault(fault);
    stack.execute("SELECT cometchat.resume()");
    eventually("all are synced", || {
        let left = "SELECT count(*) FROM cometchat.sync_state WHERE sent_profile IS NULL";
        stack.value(left).as_deref() == Some("0")
    });
}

#[test]
fn health_says_until_when_and_by_whose_order() {
    let (stack, ada) = silenced();
    let row = "SELECT concat_ws(' | ', ok, detail, hint) FROM cometchat.health()
               WHERE check_name = 'rate limit'";
    let said = stack.value(row).expect("a check of its own");
    assert!(said.starts_with("f | "), "{said}");
    for part in ["86400 s", "a proxy or gateway", "cometchat.resume()"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let left = "SELECT (substring(detail FROM 'until ([^;]*)'))::timestamptz - now()
                       BETWEEN interval '1 minute' AND interval '5 minutes'
                FROM cometchat.health() WHERE check_name = 'rate limit'";
    assert_eq!(stack.value(left).as_deref(), Some("true"), "{said}");
    let reason = "SELECT paused_reason FROM cometchat.progress";
    assert_eq!(stack.value(reason).as_deref(), Some("RATE_LIMITED"));

    let fault = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "240");
    let fault = stack.chat.set_fault(fault);
    stack.execute("SELECT cometchat.resume()");
    eventually("CometChat says it", || {
        stack.value(row).is_some_and(|said| {
            said.contains("CometChat answered 429 and asked for a wait of 240 s")
        })
    });
    stack.chat.clear_fault(fault);
    stack.execute("SELECT cometchat.resume()");
    eventually("it is over", || is_synced(&stack, ada));
    assert_eq!(stack.value(row).as_deref(), Some("t | not throttled"));
    assert_eq!(stack.value(reason), None);
}

#[test]
fn an_unreadable_retry_after_is_a_short_wait() {
    for said in ["0", "-5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", ""] {
        let stack = Stack::syncing();
        let fault = stack
            .chat
            .set_fault(Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", said));
        let ada = stack.sign_up("Ada Lovelace");
        eventually("it was said", || requests(&stack) > 0);
        std::thread::sleep(Duration::from_secs(2));
        assert!(requests(&stack) <= 4, "{said:?}: {} requests in two seconds", requests(&stack));
        stack.chat.clear_fault(fault);
        eventually("it goes on", || is_synced(&stack, ada));
    }
}

#[test]
fn a_user_from_a_throttled_call_is_not_delayed_for_a_day() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(for_a_day());
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "RATE_LIMITED");
    let soon = "SELECT next_attempt_at < now() + interval '5 minutes' FROM cometchat.sync_state";
    assert_eq!(stack.value(soon).as_deref(), Some("true"));
}
