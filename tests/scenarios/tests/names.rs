//! Display names: made acceptable, never refused, and whose word counts.

use scenarios::{Encoding, Stack, NOTHING};
use serde_json::{json, Value};
use uuid::Uuid;

/// Names as people give them, and as CometChat gets them; `None` is nobody's name.
fn table() -> Vec<(String, Option<String>)> {
    let same = |name: &str| (name.to_owned(), Some(name.to_owned()));
    let becomes = |raw: &str, name: &str| (raw.to_owned(), Some(name.to_owned()));
    let nothing = |raw: &str| (raw.to_owned(), None);
    vec![
        same("Ada Lovelace"),
        same("Ο Παύλος"),
        same("محمد بن سلمان"),
        same("שלום עולם"),
        same("佐藤 太郎"),
        same("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}"),
        same("'; DROP TABLE users; --"),
        same("{\"json\": \\ true}"),
        becomes("  Ada \r\n\t Lovelace\u{a0} ", "Ada Lovelace"),
        becomes("Ada\u{7}\u{1b}[31m", "Ada[31m"),
        becomes("\u{202e}ecilA\u{202c}\u{2066}", "ecilA"),
        becomes("\u{feff}Ada\u{200b}", "Ada"),
        becomes(&"x".repeat(101), &"x".repeat(100)),
        becomes(&"\u{1F600}".repeat(60), &"\u{1F600}".repeat(50)),
        becomes(&format!("{}\u{1F600}", "x".repeat(99)), &"x".repeat(99)),
        becomes(&"x".repeat(1 << 20), &"x".repeat(100)),
        nothing(""),
        nothing(" \n\t\u{3000} "),
        nothing("\u{200b}\u{202e}\u{feff}"),
        nothing("\u{3164}"),
        nothing("someone@example.com"),
        nothing(" Someone@Example.COM "),
    ]
}

fn metadata_name(stack: &Stack, user: Uuid, name: Option<&str>) {
    let metadata: Value = name.map_or(json!({}), |name| json!({"full_name": name}));
    let sql = "UPDATE auth.users SET raw_user_meta_data = $1 WHERE id = $2";
    stack.db.connect("supabase_auth_admin").execute(sql, &[&metadata, &user]).expect(sql);
}

fn fallback(user: Uuid) -> String {
    format!("User {}", &user.to_string()[..8])
}

#[test]
fn every_argument_and_metadata_becomes_an_acceptable_name() {
    let stack = Stack::in_encoding(Encoding::Utf8);
    let user = stack.sign_up_with("someone@example.com", json!({}));
    let mut service = stack.service();
    for (raw, clean) in table() {
        for by_argument in [true, false] {
            stack.execute(
                "DELETE FROM cometchat_users WHERE true;
             DELETE FROM cometchat.sync_state WHERE true",
            );
            stack.app().delete(&user.to_string());
            metadata_name(&stack, user, Some(&raw).filter(|_| !by_argument).map(String::as_str));
            let argument = by_argument.then_some(raw.as_str());

            service.ensure(Some(user), argument, None).token();

            let expected = clean.clone().unwrap_or_else(|| fallback(user));
            let start: String = raw.chars().take(40).collect();
            assert_eq!(stack.chat_user(user)["name"], expected, "{start:?} {by_argument}");
            assert_eq!(stack.asked(), ["create_user"]);
        }
    }
}

#[test]
fn the_argument_holds_until_the_metadatas_name_changes() {
    let stack = Stack::new();
    let ada = stack.sign_up("Metadata One");
    let mut session = stack.session(ada);
    let name = || stack.chat_user(ada)["name"].as_str().unwrap().to_owned();

    session.ensure(None, Some("Argument One"), None).token();
    assert_eq!(name(), "Argument One");
    session.ensure(None, None, None).token();
    assert_eq!(name(), "Argument One", "it is remembered");
    session.ensure(None, Some("Argument Two"), None).token();
    assert_eq!(name(), "Argument Two", "the last one counts");
    session.ensure(None, Some(" \n"), None).token();
    assert_eq!(name(), "Argument Two", "a blank one is none");
    stack.asked();
    session.ensure(None, None, None).token();
    assert_eq!(stack.asked(), NOTHING);

    metadata_name(&stack, ada, Some("Metadata Two"));
    session.ensure(None, None, None).token();
    assert_eq!(name(), "Metadata Two", "a newer word than the argument's");
    metadata_name(&stack, ada, Some("Metadata One"));
    session.ensure(None, None, None).token();
    assert_eq!(name(), "Metadata One", "and the argument is forgotten");
}

#[test]
fn the_argument_outlives_other_changes_of_the_metadata() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada");
    stack.session(ada).ensure(None, Some("Countess"), None).token();

    stack.change(
        ada,
        r#"raw_user_meta_data = '{"full_name": "Ada", "avatar_url": "https://a.example/1"}'"#,
    );
    stack.session(ada).ensure(None, None, None).token();

    let there = stack.chat_user(ada);
    assert_eq!(
        (&there["name"], &there["avatar"]),
        (&json!("Countess"), &json!("https://a.example/1"))
    );
}

#[test]
fn the_fallback_is_for_creating_and_never_overwrites() {
    let stack = Stack::new();
    let ada = stack.sign_up_with("ada@example.com", json!({}));
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], fallback(ada));

    metadata_name(&stack, ada, Some("Ada Lovelace"));
    stack.session(ada).ensure(None, None, None).token();
    metadata_name(&stack, ada, None);
    stack.asked();
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    // An address would have to go: whether it is one is looked at, once.
    assert_eq!(stack.asked(), ["get_user"], "there is nothing to say");
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn metadata_of_any_shape_is_no_error() {
    let stack = Stack::new();
    for metadata in [
        json!(null),
        json!([]),
        json!("text"),
        json!(42),
        json!({"full_name": null}),
        json!({"full_name": {"first": "Ada"}}),
        json!({"full_name": ["Ada"]}),
        json!({"full_name": 42, "avatar_url": 42, "picture": {}}),
    ] {
        let user = stack.sign_up_with(&format!("{}@example.com", Uuid::new_v4()), metadata.clone());
        stack.session(user).ensure(None, None, None).token();
        assert_eq!(stack.chat_user(user)["name"], fallback(user), "{metadata}");
    }
}
