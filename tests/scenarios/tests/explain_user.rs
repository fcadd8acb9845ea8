//! cometchat.explain_user() and cometchat.attempts: why somebody can or cannot chat.

use scenarios::{eventually, Stack};
use simulator::Fault;
use uuid::Uuid;

/// What is said about one fact, with the hint.
fn fact(stack: &Stack, user: Uuid, fact: &str) -> Option<String> {
    stack.value(&format!(
        "SELECT value || COALESCE(' | ' || hint, '') FROM cometchat.explain_user('{user}')
         WHERE fact = '{fact}'"
    ))
}

fn can_chat(stack: &Stack, user: Uuid) -> String {
    fact(stack, user, "can chat").expect("an answer")
}

#[test]
fn it_says_where_a_user_stands_on_the_way_to_chat() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let never = "at the first login: never queued | SELECT cometchat.backfill();";
    assert_eq!(can_chat(&stack, ada), never);
    stack.execute("SELECT cometchat.backfill()");
    let waits =
        "not yet: sending is paused (OPERATOR) | SELECT * FROM cometchat.health() WHERE NOT ok;";
    assert_eq!(can_chat(&stack, ada), waits);
    assert_eq!(fact(&stack, ada, "queue").as_deref(), Some("due, behind people"));
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(can_chat(&stack, ada), "yes");
    assert_eq!(fact(&stack, ada, "CometChat has").as_deref(), Some("the profile that is wanted"));
    assert_eq!(fact(&stack, ada, "wanted name").as_deref(), Some("Ada Lovelace"));
    stack.change(ada, "banned_until = now() + interval '1 day'");
    assert_eq!(can_chat(&stack, ada), "no: banned or deleted in auth.users | Lift the ban.");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    assert_eq!(can_chat(&stack, ada), "no: not in auth.users");
    assert_eq!(can_chat(&stack, Uuid::new_v4()), "no: not in auth.users");
}

#[test]
fn it_says_who_is_passed_over_and_who_is_given_up_with_the_way_out() {
    let stack = Stack::syncing();
    let anonymous = stack.sign_up("Nobody");
    stack.change(anonymous, "is_anonymous = true, email = NULL");
    let way_out = format!("SELECT cometchat.enqueue('{anonymous}');");
    let mut again = stack.db.admin();
    again
        .batch_execute(&format!("DELETE FROM cometchat.sync_state WHERE user_id = '{anonymous}'"))
        .expect("as if nothing had been sent");
    again
        .batch_execute(&format!("DELETE FROM public.cometchat_users WHERE user_id = '{anonymous}'"))
        .expect("as if nothing had been sent");
    assert_eq!(
        can_chat(&stack, anonymous),
        format!("at the first login: the user is anonymous | {way_out}")
    );
    stack.execute(&way_out);
    eventually("the hint helps", || can_chat(&stack, anonymous) == "yes");

    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST"));
    let bob = stack.sign_up("Bob Marley");
    let given_up = format!(
        "no: given up | Mend what \"last error\" says, then SELECT cometchat.retry_failed('{bob}');"
    );
    eventually("he is given up", || can_chat(&stack, bob) == given_up);
    let error = fact(&stack, bob, "last error").expect("an error");
    assert!(error.starts_with("ERR_BAD_REQUEST"), "{error}");
    let attempt = fact(&stack, bob, "attempt 1").expect("an attempt");
    assert!(attempt.contains(": ERR_BAD_REQUEST, HTTP 400, "), "{attempt}");
    stack.chat.clear_faults();
    stack.execute(&format!("SELECT cometchat.retry_failed('{bob}')"));
    eventually("the hint helps", || can_chat(&stack, bob) == "yes");
    let attempts = format!(
        "SELECT string_agg(COALESCE(error_code, 'ok'), ' ' ORDER BY number)
         FROM cometchat.attempts WHERE user_id = '{bob}'"
    );
    assert_eq!(stack.value(&attempts).as_deref(), Some("ok ERR_BAD_REQUEST"));
}

#[test]
fn whoever_has_a_token_can_chat_though_a_later_change_was_given_up() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST"));
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Ada King"}'"#);
    let says = format!(
        "yes, but the last change was given up | Mend what \"last error\" says, then \
         SELECT cometchat.retry_failed('{ada}');"
    );
    eventually("it is given up", || can_chat(&stack, ada) == says);
    stack.session(ada).ensure(None, None, None).token();
}

#[test]
fn nobody_is_no_user() {
    let stack = Stack::new();
    let error =
        stack.db.admin().query("SELECT cometchat.explain_user(NULL)", &[]).expect_err("null");
    let error = error.as_db_error().expect("of the server");
    assert_eq!((error.code().code(), error.message()), ("22004", "user_id must not be null"));
}

#[test]
fn no_more_than_five_attempts_are_kept() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    for n in 0..7 {
        stack.change(ada, &format!(r#"raw_user_meta_data = '{{"full_name": "Ada {n}"}}'"#));
        stack.settled(ada);
    }
    let attempts = format!(
        "SELECT concat_ws(' ', count(*), bool_and(error_code IS NULL), bool_and(duration_ms >= 0),
                          min(number), max(number))
         FROM cometchat.attempts WHERE user_id = '{ada}'"
    );
    assert_eq!(stack.value(&attempts).as_deref(), Some("5 t t 1 5"));
}

#[test]
fn a_call_that_left_the_user_to_the_worker_is_an_attempt() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION"));
    assert!(stack.session(ada).ensure(None, None, None).queued());
    let code = format!("SELECT error_code FROM cometchat.attempts WHERE user_id = '{ada}'");
    assert_eq!(stack.value(&code).as_deref(), Some("ERR_EXCEPTION"));
}

#[test]
fn it_answers_while_the_state_is_locked_and_where_auth_users_cannot_be_read() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let mut locks = stack.db.admin();
    let mut open = locks.transaction().expect("a transaction");
    open.batch_execute("LOCK TABLE auth.users").expect("lock");
    let locked = "cannot be read: 55P03 | SELECT * FROM cometchat.health() WHERE NOT ok;";
    assert_eq!(fact(&stack, ada, "auth.users").as_deref(), Some(locked));
}
