//! Lost at CometChat, and another app: what is stored does not count any more.

use scenarios::{Stack, Stored, APP, NOTHING};
use serde_json::json;
use simulator::{Fault, ListenerState};

#[test]
fn a_refresh_finds_the_loss_and_the_next_ensure_creates() {
    let (stack, ada) = Stack::with_ada();
    stack.app().delete(&ada.to_string());

    let answer = stack.session(ada).refresh(None);

    assert_eq!(
        answer.0,
        json!({"success": false, "error": "User not found in CometChat", "errorCode": "USER_NOT_FOUND"})
    );
    assert_eq!(stack.asked(), ["create_token"]);
    assert_eq!(stack.stored(ada), Stored::default());

    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), [answer.token()]);
}

#[test]
fn a_revocation_finds_the_loss() {
    let (stack, ada) = Stack::with_ada();
    stack.app().delete(&ada.to_string());

    assert_eq!(stack.session(ada).revoke(None).code(), "USER_NOT_FOUND");
    // For all that CometChat says she may be deactivated there, and come back with her old tokens.
    assert_eq!(stack.stored(ada), Stored { revoke_pending: true, ..Stored::default() });
}

#[test]
fn an_ensure_with_an_update_recreates_the_user_in_the_same_call() {
    let (stack, ada) = Stack::with_ada();
    let lost = stack.stored(ada).token;
    stack.app().delete(&ada.to_string());
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["update_user", "create_user"]);
    assert_ne!(Some(answer.token()), lost);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
}

#[test]
fn a_lost_user_is_forgotten_even_if_it_cannot_be_created_again() {
    let (stack, ada) = Stack::with_ada();
    stack.app().delete(&ada.to_string());
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);
    stack.chat.update(|settings| settings.quota = Some(0));

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(answer.code(), "PLAN_LIMIT");
    assert_eq!(stack.stored(ada).token, None);
    assert!(!stack.stored(ada).sent);
}

#[test]
fn a_mapping_made_by_hand_survives_the_loss_without_its_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.map(ada, "legacy-42", None);
    stack.session(ada).ensure(None, None, None).token();
    stack.app().delete("legacy-42");

    assert_eq!(stack.session(ada).refresh(None).code(), "USER_NOT_FOUND");

    assert_eq!(stack.stored(ada), Stored { uid: Some("legacy-42".into()), ..Stored::default() });
    assert_eq!(stack.session(ada).ensure(None, None, None).uid(), Some("legacy-42"));
}

#[test]
fn a_change_of_app_starts_anew_and_so_does_the_change_back() {
    let (stack, ada) = Stack::with_ada();
    let uid = ada.to_string();
    let first = stack.stored(ada).token.unwrap();

    stack.db.set("cometchat.app_id", Some("app2"));
    let second = stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.chat.app("app2").tokens(&uid), [second.as_str()]);
    assert_eq!(stack.stored(ada).app.as_deref(), Some("app2"));
    assert_eq!(backfill(&stack), 0);

    stack.db.set("cometchat.app_id", Some(APP));
    let third = stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
    assert!(stack.app().tokens(&uid).contains(&third));
    assert!(stack.app().tokens(&uid).contains(&first), "nobody was logged out of the first app");
    assert_eq!(stack.stored(ada).token, Some(third));
}

fn backfill(stack: &Stack) -> i64 {
    stack.value("SELECT cometchat.backfill()").and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn backfill_finds_all_users_after_a_change_of_app() {
    let (stack, ada) = Stack::with_ada();
    stack.unpause_all_but_the_worker();
    let (banned, never) = (stack.sign_up("Bob Marley"), stack.sign_up("Charlie Parker"));
    stack.session(banned).ensure(None, None, None).token();
    stack.change(banned, "banned_until = 'infinity'");
    assert_eq!(backfill(&stack), 1, "who was never there");
    assert_eq!(backfill(&stack), 0);
    stack.execute("CALL cometchat.process_queue()");
    assert!(stack.stored(never).token.is_some());
    assert_eq!(backfill(&stack), 0);

    stack.db.set("cometchat.app_id", Some("app2"));
    assert_eq!(backfill(&stack), 2, "all but the banned one");
    assert_eq!(backfill(&stack), 0, "they are queued");
    stack.execute("CALL cometchat.process_queue()");

    assert_eq!(stack.stored(ada).app.as_deref(), Some("app2"));
    assert_eq!(stack.chat.app("app2").user_count(), 2);
    assert_eq!(backfill(&stack), 0, "they are there");
}

#[test]
fn backfill_finds_lost_users_but_not_failed_ones() {
    let (stack, ada) = Stack::with_ada();
    stack.unpause_all_but_the_worker();
    stack.app().delete(&ada.to_string());
    assert_eq!(stack.session(ada).refresh(None).code(), "USER_NOT_FOUND");

    assert_eq!(backfill(&stack), 1);
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").times(1));
    stack.execute("CALL cometchat.process_queue()");
    assert_eq!(backfill(&stack), 0, "retry_failed is for them");

    stack.execute("SELECT cometchat.retry_failed()");
    stack.execute("CALL cometchat.process_queue()");
    assert!(stack.stored(ada).token.is_some());
    assert_eq!(backfill(&stack), 0);
}

#[test]
fn the_token_of_another_app_is_never_served() {
    let (stack, ada) = Stack::with_ada();
    stack.db.set("cometchat.app_id", Some("app2"));
    stack.chat.set_listener(ListenerState::Closed);

    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "NETWORK");
    let mut session = stack.session(ada);
    session.execute("SET default_transaction_read_only = on");
    assert_eq!(session.ensure(None, None, None).code(), "READ_ONLY");

    // and it is still there for those who go back
    stack.db.set("cometchat.app_id", Some(APP));
    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_mapping_to_another_uid_goes_along_to_another_app() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.map(ada, "legacy-42", None);
    stack.session(ada).ensure(None, None, None).token();
    stack.db.set("cometchat.app_id", Some("app2"));

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(answer.uid(), Some("legacy-42"));
    assert_eq!(stack.chat.app("app2").tokens("legacy-42"), [answer.token()]);
}
