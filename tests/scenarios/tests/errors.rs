//! errorCodes whose condition takes more than one statement. (The others: the golden errors.)

use scenarios::{Answer, Stack, Stored, NOTHING};
use serde_json::json;
use simulator::Fault;

#[track_caller]
fn assert_error(answer: &Answer, code: &str, error: &str) {
    let whole = json!({"success": false, "error": error, "errorCode": code});
    // `queued` may come on top: it says what happens next, not what happened.
    let mut got = answer.0.clone();
    got.as_object_mut().expect("an object").remove("queued");
    assert_eq!(got, whole);
}

#[test]
fn without_a_key_a_stored_token_is_still_served() {
    let (stack, ada) = Stack::with_ada();
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);
    stack.db.set("cometchat.api_key_file", Some("/nonexistent"));

    let answer = stack.session(ada).ensure(None, None, None);

    assert!(answer.queued(), "{answer:?}");
    assert_eq!(Some(answer.token()), stack.stored(ada).token);
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn some_statuses_are_understood_without_an_error_body() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for (status, code, phrase) in [
        (401, "API_KEY_REJECTED", "CometChat rejected the API key"),
        (402, "PLAN_LIMIT", "CometChat plan limit reached"),
        (403, "API_KEY_REJECTED", "CometChat rejected the API key"),
    ] {
        let fault = Fault::raw(status, "text/html", "<h1>No</h1>");
        let fault = stack.chat.set_fault(fault);
        let answer = stack.session(ada).ensure(None, None, None);
        assert_error(&answer, code, &format!("{phrase}: HTTP {status}, not JSON"));
        stack.chat.clear_fault(fault);
    }
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn the_user_rate_limit_does_not_apply_to_trusted_callers() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    stack.db.set("cometchat.user_rate_limit", Some("3"));
    for _ in 0..3 {
        stack.session(ada).refresh(None);
    }
    stack.asked();

    let refused = stack.session(ada).refresh(None);

    assert_error(&refused, "RATE_LIMITED", "Too many requests");
    assert!(!refused.queued());
    assert_eq!(stack.asked(), NOTHING);
    assert!(stack.session(bob).ensure(None, None, None).success(), "others have their own");
    assert!(stack.service().ensure(Some(ada), None, None).success());
    assert!(stack.session(ada).ensure(None, None, None).success(), "what is stored costs nothing");
}

#[test]
fn a_token_call_that_fails_for_good_is_token_failed() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).unwrap();
    let fault = Fault::status(400, "ERR_BAD_REQUEST").operation("create_token");
    let fault = stack.chat.set_fault(fault);

    let answer = stack.session(ada).ensure(None, None, None);
    let refreshed = stack.session(ada).refresh(None);

    let error = "Failed to generate auth token: ERR_BAD_REQUEST";
    assert_error(&answer, "TOKEN_FAILED", error);
    assert_error(&refreshed, "TOKEN_FAILED", error);
    stack.chat.clear_fault(fault);
    stack.asked();
    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.asked(), ["create_token"], "that the user is there was remembered");
}
