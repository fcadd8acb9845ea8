//! What one user causes, by calls or by edits that the worker sends, stays within `user_rate_limit`,
//! and the last state arrives all the same.

use std::thread::sleep;
use std::time::Duration;

use scenarios::{within, Stack};
use simulator::{Fault, Filter};
use uuid::Uuid;

/// A user with a token, the trigger, a worker, and a limit from now on.
fn with_a_limit(per_minute: u32) -> (Stack, Uuid) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.settled(ada);
    stack.db.set("cometchat.user_rate_limit", Some(&per_minute.to_string()));
    stack.asked();
    (stack, ada)
}

/// When CometChat got requests about this user, in seconds.
fn arrivals(stack: &Stack, user: Uuid) -> Vec<f64> {
    let filter = Filter { uid: Some(user.to_string()), ..Filter::default() };
    stack.chat.requests_where(&filter).iter().map(|r| r.arrived_ms / 1000.0).collect()
}

/// A minute's worth at once, then one every so many seconds.
#[track_caller]
fn stays_within(stack: &Stack, user: Uuid, per_minute: u32) {
    comes_to(stack, user, per_minute, per_minute);
}

/// So many at once, then so many a minute, whenever one begins to count. Two more are allowed for:
/// one that waits for nothing, and one that was under way.
#[track_caller]
fn comes_to(stack: &Stack, user: Uuid, at_once: u32, per_minute: u32) {
    let times = arrivals(stack, user);
    assert!(!times.is_empty(), "CometChat hears of the user");
    for (n, first) in times.iter().enumerate() {
        for (more, last) in times[n..].iter().enumerate() {
            let (sent, passed) = (more + 1, last - first);
            let allowed = f64::from(at_once) + f64::from(per_minute) * passed / 60.0 + 2.0;
            assert!(
                sent as f64 <= allowed,
                "{sent} requests in {passed:.1} s, {allowed:.1} are allowed; {} in all",
                times.len()
            );
        }
    }
}

#[track_caller]
fn arrives(stack: &Stack, user: Uuid, name: &str) {
    let a_while = Duration::from_secs(40);
    within(a_while, &format!("{name} arrives"), || stack.chat_user(user)["name"] == name);
}

fn edit(stack: &Stack, user: Uuid, name: &str) {
    stack.change(user, &format!("raw_user_meta_data = '{{\"full_name\": \"{name}\"}}'"));
}

/// One call every so often with another name each; every answer is a success.
fn call_with_names(stack: &Stack, user: Uuid, count: usize, pause: Duration) -> usize {
    let mut session = stack.session(user);
    let answers = (1..=count).map(|n| {
        sleep(pause); // long enough for the worker to come in between
        session.ensure(None, Some(&format!("Name {n}")), None)
    });
    answers.inspect(|a| assert!(a.success(), "{}", a.0)).filter(|a| a.queued()).count()
}

#[test]
fn calls_with_changing_names_stay_within_the_limit() {
    let (stack, ada) = with_a_limit(10);
    let put_off = call_with_names(&stack, ada, 100, Duration::from_millis(150));
    stays_within(&stack, ada, 10);
    assert!(put_off >= 70, "{put_off} of 100 were put off");

    arrives(&stack, ada, "Name 100");
    stack.settled(ada);
    stays_within(&stack, ada, 10);
}

#[test]
fn the_last_name_of_many_arrives_soon() {
    let (stack, ada) = with_a_limit(60);
    call_with_names(&stack, ada, 100, Duration::from_millis(1));
    let soon = Duration::from_secs(10);
    within(soon, "the last name arrives", || stack.chat_user(ada)["name"] == "Name 100");
    stack.settled(ada);
    stays_within(&stack, ada, 60);
}

#[test]
fn edits_of_auth_users_stay_within_the_budget() {
    let (stack, ada) = with_a_limit(10);
    (1..=200).for_each(|n| edit(&stack, ada, &format!("Edit {n}")));
    stays_within(&stack, ada, 10);

    arrives(&stack, ada, "Edit 200");
    stays_within(&stack, ada, 10);
}

#[test]
fn edits_and_calls_share_one_budget() {
    let (stack, ada) = with_a_limit(10);
    for n in 1..=50 {
        edit(&stack, ada, &format!("Edit {n}"));
        stack.session(ada).ensure(None, Some(&format!("Name {n}")), None).token();
    }
    stays_within(&stack, ada, 10);
    arrives(&stack, ada, "Name 50");
    stays_within(&stack, ada, 10);
}

#[test]
fn a_new_users_edits_are_bounded_from_the_first_on() {
    let (stack, _) = with_a_limit(10);
    let bob = stack.sign_up("Bob");
    (1..=100).for_each(|n| edit(&stack, bob, &format!("Bob {n}")));
    arrives(&stack, bob, "Bob 100");
    stays_within(&stack, bob, 10);
}

#[test]
fn failed_requests_are_counted_too() {
    for status in [400, 500] {
        let (stack, ada) = with_a_limit(10);
        stack.chat.set_fault(Fault::status(status, "ERR_BAD_REQUEST").operation("update_user"));
        for n in 1..=100 {
            edit(&stack, ada, &format!("Edit {n}"));
            sleep(Duration::from_millis(20)); // each edit is another chance for who was given up
        }
        stays_within(&stack, ada, 10);
    }
}

#[test]
fn revocations_again_and_again_stay_within_the_budget() {
    let (stack, ada) = with_a_limit(10);
    let mut session = stack.session(ada);
    for _ in 0..100 {
        sleep(Duration::from_millis(150));
        let answer = session.revoke(None);
        assert!(answer.success() || answer.queued(), "{}", answer.0);
        assert_eq!(stack.stored(ada).token, None);
    }
    stays_within(&stack, ada, 10);
    within(Duration::from_secs(40), "the last one is done", || !stack.stored(ada).revoke_pending);
    stays_within(&stack, ada, 10);
}

/// Revocations have a budget of their own, so that whoever has used up the other one does not keep a
/// user from ending all sessions.
#[test]
fn logins_and_revocations_in_turn_come_to_no_more_than_twice_the_budget() {
    let (stack, ada) = with_a_limit(10);
    let mut session = stack.session(ada);
    for _ in 0..80 {
        sleep(Duration::from_millis(150));
        session.ensure(None, None, None);
        session.revoke(None);
    }
    comes_to(&stack, ada, 20, 20);
    within(Duration::from_secs(40), "the last one is done", || {
        let stored = stack.stored(ada);
        !stored.revoke_pending && stored.token.is_none()
    });
    comes_to(&stack, ada, 20, 20);
}

#[test]
fn without_a_limit_nothing_is_refused() {
    let (stack, ada) = with_a_limit(10);
    stack.db.set("cometchat.user_rate_limit", Some("-1"));
    let mut session = stack.session(ada);
    let at_once = Duration::from_secs(5);
    for n in 1..=25 {
        let name = format!("Edit {n}");
        edit(&stack, ada, &name);
        within(at_once, &name, || stack.chat_user(ada)["name"] == name);
        let name = format!("Name {n}");
        let answer = session.ensure(None, Some(&name), None);
        assert!(!answer.queued(), "{}", answer.0);
        assert_eq!(stack.chat_user(ada)["name"], name);
    }
    assert!(arrivals(&stack, ada).len() >= 50);
}

#[test]
fn trusted_callers_are_not_counted() {
    let (stack, ada) = with_a_limit(2);
    let mut service = stack.service();
    for n in 1..=10 {
        service.refresh(Some(ada)).token();
        let answer = service.ensure(Some(ada), Some(&format!("Name {n}")), None);
        assert!(!answer.queued(), "{}", answer.0);
    }
    assert_eq!(stack.asked().len(), 20);
    stack.session(ada).refresh(None).token(); // her own budget is untouched
    stack.session(ada).refresh(None).token();
    assert_eq!(stack.session(ada).refresh(None).code(), "RATE_LIMITED");
}
