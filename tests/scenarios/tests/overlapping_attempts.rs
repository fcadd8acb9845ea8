//! A session's call and the worker are at the same user, and neither waits for the other: whichever writes last,
//! what the other one learned or brought about is not forgotten.

use std::time::Duration;

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind};
use uuid::Uuid;

/// A stack that is paused, with a user of whom CometChat was never asked.
fn with_new_ada() -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("cometchat.request_timeout", Some("3s"));
    let ada = stack.sign_up("Ada Lovelace");
    (stack, ada)
}

fn ensure(user: Uuid) -> String {
    format!("SELECT cometchat_ensure_user('{user}')")
}

#[test]
fn a_call_whose_answer_was_lost_does_not_hide_who_deactivated_the_user() {
    let (stack, ada) = with_new_ada();
    let lost = Fault::delay(60_000).operation("create_user").perform().times(1);
    stack.chat.set_fault(lost);
    let call = BlockedSession::with(stack.service().client, &ensure(ada));
    eventually("she is created", || stack.app().user_count() == 1);

    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");
    eventually("she is deactivated", || stack.is_deactivated(ada) && stack.stored(ada).deactivated);
    call.done().result.expect("an answer");
    stack.settled(ada);

    stack.change(ada, "banned_until = NULL");
    eventually("she is back", || !stack.is_deactivated(ada) && stack.stored(ada).token.is_some());
}

#[test]
fn a_call_that_was_cancelled_leaves_a_doubt_that_the_workers_outcome_does_not_end() {
    let (stack, ada) = with_new_ada();
    stack
        .chat
        .set_fault(Fault::new(FaultKind::Late { ms: 5000 }).operation("create_user").times(1));
    stack.chat.set_fault(Fault::delay(1500).operation("flush_tokens").times(1));
    let call = BlockedSession::with(stack.service().client, &ensure(ada));
    eventually("the create is under way", || stack.was_asked("create_user"));
    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");
    eventually("the worker is at it", || stack.was_asked("flush_tokens"));

    call.cancel(&mut stack.db.admin());

    eventually("the create has come about", || stack.app().user_count() == 1);
    eventually("she is deactivated", || stack.is_deactivated(ada));
}

/// The worker has read a token, and waits for a thread; a revocation takes its claim away. What it sends
/// then is about the past.
#[test]
fn a_job_from_before_a_revocation_does_not_bring_the_token_back() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.concurrency", Some("1"));
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let token = stack.session(ada).ensure(None, None, None).token();
    stack.chat.set_fault(Fault::delay(4000).operation("create_user").perform().times(1));
    let bob = stack.sign_up("Bob");
    eventually("the only thread is busy", || stack.app().user_count() == 2);
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");
    let claimed =
        format!("SELECT claim IS NOT NULL FROM cometchat.sync_state WHERE user_id = '{ada}'");
    eventually("she is claimed", || stack.value(&claimed).as_deref() == Some("true"));

    assert!(stack.session(ada).revoke(None).success());

    stack.settled(bob);
    eventually("the edit has arrived", || stack.chat_user(ada)["name"] == "The Countess");
    stack.settled(ada);
    assert_ne!(stack.stored(ada).token.as_ref(), Some(&token), "the dead token is stored");
    let next = stack.session(ada).ensure(None, None, None).token();
    assert!(stack.app().tokens(&ada.to_string()).contains(&next));
}

#[test]
fn a_mapping_made_by_hand_during_a_call_wins() {
    let (stack, ada) = with_new_ada();
    stack.app().add_user(json!({"uid": "legacy-42", "name": "Ada"})).expect("a user");
    stack.chat.set_fault(Fault::delay(1500).operation("create_user").times(1));
    let call = BlockedSession::with(stack.service().client, &ensure(ada));
    eventually("the create is under way", || stack.was_asked("create_user"));
    stack.execute(&format!(
        "INSERT INTO public.cometchat_users (user_id, cometchat_uid) VALUES ('{ada}', 'legacy-42')"
    ));
    call.done().result.expect("an answer");

    stack.execute("SELECT cometchat.resume()");

    eventually("the mapping has a token", || stack.stored(ada).token.is_some());
    assert_eq!(stack.stored(ada).uid.as_deref(), Some("legacy-42"));
    let token = stack.session(ada).ensure(None, None, None).token();
    assert!(stack.app().tokens("legacy-42").contains(&token));
}

/// The session that was deactivating somebody is gone, its request is not, and a login comes before anybody has
/// noticed.
#[test]
fn a_login_after_a_session_was_terminated_in_a_deactivation_knows_that_it_may_still_come() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("cometchat.request_timeout", Some("6s"));
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    let late = FaultKind::Late { ms: 5000 };
    stack.chat.set_fault(Fault::new(late).operation("deactivate_users").times(1));
    stack.change(ada, "banned_until = 'infinity'");
    let queue = BlockedSession::with(stack.db.admin(), "CALL cometchat.process_queue()");
    eventually("she is being deactivated", || stack.was_asked("deactivate_users"));
    queue.terminate(&mut stack.db.admin());

    stack.change(ada, "banned_until = NULL");
    assert!(stack.session(ada).ensure(None, None, None).success());
    eventually("the deactivation has come about", || stack.is_deactivated(ada));

    eventually("she is back", || {
        let queue = BlockedSession::with(stack.db.admin(), "CALL cometchat.process_queue()");
        queue.done().result.expect("process_queue");
        std::thread::sleep(Duration::from_millis(200));
        !stack.is_deactivated(ada) && !stack.stored(ada).deactivated
    });
}

/// Nothing could be written of what was sent, not even that it is in doubt: the row was locked all the time.
#[test]
fn what_a_call_could_not_even_note_reaches_the_worker() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let mut locker = stack.db.admin();
    let lock =
        format!("BEGIN; SELECT FROM cometchat.sync_state WHERE user_id = '{ada}' FOR UPDATE");
    locker.batch_execute(&lock).expect("lock");
    let answer = stack.service().ensure(Some(ada), Some("The Countess"), None);
    assert_eq!(answer.code(), "DATABASE");
    assert_eq!(stack.chat_user(ada)["name"], "The Countess");

    locker.batch_execute("COMMIT").expect("unlock");

    eventually("she has her own name again", || stack.chat_user(ada)["name"] == "Ada Lovelace");
}

/// The worker could not end the tokens before it deactivated somebody; a call that began before that knows
/// nothing of it.
#[test]
fn a_call_does_not_take_back_what_a_ban_owes() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let token = stack.stored(ada).token.expect("a token");
    stack.chat.set_fault(Fault::delay(5000).operation("update_user").perform().times(1));
    let rename = format!("SELECT cometchat_ensure_user('{ada}', 'The Countess')");
    let call = BlockedSession::with(stack.service().client, &rename);
    eventually("she has been renamed", || stack.chat_user(ada)["name"] == "The Countess");
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").operation("flush_tokens").times(1));
    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is deactivated, and it is owed", || {
        stack.is_deactivated(ada) && stack.stored(ada).revoke_pending
    });
    assert!(call.try_done(Duration::ZERO).is_none(), "the call is under way");

    call.done().result.expect("an answer");
    stack.settled(ada);
    stack.change(ada, "banned_until = NULL");

    eventually("she is back", || stack.stored(ada).token.is_some() && stack.is_settled(ada));
    assert!(!stack.app().tokens(&ada.to_string()).contains(&token), "a token from before works");
}

#[test]
fn a_revocation_during_a_long_call_ends_that_calls_token_too() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let old = stack.session(ada).ensure(None, None, None).token();
    stack.chat.set_fault(Fault::delay(5000).operation("create_token").perform().times(1));
    let refresh = format!("SELECT cometchat_refresh_token('{ada}') ->> 'authToken'");
    let call = BlockedSession::with(stack.service().client, &refresh);
    eventually("a token is minted", || stack.app().tokens(&ada.to_string()).len() == 2);
    let minted = stack.app().tokens(&ada.to_string());
    stack.db.set("cometchat.request_timeout", Some("1s"));

    let answer = stack.session(ada).revoke(None);

    assert_eq!((answer.code(), answer.queued()), ("TIMEOUT", true));
    assert_eq!(stack.stored(ada).token, None, "nobody gets the stored one any more");
    call.done().result.expect("an answer");
    eventually("all tokens have ended", || stack.app().tokens(&ada.to_string()).is_empty());
    stack.settled(ada);
    let next = stack.session(ada).ensure(None, None, None).token();
    assert!(next != old && !minted.contains(&next));
}
