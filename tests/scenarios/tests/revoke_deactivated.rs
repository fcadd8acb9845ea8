//! A revocation of somebody whom others have deactivated: CometChat answers as for an unknown user, and the tokens
//! work again once a moderator relents. What is owed is done before the next token.

use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

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
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": "legacy-42", "name": "Ada"})).expect("a user");
    stack.map(ada, "legacy-42", None);
    let old = stack.session(ada).refresh(None).token();
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
