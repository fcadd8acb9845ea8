//! `GET /users`.

mod common;

use common::get;
use serde_json::{json, Value};
use simulator::Simulator;

fn uids(sim: &Simulator, query: &str) -> Vec<String> {
    let data = get(sim, &format!("/users?{query}")).data();
    data.as_array().unwrap().iter().map(|u| u["uid"].as_str().unwrap().to_owned()).collect()
}

fn pagination(sim: &Simulator, query: &str) -> Value {
    get(sim, &format!("/users?{query}")).json()["meta"]["pagination"].clone()
}

#[test]
fn pages_of_100_by_default_and_1000_at_most() {
    let sim = Simulator::start();
    sim.seed("u", 1001).unwrap();
    assert_eq!(uids(&sim, "").len(), 100);
    assert_eq!(
        pagination(&sim, ""),
        json!({ "total": 1001, "count": 100, "per_page": 100, "current_page": 1, "total_pages": 11 })
    );
    assert_eq!(uids(&sim, "perPage=1000&page=2"), ["u1001"]);
    assert_eq!(uids(&sim, "perPage=1000&page=3").len(), 0);
    for query in ["perPage=1001", "perPage=0", "perPage=x", "page=0"] {
        assert_eq!(get(&sim, &format!("/users?{query}")).code(), "ERR_BAD_REQUEST", "{query}");
    }
}

#[test]
fn pages_cover_everyone_once_in_order_of_creation_despite_deletions() {
    let sim = Simulator::start();
    sim.seed("u", 50).unwrap();
    (1..=50).step_by(3).for_each(|n| assert!(sim.delete(&format!("u{n}"))));
    let mut seen = Vec::new();
    for page in 1.. {
        let page = uids(&sim, &format!("perPage=7&page={page}"));
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let expected: Vec<String> = (1..=50).filter(|n| n % 3 != 1).map(|n| format!("u{n}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn deactivated_users_are_listed_only_on_request() {
    let sim = Simulator::start();
    sim.seed("u", 3).unwrap();
    sim.deactivate("u2");
    assert_eq!(uids(&sim, ""), ["u1", "u3"]);
    assert_eq!(uids(&sim, "onlyDeactivated=true"), ["u2"]);
    assert_eq!(uids(&sim, "withDeactivated=1"), ["u1", "u2", "u3"]);
    assert_eq!(pagination(&sim, "onlyDeactivated=true")["total"], 1);
    let listed = get(&sim, "/users?onlyDeactivated=true").data();
    assert_eq!(listed[0]["deactivatedAt"].to_string().len(), 10);
}

#[test]
fn filters_search_roles_and_tags() {
    let sim = Simulator::builder().role("boss").start().unwrap();
    sim.add_user(json!({ "uid": "ann", "name": "Zoe", "tags": ["a", "b"] })).unwrap();
    sim.add_user(json!({ "uid": "zed", "name": "Bob", "role": "boss", "tags": ["a"] })).unwrap();
    assert_eq!(uids(&sim, "searchKey=Z"), ["ann", "zed"]);
    assert_eq!(uids(&sim, "searchKey=z&searchIn[]=uid"), ["zed"]);
    assert_eq!(uids(&sim, "searchKey=z&searchIn=name"), ["ann"]);
    assert_eq!(uids(&sim, "role=boss"), ["zed"]);
    assert_eq!(uids(&sim, "roles=boss,default"), ["ann", "zed"]);
    assert_eq!(uids(&sim, "tags=a&tags=b"), ["ann"]);
    assert_eq!(uids(&sim, "status=available").len(), 0);
    assert_eq!(pagination(&sim, "role=boss")["total"], 1);
}

#[test]
fn tags_are_shown_with_with_tags() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann", "tags": ["a"] })).unwrap();
    assert_eq!(get(&sim, "/users").data()[0].get("tags"), None);
    assert_eq!(get(&sim, "/users?withTags=true").data()[0]["tags"], json!(["a"]));
}

#[test]
fn the_last_pages_of_a_large_app_are_as_quick_as_the_first() {
    let sim = Simulator::start();
    sim.seed("u", 200_000).unwrap();
    let once = |page| get(&sim, &format!("/users?perPage=100&page={page}")).took;
    let time = |page| (0..5).map(|_| once(page)).min().unwrap();
    let (first, last) = (time(1), time(2000));
    assert!(last < first * 10 + std::time::Duration::from_millis(100), "{first:?} {last:?}");
}
