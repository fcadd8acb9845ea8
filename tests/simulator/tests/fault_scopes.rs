//! Which requests a fault meets, and for how long.

mod common;

use common::{call, get};
use serde_json::{json, Value};
use simulator::{Fault, Simulator};

/// A simulator with a user and one fault.
fn with(fault: Fault) -> Simulator {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    sim.set_fault(fault);
    sim
}

#[test]
fn scopes_choose_the_requests() {
    let sim = with(Fault::status(500, "ERR_EXCEPTION").operation("update_user").uid("Ann"));
    sim.add_user(json!({ "uid": "bob", "name": "Bob" })).unwrap();
    let put = |uid: &str| call(&sim, "PUT", &format!("/users/{uid}"), json!({})).status;
    assert_eq!([put("ann"), put("bob"), get(&sim, "/users/ann").status], [500, 200, 200]);
    sim.clear_faults();
    sim.set_fault(Fault::status(500, "ERR_EXCEPTION").method("post").path("auth_tokens"));
    assert_eq!(call(&sim, "POST", "/users/ann/auth_tokens", Value::Null).status, 500);
    assert_eq!(get(&sim, "/users/ann/auth_tokens").status, 200);
    sim.clear_faults();
    sim.set_fault(Fault::status(500, "ERR_EXCEPTION").uid("zoe"));
    let rows = json!({ "users": { "zoe": { "uid": "zoe", "name": "Zoe" } } });
    assert_eq!(call(&sim, "POST", "/data_import/users", rows).status, 500);
    let uids = json!({ "uidsToDeactivate": ["zoe"] });
    assert_eq!(call(&sim, "DELETE", "/users", uids).status, 500);
    sim.clear_faults();
    sim.set_fault(Fault::status(500, "ERR_EXCEPTION").app("other"));
    assert_eq!(get(&sim, "/users").status, 200);
}

#[test]
fn skip_and_times_bound_a_fault() {
    let sim = with(Fault::status(500, "ERR_EXCEPTION").skip(1).times(2));
    let statuses: Vec<u16> = (0..5).map(|_| get(&sim, "/users").status).collect();
    assert_eq!(statuses, [200, 500, 500, 200, 200]);
    assert_eq!((sim.faults()[0].matched, sim.faults()[0].met), (3, 2));
}

#[test]
fn probability_spares_some_requests() {
    let sim = with(Fault::status(500, "ERR_EXCEPTION").probability(0.5));
    let failed = (0..100).filter(|_| get(&sim, "/users").status == 500).count();
    assert!((15..=85).contains(&failed), "{failed}");
    assert_eq!(sim.counters().faulted["status"], failed as u64);
}

#[test]
fn clearing_one_fault_leaves_the_others() {
    let sim = with(Fault::status(500, "ERR_EXCEPTION"));
    let id = sim.faults()[0].id;
    sim.set_fault(Fault::status(501, "ERR_EXCEPTION"));
    assert_eq!(get(&sim, "/users").status, 500);
    assert!(sim.clear_fault(id) && !sim.clear_fault(id));
    assert_eq!(get(&sim, "/users").status, 501);
    sim.clear_faults();
    assert_eq!(get(&sim, "/users").status, 200);
}
