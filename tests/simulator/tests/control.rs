//! The control API does at run time what the Rust handle does.

mod common;

use common::{control, exchange, get, request};
use serde_json::{json, Value};
use simulator::Simulator;
use std::time::Duration;

fn fine(sim: &Simulator, method: &str, path: &str, body: Value) -> Value {
    let answer = control(sim, method, path, body);
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    answer.json()
}

#[test]
fn health_and_state() {
    let sim = Simulator::start();
    sim.seed("u", 3).unwrap();
    sim.deactivate("u1");
    assert_eq!(fine(&sim, "GET", "/health", Value::Null)["ok"], true);
    let state = fine(&sim, "GET", "/state", Value::Null);
    assert_eq!(state["apps"]["simulator"], json!({ "active": 2, "deactivated": 1 }));
    assert_eq!(state["listener"], "open");
    assert_eq!(control(&sim, "GET", "/nope", Value::Null).status, 404);
}

#[test]
fn requests_are_listed_counted_taken_and_cleared() {
    let sim = Simulator::start();
    (0..3).for_each(|n| drop(get(&sim, &format!("/users/u{n}"))));
    let listed = fine(&sim, "GET", "/requests?uid=u1", Value::Null);
    assert_eq!(listed["requests"][0]["operation"], "get_user");
    let last = fine(&sim, "GET", "/requests?last=1", Value::Null);
    assert_eq!(last["requests"][0]["uid"], "u2");
    let count = |query: &str| {
        fine(&sim, "GET", &format!("/requests/count{query}"), Value::Null)["count"].clone()
    };
    assert_eq!([count(""), count("?after=1"), count("?status=200")], [3, 2, 0]);
    assert_eq!(control(&sim, "GET", "/requests?status=x", Value::Null).status, 400);
    let taken = fine(&sim, "POST", "/requests/take", Value::Null);
    assert_eq!(taken["requests"].as_array().unwrap().len(), 3);
    assert_eq!(count(""), 0);
    let counters = fine(&sim, "GET", "/counters", Value::Null);
    assert_eq!(counters["answered"]["get_user"]["404"], 3);
    fine(&sim, "DELETE", "/requests", Value::Null);
    assert_eq!(fine(&sim, "GET", "/counters", Value::Null)["requests"], 0);
}

#[test]
fn faults_are_set_listed_and_cleared() {
    let sim = Simulator::start();
    let fault = json!({ "kind": "status", "status": 503, "operation": "list_users", "times": 1 });
    let id = fine(&sim, "POST", "/faults", fault)["id"].clone();
    assert_eq!(get(&sim, "/users").refusal(), (503, "ERR_EXCEPTION".into()));
    assert_eq!(get(&sim, "/users").status, 200);
    let listed = fine(&sim, "GET", "/faults", Value::Null)["faults"][0].clone();
    assert_eq!(
        (&listed["kind"], &listed["met"], &listed["id"]),
        (&json!("status"), &json!(1), &id)
    );
    fine(&sim, "DELETE", &format!("/faults/{id}"), Value::Null);
    assert_eq!(control(&sim, "DELETE", "/faults/99", Value::Null).status, 404);
    fine(&sim, "POST", "/faults", json!({ "kind": "close" }));
    fine(&sim, "DELETE", "/faults", Value::Null);
    assert_eq!(get(&sim, "/users").status, 200);
}

#[test]
fn every_kind_of_fault_has_a_json_form() {
    let sim = Simulator::start();
    let kinds = [
        json!({ "kind": "status", "status": 500 }),
        json!({ "kind": "raw", "status": 502, "body": "<p>" }),
        json!({ "kind": "delay", "ms": 5 }),
        json!({ "kind": "hang_before_header" }),
        json!({ "kind": "hang_after_header" }),
        json!({ "kind": "drip", "bytes": 1, "interval_ms": 1 }),
        json!({ "kind": "close" }),
        json!({ "kind": "reset" }),
        json!({ "kind": "close_after" }),
        json!({ "kind": "truncated_json" }),
        json!({ "kind": "truncated_body" }),
        json!({ "kind": "short_length" }),
        json!({ "kind": "endless_chunked" }),
        json!({ "kind": "huge_body", "bytes": 5_000_000_000u64 }),
        json!({ "kind": "redirect", "location": "/elsewhere" }),
        json!({ "kind": "garbage" }),
        json!({ "kind": "no_content" }),
        json!({ "kind": "wrong_content_type" }),
        json!({ "kind": "gzip" }),
    ];
    for kind in &kinds {
        fine(&sim, "POST", "/faults", kind.clone());
    }
    assert_eq!(sim.faults().len(), kinds.len());
    assert!(sim.faults().iter().zip(&kinds).all(|(f, kind)| f.fault.kind.name() == kind["kind"]));
}

#[test]
fn misspelt_faults_are_refused() {
    let sim = Simulator::start();
    for fault in [
        json!({ "kind": "nope" }),
        json!({ "kind": "close", "opration": "get_user" }),
        json!({ "kind": "close", "operation": "getUser" }),
        json!({ "kind": "status", "status": 100 }),
        json!({ "kind": "close", "probability": 2 }),
    ] {
        assert_eq!(control(&sim, "POST", "/faults", fault.clone()).status, 400, "{fault}");
    }
    assert!(sim.faults().is_empty());
}

#[test]
fn settings_limits_keys_and_roles_change_while_running() {
    let sim = Simulator::start();
    let settings = fine(&sim, "PATCH", "/settings", json!({ "duplicate_status": 409, "quota": 1 }));
    assert_eq!((&settings["duplicate_status"], &settings["quota"]), (&json!(409), &json!(1)));
    assert_eq!(control(&sim, "PATCH", "/settings", json!({ "nope": 1 })).status, 400);
    fine(&sim, "PUT", "/limits", json!({ "core": 1, "window_ms": 5 }));
    fine(&sim, "PUT", "/limits", json!({ "standard": 1, "headers": "both" }));
    assert_eq!((sim.settings().limits.core, sim.settings().limits.window_ms), (None, 60_000));
    assert_eq!([get(&sim, "/users").status, get(&sim, "/users").status], [200, 429]);
    assert_eq!(fine(&sim, "PUT", "/limits", json!("build"))["limits"]["core"], 500);
    assert_eq!(fine(&sim, "PUT", "/limits", json!("off"))["limits"]["core"], Value::Null);
    fine(&sim, "PUT", "/roles", json!(["default", "boss"]));
    assert_eq!(fine(&sim, "GET", "/roles", Value::Null)["roles"][1], "boss");
    fine(&sim, "PUT", "/keys", json!([{ "key": "k", "scope": "authOnly" }]));
    assert_eq!(get(&sim, "/users").status, 401);
}

#[test]
fn users_are_added_read_changed_and_seeded() {
    let sim = Simulator::start();
    fine(&sim, "POST", "/users?app=other", json!({ "uid": "ann", "name": "Ann" }));
    assert_eq!(sim.app("other").user_count(), 1);
    fine(&sim, "POST", "/users", json!({ "uid": "ann", "name": "Ann" }));
    let bad = control(&sim, "POST", "/users", json!({ "uid": "a b", "name": "Ann" }));
    assert_eq!(bad.status, 400);
    fine(&sim, "POST", "/users/ann/deactivate", Value::Null);
    let ann = fine(&sim, "GET", "/users/ann", Value::Null);
    assert!(ann["user"]["deactivatedAt"].is_u64() && ann["tokens"] == json!([]));
    fine(&sim, "POST", "/users/ann/reactivate", Value::Null);
    fine(&sim, "DELETE", "/users/ann", Value::Null);
    assert_eq!(control(&sim, "GET", "/users/ann", Value::Null).status, 404);
    assert_eq!(fine(&sim, "POST", "/seed", json!({ "count": 1500 }))["added"], 1500);
    let users = fine(&sim, "GET", "/users?offset=1499", Value::Null);
    assert_eq!((&users["total"], &users["users"][0]["uid"]), (&json!(1500), &json!("user-1500")));
    fine(&sim, "POST", "/reset", Value::Null);
    assert_eq!(sim.user_count(), 0);
}

#[test]
fn a_control_port_steers_the_listener() {
    let sim = Simulator::builder().control_port(0).start().unwrap();
    let closed = json!({ "state": "closed" });
    assert_eq!(control(&sim, "PUT", "/listener", closed.clone()).status, 409);
    let port = sim.control_url().rsplit(':').next().unwrap().replace("/_control", "");
    let port: u16 = port.parse().unwrap();
    let put = |body: Value| {
        let text = request("PUT", "/_control/listener", &[], &body.to_string());
        exchange(port, text.as_bytes(), Duration::from_secs(5), usize::MAX)
    };
    let open = || std::net::TcpStream::connect(("127.0.0.1", sim.port())).is_ok();
    // The answer comes when it is so.
    for round in 0..100 {
        assert_eq!(put(closed.clone()).status, 200);
        assert!(!open(), "round {round}");
        assert_eq!(put(json!({ "state": "open" })).status, 200);
        assert!(open(), "round {round}");
    }
    put(closed);
    let reset = request("POST", "/_control/reset", &[], "");
    exchange(port, reset.as_bytes(), Duration::from_secs(5), usize::MAX);
    assert!(open(), "after a reset");
    assert_eq!(put(json!({ "state": "ajar" })).status, 400);
}
