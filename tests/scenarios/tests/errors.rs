//! Every errorCode, produced by making its condition happen.

use std::time::Duration;

use scenarios::{eventually, Answer, Stack, Stored, NOTHING};
use serde_json::json;
use simulator::{
    Fault, FaultKind, Filter, Key, Limits, ListenerState, Scope, Settings, DEV_API_KEY,
};

/// A client's first login under CometChat's changed settings: nothing may be stored of it, and
/// the login after the settings are back to normal succeeds.
#[track_caller]
fn login_under(change: impl FnOnce(&mut Settings)) -> Answer {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let before = stack.chat.settings();
    stack.chat.update(change);
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.stored(ada), Stored::default());
    stack.chat.update(|settings| *settings = before);
    // After a 429 nothing is sent for a second, whatever it says.
    eventually("it goes on", || stack.session(ada).ensure(None, None, None).success());
    answer
}

#[track_caller]
fn assert_error(answer: &Answer, code: &str, error: &str) {
    let whole = json!({"success": false, "error": error, "errorCode": code});
    // `queued` may come on top: it says what happens next, not what happened.
    let mut got = answer.0.clone();
    got.as_object_mut().expect("an object").remove("queued");
    assert_eq!(got, whole);
}

#[test]
fn not_configured_names_the_setting_and_sends_nothing() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for (setting, name) in [("app_id", "app_id"), ("region", "region"), ("api_key_file", "api_key")]
    {
        let setting = format!("cometchat.{setting}");
        let mut admin = stack.db.admin();
        let value: String = admin.query_one(&format!("SHOW {setting}"), &[]).unwrap().get(0);
        stack.db.set(&setting, Some(""));
        let error = format!("CometChat is not properly configured: {name} is missing");
        assert_error(&stack.session(ada).ensure(None, None, None), "NOT_CONFIGURED", &error);
        assert_error(&stack.session(ada).refresh(None), "NOT_CONFIGURED", &error);
        assert_error(&stack.session(ada).revoke(None), "NOT_CONFIGURED", &error);
        stack.db.set(&setting, Some(&value));
    }
    assert_eq!(stack.asked(), NOTHING);
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
fn a_wrong_key_and_one_of_too_small_a_scope_are_api_key_rejected() {
    let wrong = login_under(|settings| settings.keys[0].key = "another".into());
    let small = login_under(|settings| {
        settings.keys = vec![Key { key: DEV_API_KEY.into(), scope: Scope::AuthOnly, app: None }];
    });
    let app = login_under(|settings| settings.apps = vec!["another".into()]);

    let error = |code| format!("CometChat rejected the API key: {code}");
    assert_error(&wrong, "API_KEY_REJECTED", &error("AUTH_ERR_APIKEY_NOT_FOUND"));
    assert_error(&small, "API_KEY_REJECTED", &error("AUTH_ERR_NO_ACCESS"));
    assert_error(&app, "API_KEY_REJECTED", &error("AUTH_ERR_INVALID_APPID"));
}

#[test]
fn a_used_up_plan_is_plan_limit() {
    let answer = login_under(|settings| settings.quota = Some(0));

    let error = "CometChat plan limit reached: ERR_PLAN_QUOTA_RESTRICTION";
    assert_error(&answer, "PLAN_LIMIT", error);
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
fn a_used_up_rate_is_rate_limited() {
    let answer = login_under(|settings| {
        let retry_after = Some("0".to_owned());
        settings.limits = Limits { core: Some(0), retry_after, ..Limits::default() };
    });

    let error = "CometChat rate limit reached: ERR_TOO_MANY_REQUESTS";
    assert_error(&answer, "RATE_LIMITED", error);
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
fn a_closed_port_is_network_and_silence_is_timeout() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_listener(ListenerState::Closed);
    let closed = stack.session(ada).ensure(None, None, None);
    stack.chat.set_listener(ListenerState::Open);
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    stack.db.set("cometchat.request_timeout", Some("1500ms"));
    let silent = stack.session(ada).ensure(None, None, None);
    assert!(stack.chat.wait_for(&Filter::default(), 1, Duration::from_secs(30)));

    let error = "CometChat could not be reached: connection refused";
    assert_error(&closed, "NETWORK", error);
    assert_error(&silent, "TIMEOUT", "CometChat did not answer in time");
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.stored(ada), Stored::default());
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

#[test]
fn every_other_answer_of_cometchat_is_api_error() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let raw = |status, body| Fault::raw(status, "text/html", body);
    for (fault, detail) in [
        (Fault::status(500, "ERR_EXCEPTION"), "ERR_EXCEPTION"),
        (Fault::status(404, "ERR_API_NOT_FOUND"), "ERR_API_NOT_FOUND"),
        (Fault::status(400, "ERR_BAD_REQUEST"), "ERR_BAD_REQUEST"),
        (raw(502, "<h1>Bad gateway</h1>"), "HTTP 502"),
        (raw(200, "<h1>Welcome</h1>"), "HTTP 200, not JSON"),
        (raw(404, "<h1>Not found</h1>"), "HTTP 404, not JSON"),
        (
            Fault::new(FaultKind::Redirect { status: 302, location: stack.chat.base_url() }),
            "HTTP 302, redirect",
        ),
        (Fault::new(FaultKind::NoContent), "HTTP 204, empty"),
        (Fault::status(400, "<script>"), "HTTP 400"),
    ] {
        let id = stack.chat.set_fault(fault);
        let answer = stack.session(ada).ensure(None, None, None);
        let error = format!("CometChat answered with an error: {detail}");
        assert_error(&answer, "API_ERROR", &error);
        assert_eq!(stack.asked(), ["create_user"], "{detail}: asked once, and nobody else");
        stack.chat.clear_fault(id);
    }
    assert_eq!(stack.stored(ada), Stored::default());
}
