//! The four flows that carry the product: registration, login, create or update, refresh.

use scenarios::{Session, Stack, Stored, APP, NOTHING};
use serde_json::json;

#[test]
fn a_new_registration_takes_one_request_and_stores_the_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");

    let answer = stack.session(ada).ensure(Some(ada), Some("Ada Lovelace"), None);

    let uid = ada.to_string();
    assert_eq!(
        answer.0,
        json!({"success": true, "authToken": answer.token(), "cometchatUid": uid})
    );
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.app().tokens(&uid), [answer.token()]);
    let stored = Stored {
        uid: Some(uid),
        token: Some(answer.token()),
        app: Some(APP.into()),
        sent: true,
        ..Stored::default()
    };
    assert_eq!(stack.stored(ada), stored);
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Ada Lovelace");
    assert_eq!(there["metadata"], json!({"@private": {"email": "ada.lovelace@example.com"}}));
}

#[test]
fn a_login_with_nothing_new_takes_no_request() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let first = stack.session(ada).ensure(None, None, None);
    stack.asked();

    let second = stack.session(ada).ensure(None, None, None);

    assert_eq!(second, first);
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_login_of_a_user_known_only_to_cometchat_fetches_a_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada Lovelace"})).unwrap();
    stack.change(ada, "email = NULL");

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(stack.asked(), ["create_user", "get_user", "create_token"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), [answer.token()]);
    assert_eq!(stack.stored(ada).token, Some(answer.token()));
}

#[test]
fn a_session_with_a_changed_profile_updates_it_and_keeps_its_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Byron");
    let first = stack.session(ada).ensure(None, None, None);
    stack.asked();

    let second = stack.session(ada).ensure(None, Some("Ada Lovelace"), None);

    assert_eq!(second, first);
    assert_eq!(stack.asked(), ["update_user"]);
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
}

#[test]
fn a_refresh_mints_another_token_and_stores_it() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let first = stack.session(ada).ensure(None, None, None);
    stack.asked();

    let second = stack.session(ada).refresh(None);

    assert_ne!(second.token(), first.token());
    assert_eq!(second.uid(), first.uid());
    let request = &stack.chat.take_requests()[0];
    assert_eq!(
        (request.operation.as_str(), &request.body),
        ("create_token", &json!({"force": true}))
    );
    assert_eq!(stack.app().tokens(&ada.to_string()), [first.token(), second.token()]);
    assert_eq!(stack.session(ada).ensure(None, None, None), second);
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_refresh_stores_the_token_of_a_user_known_only_to_cometchat() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).unwrap();

    let refreshed = stack.session(ada).refresh(None);

    assert_eq!(stack.stored(ada).token, Some(refreshed.token()));
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), refreshed.token());
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
}

#[test]
fn a_server_names_any_user_and_a_signed_in_user_only_themselves() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));

    let by_server = stack.service().ensure(Some(ada), None, None);
    let by_owner = Session::of(stack.db.connect("postgres")).ensure(Some(ada), None, None);
    let by_stranger = stack.session(bob).ensure(Some(ada), None, None);

    assert_eq!(by_owner, by_server);
    assert!(by_server.success());
    assert_eq!(by_stranger.code(), "UNAUTHORIZED");
    assert_eq!(stack.session(bob).refresh(Some(ada)).code(), "UNAUTHORIZED");
    assert_eq!(stack.session(bob).revoke(Some(ada)).code(), "UNAUTHORIZED");
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn a_client_reads_its_own_row_and_no_other_and_writes_none() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    stack.session(ada).ensure(None, None, None);
    stack.session(bob).ensure(None, None, None);

    let mut session = stack.session(ada);

    let rows = session.client.query("SELECT user_id FROM public.cometchat_users", &[]).unwrap();
    let seen: Vec<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, [ada]);
    assert_eq!(session.sqlstate("DELETE FROM public.cometchat_users WHERE true"), "42501");
    assert_eq!(session.sqlstate("SELECT * FROM cometchat.sync_state"), "42501");
}

#[test]
fn the_email_of_a_client_is_the_one_of_auth_users_and_a_server_may_say_another() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));

    stack.session(ada).ensure(None, None, Some("victim@example.com"));
    stack.service().ensure(Some(bob), None, Some("bob@work.example"));

    let email = |user| stack.chat_user(user)["metadata"]["@private"]["email"].clone();
    assert_eq!(email(ada), "ada.lovelace@example.com");
    assert_eq!(email(bob), "bob@work.example");
}

#[test]
fn the_keys_headers_go_with_every_request_and_nothing_else_does() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");

    stack.session(ada).ensure(None, None, None);

    let request = stack.chat.take_requests().remove(0);
    assert_eq!(request.api_key, simulator::KeySeen::FullAccess);
    assert_eq!((request.headers["appid"].as_str(), request.app.as_str()), (APP, APP));
    assert!(!request.headers.contains_key("accept-encoding"));
    assert_eq!(request.body["withAuthToken"], true);
}
