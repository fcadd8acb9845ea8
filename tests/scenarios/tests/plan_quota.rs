//! The plan's quota of users is used up: CometChat answers 402 to creates alone. Everybody who exists
//! is served as ever, and only new users wait.

use scenarios::{eventually, Session, Stack};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

fn used_up() -> Fault {
    Fault::status(402, "ERR_PLAN_QUOTA_RESTRICTION").operation("create_user")
}

fn reason(stack: &Stack) -> Option<String> {
    stack.value("SELECT paused_reason FROM cometchat.progress")
}

fn creates(stack: &Stack) -> usize {
    let all = stack.chat.requests();
    all.iter().filter(|request| request.operation == "create_user").count()
}

/// Several users who are in CometChat, and then the quota is used up by one too many.
fn full_plan() -> (Stack, Vec<Uuid>, Uuid) {
    let stack = Stack::syncing();
    let users = stack.sign_ups(5);
    stack.all_arrive(&users);
    users.iter().for_each(|user| stack.settled(*user));
    stack.chat.set_fault(used_up());
    let late = stack.sign_ups(1)[0];
    eventually("it is said", || reason(&stack).as_deref() == Some("PLAN_LIMIT"));
    (stack, users, late)
}

#[test]
fn bans_deletions_revocations_edits_and_logins_go_on_while_new_users_wait() {
    let (stack, users, late) = full_plan();
    let more = stack.sign_ups(30);

    stack.change(users[0], "banned_until = 'infinity'");
    stack
        .db
        .connect("supabase_auth_admin")
        .execute("DELETE FROM auth.users WHERE id = $1", &[&users[1]])
        .expect("delete");
    stack.change(users[2], r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);
    let before = stack.stored(users[3]).token;
    assert!(stack.session(users[3]).revoke(None).success());
    assert_ne!(Some(stack.session(users[3]).ensure(None, None, None).token()), before);
    assert!(stack.session(users[4]).refresh(None).success());

    eventually("the banned one is out", || stack.is_deactivated(users[0]));
    eventually("so is the deleted one", || stack.is_deactivated(users[1]));
    eventually("the edit arrives", || stack.chat_user(users[2])["name"] == "Countess");
    let answer = stack.session(more[0]).ensure(None, None, None);
    assert_eq!(answer.code(), "PLAN_LIMIT");
    assert_eq!(reason(&stack).as_deref(), Some("PLAN_LIMIT"));
    let said = "SELECT hint FROM cometchat.health() WHERE check_name = 'sending' AND NOT ok";
    let hint = stack.value(said).unwrap_or_default();
    assert!(hint.starts_with("-- Only new users wait"), "{hint}");
    assert_eq!(stack.logged("sending is paused").len(), 1);
    let asked = creates(&stack);
    assert!(asked <= 5 + 6, "{asked} creates, where one at a time goes ahead to see");
    let harmed =
        "SELECT count(*) FROM cometchat.sync_state WHERE attempts > 0 OR failed_at IS NOT NULL";
    assert_eq!(stack.value(harmed).as_deref(), Some("0"));

    stack.chat.clear_faults();
    stack.all_arrive(&[late]);
    stack.all_arrive(&more);
    eventually("it says so", || stack.logged("sending resumed").len() == 1);
    assert_eq!(reason(&stack), None);
}

#[test]
fn a_user_mapped_by_hand_is_adopted_while_creates_are_refused() {
    let (stack, _, _) = full_plan();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": "ada", "name": "Ada"})).expect("added");
    stack.map(ada, "ada", None);

    let answer = stack.session(ada).ensure(None, None, None);

    assert!(answer.success(), "{answer:?}");
}

#[test]
fn in_the_foreground_too_only_new_users_wait() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let mut users = stack.sign_ups(5);
    for user in &users {
        stack.session(*user).ensure(None, None, None).token();
    }
    stack.chat.set_fault(used_up());
    users.splice(0..0, stack.sign_ups(9));
    for user in &users {
        stack.enqueue(*user, &json!({"tags": ["vip"]}));
    }

    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");

    for user in &users[9..] {
        assert_eq!(stack.chat_user(user)["tags"], json!(["vip"]));
    }
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    assert_eq!(stack.value(failed).as_deref(), Some("0"));
    stack.chat.clear_faults();
    stack.execute("UPDATE cometchat.sync_state SET next_attempt_at = now() WHERE true");
    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");
    stack.all_arrive(&users);
}
