//! An e-mail address, or the user's phone number, is nobody's public name, wherever it comes from.

use scenarios::{Encoding, Stack, NOTHING};
use serde_json::{json, Value};
use uuid::Uuid;

fn fallback(user: Uuid) -> String {
    format!("User {}", &user.to_string()[..8])
}

/// What a user of another address has as a name, though it is an address.
fn addresses() -> Vec<String> {
    let long = format!("{} ada@example.com", "x".repeat(88)); // "ada@example" is left by the cut
    vec![
        "old@example.org".into(),
        "ada@tenant.onmicrosoft.com".into(),
        "Ada <ada@example.com>".into(),
        "mailto:ada@example.com".into(),
        "ada\u{200d}@example.com".into(),
        "ada@\u{200c}example.com".into(),
        "ada\u{ad}@\u{2060}example\u{feff}.com".into(),
        "ada@\u{fe0f}example.com".into(),
        "ÄDA@BEISPIEL.example".into(),
        "ada＠example.com".into(),
        "ａｄａ﹫ｅｘａｍｐｌｅ．ｃｏｍ".into(),
        "ada%40example.com".into(),
        "ada%2540example.com".into(),
        "ada&#64;example.com".into(),
        "ada@".into(),
        "me@home".into(),
        long,
    ]
}

fn name_at_cometchat(stack: &Stack, metadata: Value, argument: Option<&str>) -> (Uuid, Value) {
    let email = format!("{}@now.example", Uuid::new_v4());
    let user = stack.sign_up_with(&email, metadata);
    stack.service().ensure(Some(user), argument, None).token();
    (user, stack.chat_user(user)["name"].clone())
}

#[test]
fn no_form_of_an_email_address_becomes_a_name() {
    let stack = Stack::in_encoding(Encoding::Utf8);
    let mut shown = Vec::new();
    for address in addresses() {
        let (ada, name) = name_at_cometchat(&stack, json!({"full_name": address}), None);
        if name != fallback(ada) {
            shown.push(format!("metadata: {name}"));
        }
        let (ada, name) = name_at_cometchat(&stack, json!({}), Some(&address));
        if name != fallback(ada) {
            shown.push(format!("argument: {name}"));
        }
        let ada = stack.sign_up_with(&format!("{}@now.example", Uuid::new_v4()), json!({}));
        stack.enqueue(ada, &json!({"name": address}));
        stack.service().ensure(Some(ada), None, None).token();
        if stack.chat_user(ada)["name"] != fallback(ada) {
            shown.push(format!("override: {}", stack.chat_user(ada)["name"]));
        }
    }
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn the_next_name_counts_where_the_first_is_an_address() {
    let stack = Stack::new();
    let metadata = json!({"full_name": "ada@tenant.onmicrosoft.com", "name": "Ada Lovelace"});
    let (ada, name) = name_at_cometchat(&stack, metadata, Some("Ada <ada@example.com>"));
    assert_eq!(name, "Ada Lovelace");
    stack.enqueue(ada, &json!({"name": "support@example.com"}));
    stack.service().ensure(Some(ada), Some("Countess"), None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
}

#[test]
fn a_name_with_an_at_sign_that_is_no_address_stays() {
    let stack = Stack::new();
    for name in ["@ada", "Ada @ Work", "Team @ Foo", "Ada (@ada)", "Ada | @ada"] {
        let (_, there) = name_at_cometchat(&stack, json!({"full_name": name}), None);
        assert_eq!(there, name);
    }
}

#[test]
fn the_old_address_stays_hidden_after_a_change_of_email() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@old.example", json!({"name": "ada@old.example"}));
    stack.session(ada).ensure(None, None, None).token();
    stack.change(ada, "email = 'ada@new.example'");
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], fallback(ada));
}

#[test]
fn the_users_own_phone_number_is_no_name() {
    let stack = Stack::in_encoding(Encoding::Utf8);
    let mut shown = Vec::new();
    for name in ["447700900123", "+44 7700 900-123", "07700 900123", "+４４７７００９００１２３"]
    {
        let metadata = json!({"full_name": name});
        let ada = stack.sign_up_with(&format!("{}@now.example", Uuid::new_v4()), metadata);
        // one account may have a number at a time
        stack.execute("UPDATE auth.users SET phone = NULL WHERE phone IS NOT NULL");
        stack.change(ada, "email = NULL, phone = '447700900123'");
        stack.service().ensure(Some(ada), None, None).token();
        if stack.chat_user(ada)["name"] != fallback(ada) {
            shown.push(stack.chat_user(ada)["name"].clone());
        }
    }
    assert!(shown.is_empty(), "{shown:?}");
    let (_, name) = name_at_cometchat(&stack, json!({"full_name": "R2-D2 1977"}), None);
    assert_eq!(name, "R2-D2 1977", "other digits are fine");
}

/// As an older version left them: it sent `name`, and remembers that.
fn known_by_an_older_version(stack: &Stack, name: &str) -> Uuid {
    let ada = stack.sign_up_with(&format!("{}@now.example", Uuid::new_v4()), json!({}));
    stack.service().ensure(Some(ada), None, None).token();
    stack.app().delete(&ada.to_string());
    stack.app().add_user(json!({"uid": ada.to_string(), "name": name})).unwrap();
    stack.execute(&format!(
        "UPDATE cometchat.sync_state SET sent_profile = 'of an older version' WHERE user_id = '{ada}'"
    ));
    ada
}

#[test]
fn an_address_that_an_older_version_sent_is_taken_back() {
    let stack = Stack::new();
    let address = "ada@example.org";
    let ada = known_by_an_older_version(&stack, address);
    stack.change(ada, &format!(r#"raw_user_meta_data = '{{"full_name": "{address}"}}'"#));
    stack.service().ensure(Some(ada), None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], fallback(ada));
    stack.asked();
    stack.service().ensure(Some(ada), None, None).token();
    assert_eq!(stack.asked(), NOTHING, "once");

    // Remembered as the last argument, and as what it replaced.
    let bob = known_by_an_older_version(&stack, address);
    stack.execute(&format!(
        "UPDATE cometchat.sync_state SET name_argument = '{address}' WHERE user_id = '{bob}'"
    ));
    stack.service().ensure(Some(bob), None, None).token();
    assert_eq!(stack.chat_user(bob)["name"], fallback(bob));
    let eve = known_by_an_older_version(&stack, "Eve");
    stack.change(eve, r#"raw_user_meta_data = '{"full_name": "eve@old.example"}'"#);
    stack.execute(&format!(
        "UPDATE cometchat.sync_state SET name_argument = 'Eve', name_argument_base = 'eve@old.example'
         WHERE user_id = '{eve}'"
    ));
    stack.service().ensure(Some(eve), None, None).token();
    assert_eq!(stack.chat_user(eve)["name"], "Eve", "what she chose stands");
}

#[test]
fn an_adopted_user_does_not_keep_an_address_as_name() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@now.example", json!({}));
    let there = json!({"uid": ada.to_string(), "name": "Ada <ada@example.com>"});
    stack.app().add_user(there).unwrap();
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], fallback(ada));
}
