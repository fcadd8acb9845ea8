//! `POST /data_import/users`.

mod common;

use common::{call, get};
use serde_json::{json, Map, Value};
use simulator::{Fault, Limits, Simulator};

fn rows(count: usize) -> Value {
    let row = |n| (format!("u{n}"), json!({ "uid": format!("u{n}"), "name": "Name" }));
    json!({ "users": (0..count).map(row).collect::<Map<_, _>>() })
}

fn import(sim: &Simulator, body: Value) -> common::Answer {
    call(sim, "POST", "/data_import/users", body)
}

#[test]
fn each_row_has_its_own_result() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    let body = json!({ "users": {
        "ann": { "uid": "ann", "name": "Other" },
        "Bob": { "uid": "bob", "name": "Bob", "createdAt": "1600000000", "lastActiveAt": 1600000001,
                 "statusMessage": "dropped", "metadata": { "a": 1 } },
        "cat": { "uid": "dog", "name": "Cat" },
        "eve": { "uid": "eve" },
        "fox": { "uid": "fox", "name": "Fox", "role": "none" },
    } });
    let data = import(&sim, body).data();
    assert_eq!(data["Bob"]["success"], true);
    assert_eq!(data["Bob"]["data"]["createdAt"], 1600000000);
    assert_eq!(data["Bob"]["data"]["lastActiveAt"], 1600000001);
    assert_eq!(data["Bob"]["data"]["metadata"], json!({ "a": 1 }));
    assert_eq!(data["Bob"]["data"].get("statusMessage"), None);
    let codes = [
        ("ann", "ERR_UID_ALREADY_EXISTS"),
        ("cat", "ERR_IMPORT_INVALID_USER_FORMAT"),
        ("eve", "ERR_BAD_REQUEST"),
        ("fox", "ERR_ROLE_NOT_FOUND"),
    ];
    for (uid, code) in codes {
        assert_eq!(data[uid]["success"], false);
        assert_eq!(data[uid]["error"]["code"], code);
    }
    assert_eq!(sim.user("ann").unwrap()["name"], "Ann");
}

#[test]
fn fifty_rows_pass_and_fifty_one_do_not() {
    let sim = Simulator::start();
    assert_eq!(import(&sim, rows(51)).code(), "ERR_BAD_REQUEST");
    assert_eq!(import(&sim, json!({})).code(), "ERR_BAD_REQUEST");
    assert_eq!(import(&sim, rows(50)).data().as_object().unwrap().len(), 50);
    assert_eq!(sim.user_count(), 50);
}

#[test]
fn by_switch_rows_overwrite_and_results_nest_one_deeper() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "u0", "name": "Old" })).unwrap();
    sim.update(|settings| {
        settings.import_overwrites = true;
        settings.import_nested = true;
    });
    assert_eq!(import(&sim, rows(1)).data()["u0"]["data"]["data"]["name"], "Name");
}

#[test]
fn a_row_with_deactivated_at_arrives_deactivated() {
    let sim = Simulator::start();
    let row = json!({ "uid": "ann", "name": "Ann", "deactivatedAt": 1600000000 });
    import(&sim, json!({ "users": { "ann": row } })).data();
    assert_eq!(get(&sim, "/users/ann").status, 404);
}

#[test]
fn the_import_has_a_bucket_of_its_own() {
    let sim = Simulator::start();
    sim.set_limits(Limits { import: Some(1), core: Some(0), ..Limits::default() });
    assert_eq!(import(&sim, rows(1)).status, 200);
    assert_eq!(import(&sim, rows(1)).status, 429);
}

#[test]
fn an_import_may_answer_500_after_having_imported() {
    let sim = Simulator::start();
    let fault = Fault::status(500, "ERR_EXCEPTION").operation("import_users").perform();
    sim.set_fault(fault);
    assert_eq!(import(&sim, rows(3)).refusal(), (500, "ERR_EXCEPTION".into()));
    assert_eq!(sim.user_count(), 3);
}

#[test]
fn the_quota_refuses_single_rows() {
    let sim = Simulator::builder().quota(2).start().unwrap();
    let data = import(&sim, rows(3)).data();
    let failed: Vec<_> =
        data.as_object().unwrap().values().filter(|r| r["success"] == false).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["error"]["code"], "ERR_PLAN_QUOTA_RESTRICTION");
}

#[test]
fn an_import_may_leave_who_is_there_alone_and_rows_out_and_refuse_others() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "u0", "name": "Before" })).unwrap();
    sim.update(|settings| {
        settings.import_keeps = true;
        let told = [("u1", "ERR_ROLE_NOT_FOUND"), ("u2", "")];
        settings.import_rows = told.map(|(uid, code)| (uid.into(), code.into())).into();
    });
    let data = import(&sim, rows(4)).data();
    assert_eq!(data["u0"]["data"]["name"], "Before");
    assert_eq!(data["u1"]["error"]["code"], "ERR_ROLE_NOT_FOUND");
    assert!(data.get("u2").is_none() && sim.user("u2").is_some());
    assert_eq!(data["u3"]["success"], true);
    assert_eq!((sim.user_count(), sim.user("u1")), (3, None));
}
