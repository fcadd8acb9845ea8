//! What does not wait for a user's budget: bans, deletions, the first revocation, and other people.

use std::time::Duration;

use scenarios::{within, Stack, NOTHING};
use uuid::Uuid;

/// At once, on a busy machine; with two requests a minute the budget would take half a minute.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A user with nothing left of the budget and edits that wait for it.
fn with_a_used_up_budget() -> (Stack, Uuid) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.settled(ada);
    stack.db.set("cometchat.user_rate_limit", Some("2"));
    let mut session = stack.session(ada);
    session.refresh(None).token();
    session.refresh(None).token();
    assert_eq!(session.refresh(None).code(), "RATE_LIMITED");
    for n in 1..=5 {
        edit(&stack, ada, &format!("Edit {n}"));
        session.ensure(None, Some(&format!("Name {n}")), None).token();
    }
    stack.asked();
    (stack, ada)
}

fn edit(stack: &Stack, user: Uuid, name: &str) {
    stack.change(user, &format!("raw_user_meta_data = '{{\"full_name\": \"{name}\"}}'"));
}

#[test]
fn a_ban_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    stack.change(ada, "banned_until = now() + interval '1 hour'");
    within(AT_ONCE, "she is deactivated", || stack.is_deactivated(ada));
    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
}

#[test]
fn a_soft_deletion_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    stack.change(ada, "deleted_at = now()");
    within(AT_ONCE, "she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn a_deletion_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    let sql = "DELETE FROM auth.users WHERE id = $1";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada]).expect(sql);
    within(AT_ONCE, "she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn a_permanent_deletion_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    stack.db.set("cometchat.on_delete", Some("delete"));
    let sql = "DELETE FROM auth.users WHERE id = $1";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada]).expect(sql);
    within(AT_ONCE, "she is gone", || stack.app().user(&ada.to_string()).is_none());
}

#[test]
fn the_first_revocation_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    let answer = stack.session(ada).revoke(None);
    assert!(answer.success() || answer.queued(), "{}", answer.0);
    assert_eq!(stack.stored(ada).token, None);
    let tokens = || stack.app().tokens(&ada.to_string());
    within(AT_ONCE, "no token works any more", || tokens().is_empty());
}

#[test]
fn an_operators_revocation_does_not_wait() {
    let (stack, ada) = with_a_used_up_budget();
    stack.session(ada).revoke(None); // the user's own came before
    assert!(stack.service().ensure(Some(ada), None, None).success());
    assert!(stack.service().revoke(Some(ada)).success());
    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
}

#[test]
fn a_user_over_the_limit_still_logs_in_with_the_stored_token() {
    let (stack, ada) = with_a_used_up_budget();
    let token = stack.session(ada).ensure(None, None, None).token();
    assert!(stack.app().tokens(&ada.to_string()).contains(&token));
}

#[test]
fn edits_and_sign_ups_of_other_users_do_not_wait() {
    let stack = Stack::syncing();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    stack.all_arrive(&[ada, bob]);
    stack.settled(bob);
    stack.db.set("cometchat.user_rate_limit", Some("5"));
    stack.db.set("cometchat.concurrency", Some("1")); // whoever waits must not take the only place
    for n in 1..=5 {
        (1..=20).for_each(|m| edit(&stack, ada, &format!("Edit {n}.{m}")));
        let name = format!("Bob {n}");
        edit(&stack, bob, &name);
        within(AT_ONCE, &name, || stack.chat_user(bob)["name"] == name);
        let carol = stack.sign_up(&format!("Carol {n}"));
        within(AT_ONCE, "a sign-up arrives", || stack.stored(carol).token.is_some());
    }
}
