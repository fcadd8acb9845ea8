//! The four flows that carry the product: registration, login, create or update, refresh.

use scenarios::{Stack, APP};

#[test]
fn a_new_registration_takes_one_request_and_stores_the_token() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");

    let answer = stack.session(ada).ensure(Some(ada), Some("Ada Lovelace"), None);

    assert_eq!(answer.uid(), Some(ada.to_string().as_str()));
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.chat.app(APP).tokens(&ada.to_string()), [answer.token()]);
    let stored =
        format!("SELECT cometchat_auth_token FROM cometchat_users WHERE user_id = '{ada}'");
    assert_eq!(stack.value(&stored), Some(answer.token()));
    let there = stack.chat_user(&ada.to_string());
    assert_eq!(there["name"], "Ada Lovelace");
    assert_eq!(there["metadata"]["@private"]["email"], "ada.lovelace@example.com");
}

#[test]
fn a_login_with_nothing_new_takes_no_request() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let first = stack.session(ada).ensure(None, None, None);
    stack.asked();

    let second = stack.session(ada).ensure(None, None, None);

    assert_eq!(second, first);
    assert_eq!(stack.asked(), [] as [&str; 0]);
}
