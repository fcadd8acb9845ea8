//! An answer that is lost leaves it unknown whether the request was carried out, and what is unknown is
//! asked: whoever is banned or deleted next does not stay active.

use std::time::Duration;

use scenarios::{eventually, within, Stack, NOTHING};
use serde_json::json;
use simulator::{Fault, FaultKind};
use uuid::Uuid;

/// Every request of this operation is carried out, and answered with 500.
fn done_yet_500(stack: &Stack, operation: &str) {
    stack.chat.set_fault(Fault::status(500, "ERR_EXCEPTION").operation(operation).perform());
}

fn is_active(stack: &Stack, user: Uuid) -> bool {
    stack.app().user(&user.to_string()).is_some() && !stack.is_deactivated(user)
}

fn delete(stack: &Stack, user: Uuid) {
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{user}'"));
}

/// Waits until nothing is left to be done for anybody.
#[track_caller]
fn at_rest(stack: &Stack) {
    let open = "SELECT count(*) FROM cometchat.sync_state
                WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL";
    within(Duration::from_secs(60), "nothing is pending", || {
        stack.value(open).as_deref() == Some("0")
    });
}

#[test]
fn a_ban_after_a_create_with_a_lost_answer_deactivates() {
    let stack = Stack::syncing();
    done_yet_500(&stack, "create_user");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || is_active(&stack, ada));

    stack.change(ada, "banned_until = 'infinity'");
    stack.chat.clear_faults();
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
    stack.change(ada, "banned_until = NULL");
    eventually("she is back", || is_active(&stack, ada) && stack.stored(ada).token.is_some());
}

#[test]
fn a_deletion_after_a_create_with_a_lost_answer_deactivates() {
    let stack = Stack::syncing();
    done_yet_500(&stack, "create_user");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || is_active(&stack, ada));

    delete(&stack, ada);
    stack.chat.clear_faults();
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
}

#[test]
fn a_ban_after_a_reactivation_with_a_lost_answer_deactivates() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    delete(&stack, ada);
    at_rest(&stack);
    assert!(stack.is_deactivated(ada));
    done_yet_500(&stack, "reactivate_users");
    let sql = "INSERT INTO auth.users (id, email) VALUES ($1, 'ada@example.com')";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada]).expect(sql);
    eventually("she is active again", || is_active(&stack, ada));

    stack.change(ada, "banned_until = 'infinity'");
    stack.chat.clear_faults();
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
}

#[test]
fn a_ban_after_the_worker_ends_in_a_create_deactivates() {
    let stack = Stack::syncing();
    let unanswered = Fault::delay(60_000).operation("create_user").perform().times(1);
    stack.chat.set_fault(unanswered);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is there", || is_active(&stack, ada));

    stack.change(ada, "banned_until = 'infinity'");
    let worker = stack.worker().expect("a worker");
    stack.execute(&format!("SELECT pg_terminate_backend({worker})"));
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
}

#[test]
fn a_create_performed_after_the_ban_is_noticed() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.request_timeout", Some("2s"));
    // After the client has given up, and after it has asked.
    let late = Fault::new(FaultKind::Late { ms: 4000 }).operation("create_user").times(1);
    stack.chat.set_fault(late);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is being created", || stack.asked() == ["create_user"]);
    stack.change(ada, "banned_until = 'infinity'");

    eventually("she is there", || stack.app().user(&ada.to_string()).is_some());
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
}

#[test]
fn an_adopted_user_without_a_token_gets_one_later() {
    let stack = Stack::syncing();
    let refused = Fault::status(500, "ERR_EXCEPTION").operation("create_token").times(1);
    stack.chat.set_fault(refused);
    let ada = Uuid::new_v4();
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).unwrap();
    let sql = "INSERT INTO auth.users (id, email) VALUES ($1, 'ada@example.com')";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada]).expect(sql);

    stack.settled(ada);

    let token = stack.stored(ada).token.expect("a token");
    assert_eq!(stack.app().tokens(&ada.to_string()), [token]);
}

#[test]
fn the_effects_of_a_rolled_back_login_are_found() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    session.ensure(None, Some("Countess"), None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Countess");

    session.execute("ROLLBACK");

    eventually("her name is her own", || stack.chat_user(ada)["name"] == "Ada Lovelace");
}

#[test]
fn a_user_whose_sign_up_was_rolled_back_is_removed() {
    let stack = Stack::syncing();
    let ada = Uuid::new_v4();
    let mut admin = stack.db.admin();
    let insert = format!("INSERT INTO auth.users (id, email) VALUES ('{ada}', 'a@example.com')");
    admin.batch_execute(&format!("BEGIN; {insert}")).expect("a sign-up");
    let ensure = "SELECT public.cometchat_ensure_user($1) ->> 'success'";
    let success: Option<String> = admin.query_one(ensure, &[&ada]).expect(ensure).get(0);
    assert_eq!(success.as_deref(), Some("true"));

    admin.batch_execute("ROLLBACK").expect("a rollback");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn a_deleted_anonymous_user_is_deactivated_after_a_rolled_back_login() {
    let stack = Stack::syncing();
    let ada = anonymous(&stack);
    stack.settled(ada);
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    session.ensure(None, None, None).token();
    session.execute("ROLLBACK");
    let noted = format!(
        "SELECT isfinite(unsettled_until) FROM cometchat.sync_state WHERE user_id = '{ada}'"
    );
    eventually("that is noted", || stack.value(&noted).as_deref() == Some("true"));

    delete(&stack, ada);
    at_rest(&stack);

    assert!(stack.is_deactivated(ada));
}

#[test]
fn a_ban_of_a_user_unknown_to_cometchat_sends_nothing() {
    let stack = Stack::syncing();
    let (ada, bob) = (anonymous(&stack), anonymous(&stack));
    stack.settled(ada);
    stack.settled(bob);

    stack.change(ada, "banned_until = 'infinity'");
    delete(&stack, bob);
    at_rest(&stack);

    assert_eq!(stack.asked(), NOTHING);
}

/// Somebody who is not synced by themselves.
fn anonymous(stack: &Stack) -> Uuid {
    let id = Uuid::new_v4();
    let sql = "INSERT INTO auth.users (id, is_anonymous) VALUES ($1, true)";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&id]).expect(sql);
    id
}
