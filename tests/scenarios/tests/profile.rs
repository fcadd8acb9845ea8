//! A profile that changes: what is sent, what is merged, and what happens when it cannot be.

use scenarios::Stack;
use serde_json::{json, Value};
use simulator::{Fault, ListenerState, Recorded};
use uuid::Uuid;

/// A stack with a user who was ensured, and nothing asked since.
fn known_user(metadata: Value) -> (Stack, Uuid) {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", metadata);
    stack.session(ada).ensure(None, None, None).token();
    stack.asked();
    (stack, ada)
}

fn set_metadata(stack: &Stack, user: Uuid, metadata: Value) {
    stack.change(user, &format!("raw_user_meta_data = '{metadata}'"));
}

/// Ensures, and returns the requests that it took.
#[track_caller]
fn sent_by_ensure(stack: &Stack, user: Uuid) -> Vec<Recorded> {
    stack.session(user).ensure(None, None, None).token();
    stack.chat.take_requests()
}

#[test]
fn a_new_name_in_the_metadata_is_sent_at_the_next_login() {
    let (stack, ada) = known_user(json!({"full_name": "Ada Byron"}));
    set_metadata(&stack, ada, json!({"full_name": "Ada Lovelace"}));

    let requests = sent_by_ensure(&stack, ada);

    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].body, json!({"name": "Ada Lovelace"}));
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
}

#[test]
fn an_avatar_is_set_changed_and_unset() {
    let (stack, ada) = known_user(json!({"full_name": "Ada"}));
    for (metadata, avatar) in [
        (
            json!({"full_name": "Ada", "avatar_url": "https://a.example/1.png"}),
            "https://a.example/1.png",
        ),
        (
            json!({"full_name": "Ada", "picture": "https://a.example/2.png"}),
            "https://a.example/2.png",
        ),
    ] {
        set_metadata(&stack, ada, metadata);
        assert_eq!(sent_by_ensure(&stack, ada).len(), 1);
        assert_eq!(stack.chat_user(ada)["avatar"], avatar);
    }
    set_metadata(&stack, ada, json!({"full_name": "Ada"}));

    let requests = sent_by_ensure(&stack, ada);

    assert_eq!(requests[0].body["unset"], json!(["avatar"]));
    assert_eq!(stack.chat_user(ada).get("avatar"), None);
    assert_eq!(sent_by_ensure(&stack, ada).len(), 0);
}

#[test]
fn an_avatar_that_is_no_https_url_is_left_out() {
    let (stack, ada) = known_user(json!({"full_name": "Ada"}));
    for url in [
        "http://a.example/1.png",
        "javascript:alert(1)",
        "https://a b/",
        "",
        "data:image/png;base64,",
    ] {
        set_metadata(&stack, ada, json!({"full_name": "Ada", "avatar_url": url}));
        assert_eq!(sent_by_ensure(&stack, ada).len(), 0, "{url}");
    }
    let both =
        json!({"full_name": "Ada", "avatar_url": "ftp://a", "picture": "https://a.example/p.png"});
    set_metadata(&stack, ada, both);
    sent_by_ensure(&stack, ada);
    assert_eq!(stack.chat_user(ada)["avatar"], "https://a.example/p.png");
}

#[test]
fn a_new_email_is_merged_into_metadata_that_is_read_first_and_written_whole() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", json!({"full_name": "Ada"}));
    let metadata = json!({"plan": "pro", "@private": {"contactNumber": "+44"}});
    let user = json!({"uid": ada.to_string(), "name": "Ada", "metadata": metadata});
    stack.app().add_user(user).unwrap();
    stack.session(ada).ensure(None, None, None).token();
    stack.asked();
    stack.change(ada, "email = 'ada@new.example'");

    let requests = sent_by_ensure(&stack, ada);

    let operations: Vec<&str> = requests.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(operations, ["get_user", "update_user"]);
    let whole =
        json!({"plan": "pro", "@private": {"contactNumber": "+44", "email": "ada@new.example"}});
    assert_eq!(requests[1].body, json!({"metadata": whole}));
    assert_eq!(stack.chat_user(ada)["metadata"], whole);
}

#[test]
fn unrelated_changes_cause_no_request() {
    let (stack, ada) = known_user(json!({"full_name": "Ada"}));
    stack.change(ada, "last_sign_in_at = now(), phone = '+44', updated_at = now()");
    set_metadata(&stack, ada, json!({"full_name": " Ada\n", "theme": "dark"}));

    assert_eq!(sent_by_ensure(&stack, ada).len(), 0);
}

#[test]
fn a_failed_update_does_not_block_the_login_and_is_sent_next_time() {
    let (stack, ada) = known_user(json!({"full_name": "Ada Byron"}));
    let token = stack.stored(ada).token.unwrap();
    set_metadata(&stack, ada, json!({"full_name": "Ada Lovelace"}));
    stack.chat.set_listener(ListenerState::Closed);
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
    stack.chat.set_listener(ListenerState::Open);
    for fault in
        [Fault::status(500, "ERR_EXCEPTION"), Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND")]
    {
        let fault = stack.chat.set_fault(fault);
        assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
        stack.chat.clear_fault(fault);
    }
    assert_eq!(stack.chat_user(ada)["name"], "Ada Byron");

    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);

    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
}

#[test]
fn a_stored_token_is_served_while_the_remote_state_is_unknown() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Somebody"})).unwrap();
    let token = stack.session(ada).refresh(None).token();
    assert!(!stack.stored(ada).sent);
    stack.chat.set_listener(ListenerState::Closed);
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
    stack.chat.set_listener(ListenerState::Open);
    stack.asked();

    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);

    assert_eq!(stack.asked(), ["get_user", "update_user"]);
    assert!(stack.stored(ada).sent);
}

#[test]
fn a_stored_token_is_forgotten_when_its_user_is_gone() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Somebody"})).unwrap();
    stack.session(ada).refresh(None).token();
    stack.app().delete(&ada.to_string());
    stack.chat.update(|settings| settings.quota = Some(0));

    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "PLAN_LIMIT");
    assert_eq!(stack.stored(ada).token, None);
}
