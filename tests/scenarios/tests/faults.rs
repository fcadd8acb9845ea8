//! Every way in which an endpoint can fail leaves nothing half stored, and the next call mends it.

use std::time::Duration;

use scenarios::{eventually, Session, Stack, Stored};
use serde_json::json;
use simulator::{Fault, FaultKind};
use uuid::Uuid;

/// All kinds, the endless ones included.
fn kinds(base_url: &str) -> Vec<FaultKind> {
    let headers = Default::default();
    let body = "<html>".into();
    vec![
        FaultKind::Status { status: 500, code: "ERR_EXCEPTION".into(), message: None, headers },
        FaultKind::Raw {
            status: 503,
            body,
            content_type: "text/html".into(),
            headers: Default::default(),
        },
        FaultKind::HangBeforeHeader,
        FaultKind::HangAfterHeader,
        FaultKind::Drip { bytes: 1, interval_ms: 100 },
        FaultKind::Close,
        FaultKind::Reset,
        FaultKind::TruncatedJson,
        FaultKind::TruncatedBody,
        FaultKind::ShortLength,
        FaultKind::EndlessChunked { bytes: 1024, interval_ms: 0 },
        FaultKind::EndlessChunked { bytes: 1, interval_ms: 20 },
        FaultKind::HugeBody { bytes: 10_000_000_000 },
        FaultKind::Redirect { status: 302, location: format!("{base_url}/elsewhere") },
        FaultKind::Garbage { bytes: "\u{1}\u{2}not http\n".into() },
        FaultKind::NoContent,
        FaultKind::Gzip,
    ]
}

/// What is stored agrees with what CometChat has; then a call without the fault succeeds.
#[track_caller]
fn assert_consistent_and_mended(stack: &Stack, user: Uuid, what: &str) {
    let stored = stack.stored(user);
    let uid = user.to_string();
    if let Some(token) = &stored.token {
        assert!(stack.app().tokens(&uid).contains(token), "{what}: a token that is none");
    }
    if stored.sent {
        assert_eq!(stack.chat_user(user)["name"], "Ada Lovelace", "{what}");
    }
    stack.chat.clear_faults();
    let answer = stack.session(user).ensure(None, None, None);
    assert_eq!(answer.uid(), Some(uid.as_str()), "{what}");
    assert!(stack.app().tokens(&uid).contains(&answer.token()), "{what}");
    assert_eq!(stack.chat_user(user)["name"], "Ada Lovelace", "{what}");
    assert_eq!(stack.stored(user).token, Some(answer.token()), "{what}");
}

/// A session that does not wait long for what never ends; there is time for everything else.
fn hurried(stack: &Stack, user: Uuid, kind: &FaultKind) -> Session {
    let mut session = stack.session(user);
    if is_endless(kind) {
        session.execute("SET cometchat.request_timeout = '2s'");
    }
    session
}

/// After a 429 nothing is sent for a second, whatever it says, and longer after several in a row.
const AFTER_429: Duration = Duration::from_millis(2_500);

fn is_endless(kind: &FaultKind) -> bool {
    use FaultKind::*;
    match kind {
        HangBeforeHeader | HangAfterHeader | Drip { .. } => true,
        EndlessChunked { interval_ms, .. } => *interval_ms > 0,
        _ => false,
    }
}

/// What was asked, once `operation` was: a caller may give up before the request was noted.
#[track_caller]
fn asked_up_to(stack: &Stack, operation: &str, what: &str) -> Vec<String> {
    let there = || stack.chat.requests().iter().any(|r| r.operation == operation);
    eventually(&format!("{what}: {operation}"), there);
    stack.asked()
}

#[test]
fn no_failure_of_a_creation_leaves_anything_behind() {
    let stack = Stack::new();
    for kind in kinds(&stack.chat.base_url()) {
        for perform in [false, true] {
            let what = format!("{} {perform}", kind.name());
            let ada = stack.sign_up_with(
                &format!("{}@example.com", Uuid::new_v4()),
                json!({"full_name": "Ada Lovelace"}),
            );
            let fault = Fault::new(kind.clone());
            stack.chat.set_fault(if perform { fault.perform() } else { fault });
            let before = stack.app().user_count();

            let answer = hurried(&stack, ada, &kind).ensure(None, None, None);

            assert_eq!(stack.stored(ada), Stored::default(), "{what}");
            assert!(
                ["API_ERROR", "NETWORK", "TIMEOUT"].contains(&answer.code()),
                "{what}: {answer:?}"
            );
            let asked = asked_up_to(&stack, "create_user", &what);
            assert_eq!(asked, ["create_user"], "{what}: asked once");
            assert_consistent_and_mended(&stack, ada, &what);
            assert_eq!(stack.app().user_count(), before + 1, "{what}: the same uid");
            stack.asked();
        }
    }
}

#[test]
fn no_failure_of_an_adoption_leaves_half_of_it_behind() {
    let stack = Stack::new();
    let kinds = [
        FaultKind::HangBeforeHeader,
        FaultKind::Reset,
        FaultKind::TruncatedJson,
        FaultKind::NoContent,
        FaultKind::Status {
            status: 500,
            code: "ERR_EXCEPTION".into(),
            message: None,
            headers: Default::default(),
        },
        FaultKind::Status {
            status: 429,
            code: "ERR_TOO_MANY_REQUESTS".into(),
            message: None,
            headers: [("Retry-After".to_owned(), "0".to_owned())].into(),
        },
    ];
    for operation in ["create_user", "get_user", "update_user", "create_token"] {
        for kind in &kinds {
            let what = format!("{operation} {}", kind.name());
            let ada = stack.sign_up_with(
                &format!("{}@example.com", Uuid::new_v4()),
                json!({"full_name": "Ada Lovelace"}),
            );
            stack.app().add_user(json!({"uid": ada.to_string(), "name": "Somebody"})).unwrap();
            stack.chat.set_fault(Fault::new(kind.clone()).operation(operation).perform());

            let answer = hurried(&stack, ada, kind).ensure(None, None, None);

            assert!(!answer.success(), "{what}: {answer:?}");
            let asked = asked_up_to(&stack, operation, &what);
            // A connection that was used before and broke is replaced, once.
            let times = asked.iter().filter(|o| *o == operation).count();
            assert!(times == 1 || (times == 2 && *kind == FaultKind::Reset), "{what}: {asked:?}");
            if matches!(kind, FaultKind::Status { status: 429, .. }) {
                std::thread::sleep(AFTER_429);
            }
            assert_consistent_and_mended(&stack, ada, &what);
            stack.asked();
        }
    }
}

#[test]
fn a_creation_that_was_done_and_then_failed_is_found_by_the_next_call() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let fault = Fault::status(500, "ERR_EXCEPTION").operation("create_user").times(1).perform();
    stack.chat.set_fault(fault);
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "API_ERROR");
    assert_eq!(stack.app().user_count(), 1);
    stack.asked();

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(answer.uid(), Some(ada.to_string().as_str()));
    assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
    assert_eq!(stack.app().user_count(), 1);
}

#[test]
fn only_a_kept_connection_that_broke_is_replaced_and_only_once() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut session = stack.session(ada);
    session.ensure(None, None, None).token();
    stack.asked();
    for (times, success, asked) in [(1, true, 2), (2, false, 2)] {
        session.refresh(None).token(); // opens a connection that is kept
        stack.asked();
        stack.chat.set_fault(Fault::new(FaultKind::Reset).times(times));
        assert_eq!(session.refresh(None).success(), success, "{times}");
        assert_eq!(stack.asked().len(), asked, "{times}");
        stack.chat.clear_faults();
    }
    for status in [429, 500, 503] {
        let fault = Fault::status(status, "ERR_OPERATION_FAILED").header("Retry-After", "0");
        stack.chat.set_fault(fault);
        assert!(!session.refresh(None).success());
        assert_eq!(stack.asked(), ["create_token"], "{status}: an answer is never asked for again");
        stack.chat.clear_faults();
        if status == 429 {
            std::thread::sleep(AFTER_429);
        }
    }
}
