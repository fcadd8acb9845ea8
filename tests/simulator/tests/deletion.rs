//! Deactivating, reactivating and deleting users.

mod common;

use common::{call, get};
use serde_json::{json, Value};
use simulator::Simulator;

fn with_ann() -> Simulator {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    sim
}

#[test]
fn a_deactivated_user_is_404_to_get_put_and_token_create() {
    let sim = with_ann();
    sim.deactivate("ann");
    let refusal = (404, "ERR_UID_NOT_FOUND".to_owned());
    assert_eq!(get(&sim, "/users/ann").refusal(), refusal);
    assert_eq!(call(&sim, "PUT", "/users/ann", json!({ "name": "A" })).refusal(), refusal);
    assert_eq!(call(&sim, "POST", "/users/ann/auth_tokens", Value::Null).refusal(), refusal);
    assert_eq!(get(&sim, "/users/babuInvalid").json()["error"]["message"], {
        let uid = "babuinvalid";
        format!(
            "The UID {uid} does not exist, please make sure you have created a user with UID {uid}."
        )
    });
}

#[test]
fn deleting_is_soft_by_default_and_permanent_when_asked() {
    let sim = with_ann();
    let soft = call(&sim, "DELETE", "/users/ann", Value::Null).data();
    assert_eq!(soft, json!({ "deactivatedUids": ["ann"] }));
    assert!(sim.user("ann").unwrap().get("deactivatedAt").is_some());
    assert_eq!(call(&sim, "DELETE", "/users/ann", json!({ "permanent": false })).status, 404);
    let gone = call(&sim, "DELETE", "/users/ann", json!({ "permanent": true })).data();
    assert_eq!(gone["success"], true);
    assert_eq!(gone["message"], "User with ann has been deleted successfully.");
    assert_eq!(sim.user("ann"), None);
    assert_eq!(call(&sim, "DELETE", "/users/ann", json!({ "permanent": true })).status, 404);
}

#[test]
fn bulk_calls_report_each_uid_in_a_list() {
    let sim = with_ann();
    sim.add_user(json!({ "uid": "bob", "name": "Bob" })).unwrap();
    sim.deactivate("bob");
    let body = json!({ "uidsToDeactivate": ["Ann", "bob", "eve"] });
    assert_eq!(
        call(&sim, "DELETE", "/users", body).data(),
        json!({ "deactivatedUids": ["ann"], "alreadyDeactivatedUids": ["bob"], "notFound": ["eve"] })
    );
    sim.reactivate("bob");
    let body = json!({ "uidsToActivate": ["ann", "bob", "eve"] });
    assert_eq!(
        call(&sim, "PUT", "/users", body).data(),
        json!({ "reactivatedUids": ["ann"], "nonDeactivatedUids": ["bob"], "notFound": ["eve"] })
    );
    assert_eq!(get(&sim, "/users/ann").status, 200);
    let many: Vec<String> = (0..26).map(|n| format!("u{n}")).collect();
    for (method, field) in [("DELETE", "uidsToDeactivate"), ("PUT", "uidsToActivate")] {
        assert_ne!(call(&sim, method, "/users", json!({ field: many })).detail(field), "");
        assert_ne!(call(&sim, method, "/users", Value::Null).detail(field), "");
    }
}
