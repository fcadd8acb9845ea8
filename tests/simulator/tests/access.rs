//! Keys, scopes, apps and unknown endpoints.

mod common;

use common::{call, get, send};
use serde_json::{json, Value};
use simulator::{KeySeen, Scope, Simulator, DEV_API_KEY};

#[test]
fn the_key_header_may_be_in_any_case() {
    assert!(DEV_API_KEY.len() == 40 && DEV_API_KEY.bytes().all(|b| b.is_ascii_hexdigit()));
    let sim = Simulator::start();
    for name in ["apikey", "apiKey", "APIKEY"] {
        assert_eq!(send(&sim, "GET", "/v3/users", &[(name, DEV_API_KEY)], "").status, 200);
    }
}

#[test]
fn a_missing_or_empty_key_is_401() {
    let sim = Simulator::start();
    let refusal = (401, "AUTH_ERR_EMPTY_APIKEY".to_owned());
    assert_eq!(send(&sim, "GET", "/v3/users", &[], "").refusal(), refusal);
    assert_eq!(send(&sim, "GET", "/v3/users", &[("apikey", "")], "").refusal(), refusal);
    let seen: Vec<KeySeen> = sim.requests().iter().map(|r| r.api_key).collect();
    assert_eq!(seen, [KeySeen::Missing, KeySeen::Empty]);
}

#[test]
fn an_unknown_key_is_401_and_masked() {
    let sim = Simulator::start();
    let refused = send(&sim, "GET", "/v3/users", &[("apikey", "11111secretsecret22222")], "");
    assert_eq!(refused.refusal(), (401, "AUTH_ERR_APIKEY_NOT_FOUND".into()));
    let message = "The key 11111************22222 does not exist. Please use correct apiKey.";
    assert_eq!(refused.json()["error"]["message"], message);
}

#[test]
fn an_auth_only_key_creates_tokens_and_by_switch_users() {
    let sim = Simulator::builder().key("full", Scope::FullAccess).key("auth", Scope::AuthOnly);
    let sim = sim.start().unwrap();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    let auth = |method, path, body| send(&sim, method, path, &[("apikey", "auth")], body);
    assert_eq!(auth("POST", "/v3/users/ann/auth_tokens", "").status, 200);
    let refusal = (403, "AUTH_ERR_NO_ACCESS".to_owned());
    let bob = r#"{"uid":"bob","name":"Bob"}"#;
    assert_eq!(auth("POST", "/v3/users", bob).refusal(), refusal);
    assert_eq!(auth("PUT", "/v3/users/ann", "{}").refusal(), refusal);
    assert_eq!(auth("DELETE", "/v3/users/ann", "").refusal(), refusal);
    assert_eq!(auth("DELETE", "/v3/users/ann/auth_tokens", "").refusal(), refusal);
    sim.update(|settings| settings.auth_key_may_create_users = true);
    assert_eq!(auth("POST", "/v3/users", bob).status, 200);
    assert_eq!(send(&sim, "GET", "/v3/users", &[("apikey", DEV_API_KEY)], "").status, 401);
}

#[test]
fn unknown_paths_and_methods_are_404() {
    let sim = Simulator::start();
    for (method, path) in
        [("GET", "/nope"), ("PATCH", "/users"), ("DELETE", "/users/"), ("POST", "/users/a")]
    {
        let refused = call(&sim, method, path, Value::Null);
        assert_eq!(refused.refusal(), (404, "ERR_API_NOT_FOUND".into()), "{method} {path}");
    }
}

#[test]
fn the_app_comes_from_the_header_else_the_host_else_the_default() {
    let sim = Simulator::start();
    let create = |headers: &[(&str, &str)]| {
        let headers = [&[("apikey", DEV_API_KEY)], headers].concat();
        send(&sim, "POST", "/v3/users", &headers, r#"{"uid":"ann","name":"Ann"}"#).status
    };
    assert_eq!(create(&[("appId", "one")]), 200);
    assert_eq!(create(&[("Host", "two.api-us.cometchat.io")]), 200);
    assert_eq!(create(&[("Host", "two.api-us.cometchat.io"), ("appId", "three")]), 200);
    assert_eq!(create(&[]), 200);
    for app in ["one", "two", "three", simulator::DEFAULT_APP] {
        assert_eq!(sim.app(app).user_count(), 1, "{app}");
    }
    assert_eq!(sim.requests()[2].app, "three");
}

#[test]
fn apps_outside_the_allow_list_are_401() {
    let sim = Simulator::builder().app("mine").default_app("mine").start().unwrap();
    assert_eq!(get(&sim, "/users").status, 200);
    let with = |app| send(&sim, "GET", "/v3/users", &[("apikey", DEV_API_KEY), ("appid", app)], "");
    assert_eq!(with("mine").status, 200);
    assert_eq!(with("other").refusal(), (401, "AUTH_ERR_INVALID_APPID".into()));
    assert_eq!(with("").refusal(), (401, "AUTH_ERR_EMPTY_APPID".into()));
}
