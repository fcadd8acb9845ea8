//! A revocation of somebody whom others have deactivated: CometChat answers as for an unknown user, and the tokens
//! work again once a moderator relents. What is owed is done before the next token.

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::{Fault, ListenerState};
use uuid::Uuid;

/// A user whom somebody has mapped to the uid `legacy-42`, and the token of a first login.
fn with_ada_mapped_by_hand() -> (Stack, Uuid, String) {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": "legacy-42", "name": "Ada"})).expect("a user");
    stack.map(ada, "legacy-42", None);
    let old = stack.session(ada).refresh(None).token();
    (stack, ada, old)
}

/// What a moderator does in CometChat's dashboard, of which we are not told.
fn moderator_deactivates(stack: &Stack, uid: &str) {
    assert!(stack.app().deactivate(uid));
}

/// The moderator relents, and the user logs in: no token from before works.
#[track_caller]
fn comes_back_without(stack: &Stack, user: Uuid, uid: &str, old: &str) {
    assert!(stack.app().reactivate(uid));
    assert!(stack.app().tokens(uid).contains(&old.to_owned()), "it would work again");

    let token = stack.session(user).ensure(None, None, None).token();

    assert_ne!(token, old);
    assert_eq!(stack.app().tokens(uid), [token], "the old one is gone");
    assert!(!stack.stored(user).revoke_pending);
}

#[test]
fn a_revocation_is_owed_to_whom_others_have_deactivated() {
    let (stack, ada) = Stack::with_ada();
    let uid = ada.to_string();
    let old = stack.stored(ada).token.expect("a token");
    moderator_deactivates(&stack, &uid);

    assert_eq!(stack.session(ada).revoke(None).code(), "USER_NOT_FOUND");

    assert_eq!(stack.stored(ada).token, None);
    comes_back_without(&stack, ada, &uid, &old);
}

#[test]
fn a_revocation_that_is_owed_already_outlives_a_call_that_finds_nobody() {
    let (stack, ada) = Stack::with_ada();
    let uid = ada.to_string();
    let old = stack.stored(ada).token.expect("a token");
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("flush_tokens").times(1));
    assert!(stack.session(ada).revoke(None).queued());
    moderator_deactivates(&stack, &uid);

    assert_eq!(stack.session(ada).refresh(None).code(), "USER_NOT_FOUND");

    comes_back_without(&stack, ada, &uid, &old);
}

#[test]
fn a_mapping_made_by_hand_owes_it_too() {
    let (stack, ada, old) = with_ada_mapped_by_hand();
    stack.execute(&format!("DELETE FROM cometchat.sync_state WHERE user_id = '{ada}'"));
    moderator_deactivates(&stack, "legacy-42");

    assert_eq!(stack.session(ada).revoke(None).code(), "USER_NOT_FOUND");

    comes_back_without(&stack, ada, "legacy-42", &old);
}

/// Who really is gone owes nothing: a new account has no older tokens.
#[test]
fn whom_others_have_deleted_is_created_anew_without_a_revocation() {
    let (stack, ada) = Stack::with_ada();
    assert!(stack.app().delete(&ada.to_string()));
    assert_eq!(stack.session(ada).revoke(None).code(), "USER_NOT_FOUND");
    stack.asked();

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user"]);
    assert!(!stack.stored(ada).revoke_pending);
}

#[test]
fn a_ban_that_meets_a_moderators_deactivation_owes_the_end_of_the_tokens() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let (uid, old) = (ada.to_string(), stack.stored(ada).token.expect("a token"));
    moderator_deactivates(&stack, &uid);
    stack.change(ada, "banned_until = 'infinity'");
    eventually("the ban has been sent", || stack.stored(ada).token.is_none());
    stack.settled(ada);
    assert!(!stack.stored(ada).deactivated, "that was others");
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "banned_until = NULL");

    comes_back_without(&stack, ada, &uid, &old);
}

/// Another call of the user's is under way, and finds nobody either.
#[test]
fn a_call_that_finds_nobody_does_not_take_back_a_revocation_that_came_meanwhile() {
    let (stack, ada) = Stack::with_ada();
    let uid = ada.to_string();
    let old = stack.stored(ada).token.expect("a token");
    moderator_deactivates(&stack, &uid);
    stack.asked();
    stack.chat.set_fault(Fault::delay(4000).operation("create_token").times(1));
    let refresh = format!("SELECT cometchat_refresh_token('{ada}') ->> 'errorCode'");
    let call = BlockedSession::with(stack.service().client, &refresh);
    eventually("it is under way", || stack.was_asked("create_token"));
    stack.db.set("cometchat.request_timeout", Some("1s"));
    assert!(stack.session(ada).revoke(None).queued());

    let found = call.done().result.expect("an answer");

    assert_eq!(found.as_deref(), Some("USER_NOT_FOUND"));
    stack.db.set("cometchat.request_timeout", Some("5s"));
    comes_back_without(&stack, ada, &uid, &old);
}

/// The mapping's token is one of those that are to be ended.
#[test]
fn a_token_that_is_put_back_by_hand_is_not_adopted() {
    let (stack, ada, old) = with_ada_mapped_by_hand();
    moderator_deactivates(&stack, "legacy-42");
    assert_eq!(stack.session(ada).revoke(None).code(), "USER_NOT_FOUND");
    stack.execute(&format!(
        "UPDATE public.cometchat_users SET cometchat_auth_token = '{old}' WHERE user_id = '{ada}'"
    ));

    comes_back_without(&stack, ada, "legacy-42", &old);
}

/// Nobody asked for an account.
#[test]
fn an_anonymous_user_who_revokes_is_not_created() {
    for answers in [404, 503] {
        let stack = Stack::new();
        stack.execute("SELECT cometchat.enable_auth_trigger()");
        let ada = stack.sign_up("Ada Lovelace");
        stack.change(ada, "is_anonymous = true");
        if answers == 503 {
            stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").times(1));
        }
        assert_eq!(stack.session(ada).revoke(None).queued(), answers == 503);

        stack.execute("SELECT cometchat.resume()");
        for name in ["The Countess", "Ada King"] {
            stack.change(ada, &format!("raw_user_meta_data = '{{\"full_name\": \"{name}\"}}'"));
            stack.settled(ada);
        }

        assert_eq!(stack.app().user_count(), 0, "{answers}");
    }
}

#[test]
fn a_revocation_beside_an_open_transaction_says_that_it_waited_in_vain() {
    let (stack, ada) = Stack::with_ada();
    let mut login = stack.service();
    login.client.batch_execute("BEGIN").expect("begin");
    login.refresh(Some(ada)).token();
    stack.db.set("cometchat.request_timeout", Some("1s"));

    let answer = stack.session(ada).revoke(None);

    assert_eq!((answer.code(), answer.queued()), ("TIMEOUT", false));
    login.client.batch_execute("COMMIT").expect("commit");
}

/// A call that could not send anything has not asked whether there is an account.
#[test]
fn a_ban_after_a_revocation_that_was_not_sent_is() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).expect("a user");
    stack.chat.set_listener(ListenerState::Closed);
    assert!(stack.session(ada).revoke(None).queued());
    stack.chat.set_listener(ListenerState::Open);

    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}
