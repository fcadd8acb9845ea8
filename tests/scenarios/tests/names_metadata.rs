//! Where in the metadata a name is looked for.

use scenarios::{Stack, NOTHING};
use serde_json::{json, Value};
use uuid::Uuid;

fn name_of(stack: &Stack, metadata: Value) -> String {
    let user = stack.sign_up_with(&format!("{}@example.com", Uuid::new_v4()), metadata);
    stack.session(user).ensure(None, None, None).token();
    let name = stack.chat_user(user)["name"].as_str().expect("a name").to_owned();
    if name == format!("User {}", &user.to_string()[..8]) {
        return "nobody".to_owned();
    }
    name
}

#[test]
fn names_of_the_dashboard_and_of_providers_are_found() {
    let stack = Stack::new();
    let mut wrong = Vec::new();
    for (metadata, name) in [
        (json!({"first_name": "Ada", "last_name": "Lovelace"}), "Ada Lovelace"),
        (json!({"given_name": "Ada", "family_name": "Lovelace"}), "Ada Lovelace"),
        (json!({"givenName": "Ada", "familyName": "Lovelace"}), "Ada Lovelace"),
        (json!({"firstName": "Ada", "lastName": "Lovelace"}), "Ada Lovelace"),
        (json!({"first_name": "Ada"}), "Ada"),
        (json!({"first_name": " ", "last_name": "Lovelace"}), "Lovelace"),
        (json!({"surname": "Lovelace"}), "Lovelace"),
        (json!({"fullName": "Ada Lovelace"}), "Ada Lovelace"),
        (json!({"displayName": "Ada"}), "Ada"),
        (json!({"displayName": "Ada", "first_name": "Augusta"}), "Ada"),
        (json!({"custom_claims": {"name": "Ada Lovelace"}}), "Ada Lovelace"),
        (
            json!({"custom_claims": {"given_name": "Ada", "family_name": "Lovelace"}}),
            "Ada Lovelace",
        ),
        (json!({"custom_claims": {"first_name": "Ada", "last_name": "Lovelace"}}), "Ada Lovelace"),
        (json!({"custom_claims": {"global_name": "ada"}}), "ada"),
        (json!({"name": "ada@example.com", "custom_claims": {"name": "Ada"}}), "Ada"),
        // The setting's own keys come first, as ever.
        (json!({"preferred_username": "ada", "first_name": "Ada", "displayName": "A."}), "ada"),
        // Of no use, and no error.
        (json!({"custom_claims": "Ada"}), "nobody"),
        (json!({"custom_claims": ["Ada"]}), "nobody"),
        (json!({"custom_claims": {"name": {"first": "Ada"}}}), "nobody"),
        (json!({"first_name": 1, "last_name": null}), "nobody"),
        (json!({"first_name": "ada@example.com"}), "nobody"),
        (json!(["first_name"]), "nobody"),
    ] {
        let there = name_of(&stack, metadata.clone());
        if there != name {
            wrong.push(format!("{metadata}: {there}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_entry_of_the_setting_may_be_a_path_or_several_joined() {
    let stack = Stack::new();
    let fields = "profile.nick, given+ profile.family ,a.b,we\"ird\\.x";
    stack.db.set("cometchat.display_name_fields", Some(fields));
    for (metadata, name) in [
        (json!({"profile": {"nick": "ada"}, "given": "Ada"}), "ada"),
        (json!({"given": "Ada", "profile": {"family": "Lovelace"}}), "Ada Lovelace"),
        (json!({"given": "Ada"}), "Ada"),
        (json!({"a.b": "a key with a dot", "a": {"b": "inside"}}), "a key with a dot"),
        (json!({"a": {"b": "inside"}}), "inside"),
        (json!({"we\"ird\\": {"x": "found"}}), "found"),
        (json!({"a": {"b": {"c": "too deep"}}}), "nobody"),
    ] {
        assert_eq!(name_of(&stack, metadata.clone()), name, "{metadata}");
    }
}

#[test]
fn name_keys_lists_exactly_the_public_fields() {
    let stack = Stack::new();
    let metadata = || json!({"nick": " ", "first_name": "Ada", "last_name": "Lovelace"});
    stack.db.set("cometchat.display_name_fields", Some("nick"));
    assert_eq!(name_of(&stack, metadata()), "nobody");
    stack.db.set("cometchat.display_name_fields", Some(""));
    assert_eq!(name_of(&stack, metadata()), "nobody");
    stack.db.set("cometchat.display_name_fields", None);
    assert_eq!(name_of(&stack, metadata()), "Ada Lovelace");
}

#[test]
fn a_name_argument_from_an_older_version_still_counts() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", json!({"first_name": "Ada"}));
    stack.session(ada).ensure(None, Some("Countess"), None).token();
    // as an older version remembers it
    stack.execute("UPDATE cometchat.sync_state SET name_argument_base = NULL WHERE true");
    stack.asked();

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
}

#[test]
fn a_new_first_name_is_newer_than_the_argument() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", json!({"first_name": "Ada"}));
    stack.session(ada).ensure(None, Some("Countess"), None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
    stack.change(ada, r#"raw_user_meta_data = '{"first_name": "Augusta"}'"#);
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Augusta");
}
