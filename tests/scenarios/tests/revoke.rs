//! Logging somebody out everywhere: at once here, and before anything else there.

use scenarios::{Stack, NOTHING};
use serde_json::json;
use simulator::{Fault, ListenerState};

#[test]
fn a_revocation_ends_every_token_here_and_there() {
    let (stack, ada) = Stack::with_ada();
    stack.session(ada).refresh(None).token();
    stack.asked();

    let answer = stack.session(ada).revoke(None);

    assert_eq!(answer.0, json!({"success": true, "cometchatUid": ada.to_string()}));
    assert_eq!(stack.asked(), ["flush_tokens"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
    assert_eq!((stack.stored(ada).token, stack.stored(ada).revoke_pending), (None, false));
}

#[test]
fn the_login_after_a_revocation_gets_a_new_token() {
    let (stack, ada) = Stack::with_ada();
    let before = stack.stored(ada).token;
    stack.session(ada).revoke(None);
    stack.asked();

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["create_token"]);
    assert_ne!(Some(answer.token()), before);
    assert_eq!(stack.app().tokens(&ada.to_string()), [answer.token()]);
}

#[test]
fn a_flush_that_fails_comes_before_the_next_token_is_minted() {
    let (stack, ada) = Stack::with_ada();
    let old = stack.stored(ada).token.unwrap();
    let fault = stack.chat.set_fault(Fault::status(500, "ERR_EXCEPTION").operation("flush_tokens"));

    let answer = stack.session(ada).revoke(None);

    assert_eq!((answer.code(), answer.queued()), ("API_ERROR", true));
    assert_eq!((stack.stored(ada).token, stack.stored(ada).revoke_pending), (None, true));
    assert_eq!(stack.app().tokens(&ada.to_string()), [old.as_str()]);

    stack.chat.clear_fault(fault);
    stack.asked();
    let new = stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.asked(), ["flush_tokens", "create_token"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), [new.as_str()], "the old one is gone");
    assert!(!stack.stored(ada).revoke_pending);
}

#[test]
fn no_token_is_minted_while_the_flush_cannot_be_done() {
    let (stack, ada) = Stack::with_ada();
    stack.chat.set_fault(Fault::status(500, "ERR_EXCEPTION").operation("flush_tokens"));
    stack.session(ada).revoke(None);
    stack.asked();

    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "API_ERROR");
    let refresh = stack.session(ada).refresh(None);

    assert_eq!(
        (refresh.code(), refresh.queued()),
        ("API_ERROR", false),
        "a refresh is never queued"
    );
    assert_eq!(stack.asked(), ["flush_tokens", "flush_tokens"]);
    assert!(stack.stored(ada).revoke_pending);
}

#[test]
fn the_token_is_forgotten_at_once_even_without_cometchat() {
    let (stack, ada) = Stack::with_ada();
    stack.chat.set_listener(ListenerState::Closed);
    let answer = stack.session(ada).revoke(None);
    assert_eq!((answer.code(), answer.queued()), ("NETWORK", true));
    assert_eq!(stack.stored(ada).token, None);
    stack.chat.set_listener(ListenerState::Open);

    stack.session(ada).ensure(None, None, None).token();
    stack.db.set("cometchat.api_key_file", Some("/nonexistent"));
    let answer = stack.session(ada).revoke(None);
    assert_eq!((answer.code(), answer.queued()), ("NOT_CONFIGURED", true));
    assert_eq!((stack.stored(ada).token, stack.stored(ada).revoke_pending), (None, true));
}

#[test]
fn a_mapping_made_by_hand_is_logged_out_before_it_is_adopted() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": "legacy-42", "name": "Ada"})).unwrap();
    stack.map(ada, "legacy-42", Some("legacy-42_old"));

    assert_eq!(stack.session(ada).revoke(None).uid(), Some("legacy-42"));

    assert_eq!(stack.asked(), ["flush_tokens"]);
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(stack.app().tokens("legacy-42"), [answer.token()]);
}
