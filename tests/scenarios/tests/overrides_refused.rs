//! `cometchat.enqueue` refuses at the door what could not be sent, and says why.

use scenarios::{Stack, NOTHING};
use serde_json::{json, Value};
use uuid::Uuid;

/// The error of an enqueue: its SQLSTATE, message, and detail.
fn refusal(stack: &Stack, user: Uuid, profile: &str) -> (String, String, String) {
    let sql = format!("SELECT cometchat.enqueue('{user}', '{profile}')");
    let error = stack.service().client.batch_execute(&sql).expect_err(&sql);
    let error = error.as_db_error().expect("an error of the server's");
    let detail = error.detail().unwrap_or_default().to_owned();
    (error.code().code().to_owned(), error.message().to_owned(), detail)
}

fn tags(count: usize, length: usize) -> String {
    json!({ "tags": vec!["\u{e9}".repeat(length); count] }).to_string()
}

fn metadata(bytes: usize) -> String {
    let empty = json!({ "k": "" }).to_string().len();
    json!({ "metadata": { "k": "x".repeat(bytes - empty) } }).to_string()
}

/// As many objects in each other, the metadata's own counted.
fn deep(levels: usize) -> String {
    format!(r#"{{"metadata": {}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

fn url(length: usize) -> String {
    let start = "https://a.example/";
    format!("{start}{}", "x".repeat(length - start.len()))
}

#[test]
fn what_could_not_be_sent_is_refused_with_its_reason() {
    let (stack, ada) = Stack::with_ada();
    let link = |url: &str| json!({ "link": url }).to_string();
    for (profile, message, detail) in [
        (tags(26, 1), "profile has too many tags", "There are 26, and 25 are allowed."),
        (
            tags(2, 101),
            "profile has a tag that is too long",
            "Tag 1 has 101 characters, and 100 are allowed.",
        ),
        (r#"{"tags": ["a", " "]}"#.into(), "profile has a blank tag", "Tag 2 is blank."),
        (
            metadata(5001),
            "metadata of the profile is too large",
            "As JSON it takes 5001 bytes, and 5000 are allowed.",
        ),
        (deep(101), "profile is nested too deeply", "At most 100 levels are allowed."),
        (deep(1000), "profile is nested too deeply", "At most 100 levels are allowed."),
        (
            r#"{"metadata": {"a": [1, 1e400]}}"#.into(),
            "profile has a number that is out of range",
            "Numbers must fit into double precision.",
        ),
        (link(&url(3001)), "link of the profile is not a valid URL", ""),
        (link("javascript:alert(1)"), "link of the profile is not a valid URL", ""),
        (
            r#"{"avatar": "http://a.example/"}"#.into(),
            "avatar of the profile is not a valid URL",
            "",
        ),
        (json!({"role": "a".repeat(101)}).to_string(), "role of the profile is not a role id", ""),
        (r#"{"role": "two words"}"#.into(), "role of the profile is not a role id", ""),
        (r#"{"name": 42}"#.into(), "name of the profile must be a string", "It is a number."),
        (r#"{"avatar": []}"#.into(), "avatar of the profile must be a string", "It is an array."),
        (r#"{"link": {}}"#.into(), "link of the profile must be a string", "It is an object."),
        (r#"{"role": true}"#.into(), "role of the profile must be a string", "It is a boolean."),
        (
            r#"{"tags": "vip"}"#.into(),
            "tags of the profile must be an array of strings",
            "It is a string.",
        ),
        (
            r#"{"tags": ["vip", null]}"#.into(),
            "tags of the profile must be an array of strings",
            "Tag 2 is null.",
        ),
        (
            r#"{"metadata": []}"#.into(),
            "metadata of the profile must be an object",
            "It is an array.",
        ),
    ] {
        let short: String = profile.chars().take(60).collect();
        let got = refusal(&stack, ada, &profile);
        assert_eq!(got, ("22023".into(), message.into(), detail.into()), "{short}");
    }
    let overrides = "SELECT count(overrides) FROM cometchat.sync_state";
    assert_eq!(stack.value(overrides).as_deref(), Some("0"));
    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn the_most_that_is_allowed_is_taken_and_reaches_cometchat() {
    let stack = Stack::new();
    for profile in [
        tags(25, 100),
        metadata(4800), // the e-mail comes on top
        deep(100),
        json!({ "link": url(3000), "avatar": url(3000) }).to_string(),
        json!({ "link": "http://a.example/me", "name": "x".repeat(300) }).to_string(),
        json!({ "name": null, "tags": null, "metadata": null, "link": null, "avatar": null })
            .to_string(),
    ] {
        let profile: Value = serde_json::from_str(&profile).expect("JSON");
        let ada = stack.sign_ups(1)[0];
        stack.enqueue(ada, &profile);

        let answer = stack.session(ada).ensure(None, None, None);

        assert!(answer.success() && !answer.queued(), "{answer:?} to {profile}");
        for (key, value) in profile.as_object().expect("an object") {
            if !value.is_null() && key != "metadata" && key != "name" {
                assert_eq!(stack.chat_user(ada)[key], *value, "{key}");
            }
        }
    }
}
