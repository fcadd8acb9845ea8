//! Rate limits and the plan's quota.

mod common;

use common::{call, get, Answer};
use serde_json::{json, Value};
use simulator::{HeaderStyle, Limits, Simulator};
use std::time::Duration;

fn create(sim: &Simulator, uid: &str) -> Answer {
    call(sim, "POST", "/users", json!({ "uid": uid, "name": "Name" }))
}

#[test]
fn core_and_standard_are_separate_buckets() {
    let sim = Simulator::start();
    sim.set_limits(Limits { core: Some(2), standard: Some(1), ..Limits::default() });
    assert_eq!(create(&sim, "a").status, 200);
    assert_eq!(get(&sim, "/users").status, 200);
    assert_eq!(call(&sim, "POST", "/users/a/auth_tokens", Value::Null).status, 429);
    assert_eq!(call(&sim, "DELETE", "/users/a", Value::Null).status, 200);
    let refused = create(&sim, "b");
    assert_eq!(refused.refusal(), (429, "ERR_TOO_MANY_REQUESTS".into()));
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((55..=60).contains(&wait), "{wait}");
    assert_eq!(sim.user("b"), None);
    assert_eq!(sim.counters().rate_limited, 2);
}

#[test]
fn apps_have_separate_buckets() {
    let sim = Simulator::start();
    sim.set_limits(Limits { standard: Some(1), ..Limits::default() });
    let list = |app| {
        let headers = [("apikey", simulator::DEV_API_KEY), ("appid", app)];
        common::send(&sim, "GET", "/v3/users", &headers, "").status
    };
    assert_eq!([list("a"), list("b"), list("a")], [200, 200, 429]);
}

#[test]
fn a_window_ends_and_requests_pass_again() {
    let sim = Simulator::start();
    let limits = Limits { standard: Some(1), window_ms: 1000, ..Limits::default() };
    sim.set_limits(limits.clone());
    assert_eq!(get(&sim, "/users").status, 200);
    // On a slow machine a window may end between two requests: then the next one passes.
    let refused = || {
        let mut answers = (0..50).map(|_| get(&sim, "/users"));
        answers.find(|answer| answer.status == 429).expect("every request passes")
    };
    assert_eq!(refused().header("retry-after"), Some("1"));
    sim.set_limits(Limits { retry_after: Some("15".into()), ..limits });
    assert_eq!(refused().header("retry-after"), Some("15"));
    std::thread::sleep(Duration::from_millis(1010));
    assert_eq!(get(&sim, "/users").status, 200);
}

#[test]
fn every_answer_announces_the_limit_in_the_spelling_asked_for() {
    let sim = Simulator::start();
    assert_eq!(get(&sim, "/users").header("x-ratelimit-limit"), None);
    let spelt = |headers| {
        sim.set_limits(Limits { standard: Some(500), headers, ..Limits::default() });
        let answer = get(&sim, "/users/nobody");
        let names = ["x-rate-limit", "x-rate-limit-remaining", "x-rate-limit-reset"];
        let dashed = names.map(|name| answer.header(name).map(str::to_owned));
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        (dashed, names.map(|name| answer.header(name).map(str::to_owned)))
    };
    let (dashed, joined) = spelt(HeaderStyle::Joined);
    assert_eq!((&dashed[0], joined[0].as_deref()), (&None, Some("500")));
    assert_eq!(joined[2].as_ref().unwrap().len(), 10);
    let (dashed, joined) = spelt(HeaderStyle::Dashed);
    assert_eq!((dashed[1].as_deref(), &joined[1]), (Some("498"), &None));
    let (dashed, joined) = spelt(HeaderStyle::Both);
    assert!(dashed.iter().chain(&joined).all(Option::is_some));
    let (dashed, joined) = spelt(HeaderStyle::None);
    assert!(dashed.iter().chain(&joined).all(Option::is_none));
}

#[test]
fn the_free_plan_allows_500_a_minute() {
    let limits = Limits::build_plan();
    assert_eq!((limits.core, limits.standard, limits.import), (Some(500), Some(500), Some(60)));
    let sim = Simulator::builder().limits(limits).start().unwrap();
    let statuses: Vec<u16> = (0..501).map(|n| create(&sim, &format!("u{n}")).status).collect();
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 500);
    assert_eq!(statuses[500], 429);
}

#[test]
fn past_the_quota_users_are_402() {
    let sim = Simulator::builder().quota(2).start().unwrap();
    assert_eq!([create(&sim, "a").status, create(&sim, "b").status], [200, 200]);
    assert_eq!(create(&sim, "c").refusal(), (402, "ERR_PLAN_QUOTA_RESTRICTION".into()));
    assert_eq!(create(&sim, "a").code(), "ERR_UID_ALREADY_EXISTS");
    assert_eq!(sim.counters().quota_refused, 1);
    sim.update(|settings| settings.quota = None);
    assert_eq!(create(&sim, "c").status, 200);
}
