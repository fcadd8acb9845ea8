//! Auth tokens.

mod common;

use common::{call, get};
use serde_json::{json, Value};
use simulator::Simulator;

fn with_ann() -> Simulator {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    sim
}

fn mint(sim: &Simulator, body: Value) -> String {
    let data = call(sim, "POST", "/users/ann/auth_tokens", body).data();
    data["authToken"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_uid_underscore_10_digits_30_hex() {
    let sim = with_ann();
    let data = call(&sim, "POST", "/users/Ann/auth_tokens", Value::Null).data();
    assert_eq!(data["uid"], "ann");
    let token = data["authToken"].as_str().unwrap();
    let rest = token.strip_prefix("ann_").unwrap();
    assert_eq!(rest.len(), 40);
    assert_eq!(rest[..10], data["createdAt"].to_string());
    assert!(rest[10..].bytes().all(|b| b.is_ascii_hexdigit()));
}

#[test]
fn without_force_the_newest_token_comes_again_and_with_force_a_new_one() {
    let sim = with_ann();
    let first = mint(&sim, json!({ "force": true }));
    let second = mint(&sim, json!({ "force": true }));
    assert_ne!(first, second);
    assert_eq!(mint(&sim, Value::Null), second);
    assert_eq!(mint(&sim, json!({ "force": false })), second);
    sim.update(|settings| settings.token_reuse = false);
    assert_ne!(mint(&sim, Value::Null), second);
}

#[test]
fn the_hundred_newest_tokens_are_kept() {
    let sim = with_ann();
    let first = mint(&sim, json!({ "force": true }));
    for _ in 0..100 {
        mint(&sim, json!({ "force": true }));
    }
    assert_eq!(sim.tokens("ann").len(), 100);
    let gone = get(&sim, &format!("/users/ann/auth_tokens/{first}"));
    assert_eq!(gone.refusal(), (404, "ERR_AUTH_TOKEN_NOT_FOUND".into()));
    let list = get(&sim, "/users/ann/auth_tokens?perPage=30&page=4");
    assert_eq!(list.data().as_array().unwrap().len(), 10);
    assert_eq!(list.json()["meta"]["pagination"]["total_pages"], 4);
}

#[test]
fn tokens_are_read_updated_and_deleted_one_by_one() {
    let sim = with_ann();
    let path = format!("/users/ann/auth_tokens/{}", mint(&sim, Value::Null));
    let update = json!({ "platform": "ios", "appInfo": { "v": 1 } });
    assert_eq!(call(&sim, "PUT", &path, update).data()["platform"], "ios");
    assert_eq!(get(&sim, &path).data()["appInfo"], json!({ "v": 1 }));
    assert_eq!(call(&sim, "DELETE", &path, Value::Null).data()["success"], true);
    assert_eq!(call(&sim, "DELETE", &path, Value::Null).status, 404);
    assert_eq!(call(&sim, "PUT", &path, json!({})).code(), "ERR_AUTH_TOKEN_NOT_FOUND");
}

#[test]
fn flush_revokes_all() {
    let sim = with_ann();
    mint(&sim, Value::Null);
    let data = call(&sim, "DELETE", "/users/ann/auth_tokens", Value::Null).data();
    assert_eq!(data["message"], "Cleared Auth Tokens successfully for uid ann.");
    assert!(sim.tokens("ann").is_empty());
}

#[test]
fn tokens_outlive_deactivation() {
    let sim = with_ann();
    let token = mint(&sim, Value::Null);
    sim.deactivate("ann");
    assert_eq!(get(&sim, &format!("/users/ann/auth_tokens/{token}")).status, 404);
    sim.reactivate("ann");
    assert_eq!(get(&sim, &format!("/users/ann/auth_tokens/{token}")).status, 200);
}
