//! The worker itself finds what no trigger of ours saw: all are compared after a start of the server and
//! once a day, and a few each minute.

use std::time::Duration;

use scenarios::{eventually, within, Stack, NOTHING};
use uuid::Uuid;

/// The minute's look, the comparison of all that it brings about, and a busy machine.
const TWO_MINUTES: Duration = Duration::from_secs(180);

fn unseen(stack: &Stack, sql: &str) {
    stack.execute(&format!("SET session_replication_role = replica; {sql}"));
}

fn is_active(stack: &Stack, user: Uuid) -> bool {
    stack.app().user(&user.to_string()).is_some_and(|user| user.get("deactivatedAt").is_none())
}

/// Users whom CometChat has, and a worker that sleeps.
fn asleep_with(count: usize) -> (Stack, Vec<Uuid>) {
    let stack = Stack::syncing();
    let users: Vec<Uuid> = (0..count).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("all are there", || users.iter().all(|user| is_active(&stack, *user)));
    eventually("nothing is pending", || {
        stack.value("SELECT pending FROM cometchat.progress").as_deref() == Some("0")
    });
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker has left", || stack.worker().is_none());
    // As after a restart, or a day later.
    stack.execute("UPDATE cometchat.control SET last_compared_at = NULL WHERE true");
    stack.asked();
    (stack, users)
}

fn compared(stack: &Stack) -> bool {
    stack.value("SELECT last_compared_at IS NOT NULL FROM cometchat.control").as_deref()
        == Some("true")
}

const UNWELL: &str = "SELECT string_agg(detail || ' ' || hint, ' ') FROM cometchat.health()
                      WHERE check_name = 'missed changes' AND NOT ok";

#[test]
fn a_starting_worker_sends_only_differences() {
    let (stack, users) = asleep_with(20);
    unseen(
        &stack,
        &format!(
            "DELETE FROM auth.users WHERE id = '{}';
             UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{}';
             UPDATE auth.users SET raw_user_meta_data = '{{\"name\": \"Ada King\"}}'
             WHERE id = '{}'",
            users[0], users[1], users[2]
        ),
    );
    stack.execute("SELECT cometchat.resume()");
    eventually("what differs is mended", || {
        !is_active(&stack, users[0])
            && !is_active(&stack, users[1])
            && stack.chat_user(users[2])["name"] == "Ada King"
    });
    eventually("all are compared", || compared(&stack));
    let heard = stack.chat.take_requests();
    let differ: Vec<String> = users[..3].iter().map(Uuid::to_string).collect();
    assert!(heard
        .iter()
        .all(|request| { request.uid.as_ref().is_none_or(|uid| differ.contains(uid)) }));
    assert!(heard.len() <= 6, "{heard:?}");
    assert_eq!(stack.value(UNWELL), None);
}

#[test]
fn a_starting_worker_without_differences_sends_nothing() {
    let (stack, _) = asleep_with(5);
    stack.execute("SELECT cometchat.resume()");
    eventually("all are compared", || compared(&stack));
    assert_eq!(stack.asked(), NOTHING);
    // Whom nobody asked for is backfill()'s.
    unseen(&stack, "INSERT INTO auth.users (id) VALUES (gen_random_uuid())");
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker has left", || stack.worker().is_none());
    stack.execute(
        "UPDATE cometchat.control SET last_compared_at = NULL WHERE true; SELECT cometchat.resume()",
    );
    eventually("all are compared", || compared(&stack));
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn an_empty_auth_users_does_not_deactivate_all_users() {
    let (stack, users) = asleep_with(30);
    unseen(&stack, "DELETE FROM auth.users WHERE true");
    stack.execute("SELECT cometchat.resume()");
    eventually("all are compared", || compared(&stack));
    assert_eq!(stack.asked(), NOTHING, "it may be about to be restored");
    let advice = stack.value(UNWELL).expect("health() says so");
    assert!(
        advice.contains("30 deletions were missed") && advice.contains("reconcile"),
        "{advice}"
    );

    stack.execute("SELECT * FROM cometchat.reconcile(true)");
    eventually("CometChat is told", || users.iter().all(|user| !is_active(&stack, *user)));
    assert_eq!(stack.value(UNWELL), None);
}

#[test]
fn a_running_worker_finds_a_difference_within_two_minutes() {
    let stack = Stack::syncing();
    let users: Vec<Uuid> = (0..3).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    eventually("all are there", || users.iter().all(|user| is_active(&stack, *user)));
    eventually("all are compared", || compared(&stack));
    unseen(
        &stack,
        &format!("UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{}'", users[0]),
    );
    within(TWO_MINUTES, "the banned one is shut out", || !is_active(&stack, users[0]));
    assert!(is_active(&stack, users[1]));
}
