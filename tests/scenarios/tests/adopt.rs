//! Known at CometChat but not here: read, send only what differs, then a token.

use scenarios::{Stack, NOTHING};
use serde_json::{json, Value};
use simulator::Fault;

/// Puts somebody into CometChat, past us.
fn add(stack: &Stack, uid: impl ToString, more: Value) {
    let mut user = json!({"uid": uid.to_string(), "name": "Ada Lovelace"});
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stack.app().add_user(user).unwrap();
}

/// A valid token of `uid` of which nothing is stored.
fn token_of(stack: &Stack, uid: &str) -> String {
    let user = stack.sign_up("Somebody Else");
    stack.map(user, uid, None);
    let token = stack.service().refresh(Some(user)).token();
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{user}'")); // cascades
    stack.asked();
    token
}

#[test]
fn only_the_fields_that_differ_are_sent_with_metadata_merged_and_whole() {
    let stack = Stack::new();
    let ada = stack.sign_up_with(
        "ada@example.com",
        json!({"full_name": "Ada Lovelace", "avatar_url": "https://a.example/1.png"}),
    );
    let theirs = json!({"plan": "pro", "@private": {"contactNumber": "+44"}});
    add(
        &stack,
        ada,
        json!({"name": "A. Byron", "avatar": "https://a.example/1.png", "tags": ["vip"], "metadata": theirs}),
    );

    let answer = stack.session(ada).ensure(None, None, None);

    let requests = stack.chat.take_requests();
    let operations: Vec<&str> = requests.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(operations, ["create_user", "get_user", "update_user", "create_token"]);
    let merged =
        json!({"plan": "pro", "@private": {"contactNumber": "+44", "email": "ada@example.com"}});
    assert_eq!(requests[2].body, json!({"name": "Ada Lovelace", "metadata": merged}));
    assert_eq!(requests[3].body, json!({"force": false}));
    assert_eq!(stack.chat_user(ada)["tags"], json!(["vip"]));
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn an_adopted_user_without_differences_is_not_updated() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let email = json!({"metadata": {"@private": {"email": "ada.lovelace@example.com"}}, "link": "https://a.example/"});
    add(&stack, ada, email);

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
    assert_eq!(stack.chat_user(ada)["link"], "https://a.example/");
}

#[test]
fn the_error_code_alone_tells_that_a_uid_is_taken() {
    let stack = Stack::new();
    stack.chat.update(|settings| settings.duplicate_status = 409);
    let ada = stack.sign_up("Ada Lovelace");
    add(&stack, ada, json!({}));

    assert!(stack.session(ada).ensure(None, None, None).success());
}

#[test]
fn a_user_without_a_local_name_keeps_the_remote_name() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", json!({}));
    add(&stack, ada, json!({"name": "The Countess"}));

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.chat_user(ada)["name"], "The Countess");
}

#[test]
fn a_creation_that_answers_without_a_token_is_followed_by_a_token_call() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let body = json!({"data": {"uid": ada.to_string(), "name": "Ada Lovelace"}}).to_string();
    let fault = Fault::raw(200, "application/json", &body).operation("create_user").perform();
    stack.chat.set_fault(fault);

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["create_user", "create_token"]);
    assert!(stack.app().tokens(&ada.to_string()).contains(&answer.token()));
}

#[test]
fn a_mapping_made_by_hand_keeps_its_uid_and_its_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    add(&stack, "legacy-42", json!({"name": "A. Byron"}));
    let token = token_of(&stack, "legacy-42");
    stack.map(ada, "legacy-42", Some(&token));

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!((answer.uid(), answer.token()), (Some("legacy-42"), token));
    assert_eq!(stack.asked(), ["get_user", "update_user", "get_token"]);
    assert_eq!(stack.chat_user("legacy-42")["name"], "Ada Lovelace");
    assert_eq!(stack.app().user(&ada.to_string()), None);
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
    assert_eq!(stack.asked(), NOTHING, "it is treated so once");
}

#[test]
fn a_mapping_made_by_hand_with_a_token_that_cometchat_does_not_know_gets_another() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    add(&stack, "legacy-42", json!({}));
    stack.map(ada, "legacy-42", Some("legacy-42_stale"));

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["get_user", "update_user", "get_token", "create_token"]);
    assert_eq!(stack.app().tokens("legacy-42"), [answer.token()]);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
}

#[test]
fn a_mapping_made_by_hand_without_a_token_gets_one() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    add(&stack, "legacy-42", json!({}));
    stack.map(ada, "legacy-42", None);
    stack.map(bob, "legacy-43", None);

    let answer = stack.session(ada).ensure(None, None, None);
    let created = stack.session(bob).ensure(None, None, None);

    assert_eq!(stack.app().tokens("legacy-42"), [answer.token()]);
    assert_eq!(created.uid(), Some("legacy-43"), "created under the mapped uid");
    assert_eq!(stack.app().tokens("legacy-43"), [created.token()]);
    assert_eq!(stack.app().user_count(), 2);
}

#[test]
fn a_token_that_was_cleared_by_hand_is_minted_again() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack
        .service()
        .execute("UPDATE public.cometchat_users SET cometchat_auth_token = NULL WHERE true");
    stack.asked();

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["create_token"]);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
}

#[test]
fn a_mapping_that_was_deleted_by_hand_comes_back() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.service().execute("DELETE FROM public.cometchat_users WHERE true");

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.stored(ada).token, Some(answer.token()));
    assert_eq!(stack.stored(ada).uid, Some(ada.to_string()));
    stack.asked();
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_mapping_that_is_pointed_at_another_uid_is_adopted_anew() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let first = stack.session(ada).ensure(None, None, None);
    add(&stack, "legacy-42", json!({"name": "A. Byron"}));
    stack
        .service()
        .execute("UPDATE public.cometchat_users SET cometchat_uid = 'legacy-42' WHERE true");

    let answer = stack.session(ada).ensure(None, None, None);

    assert_ne!(answer.token(), first.token(), "the other user's token");
    assert_eq!(answer.uid(), Some("legacy-42"));
    assert_eq!(stack.app().tokens("legacy-42"), [answer.token()]);
    assert_eq!(stack.chat_user("legacy-42")["name"], "Ada Lovelace");
}
