//! Which profiles are taken, and what is said of the others.

use super::*;
use serde_json::json;

const FIELDS: &[(&str, Check)] = &[
    ("name", text),
    ("avatar", avatar),
    ("link", link),
    ("role", role),
    ("statusMessage", short_text),
    ("tags", tags),
    ("metadata", metadata),
];

fn check_profile(json: &str) -> Result<(), BadProfile> {
    super::check_profile(json, FIELDS)
}

fn refused(profile: &str) -> String {
    check_profile(profile).expect_err(profile).message
}

#[test]
fn what_fits_is_taken() {
    let long = "\u{e9}".repeat(MAX_TAG_CHARS);
    for profile in [
        json!({}),
        json!({"name": "", "avatar": "https://a.example/", "link": "http://a.example/"}),
        json!({"name": null, "avatar": null, "link": null, "role": null, "tags": null}),
        json!({"role": "a-B_9", "tags": vec![long; MAX_TAGS], "metadata": {"k": [1, 2.5, -3]}}),
        json!({"metadata": {"k": "x".repeat(MAX_METADATA_BYTES - 8)}, "statusMessage": ""}),
        json!({"statusMessage": "\u{e9}".repeat(MAX_TEXT_CHARS)}),
    ] {
        assert_eq!(check_profile(&profile.to_string()), Ok(()), "{profile}");
    }
}

#[test]
fn what_does_not_is_refused() {
    let deep = |n: usize| format!(r#"{{"metadata":{}1{}}}"#, r#"{"a":"#.repeat(n), "}".repeat(n));
    assert_eq!(check_profile(&deep(MAX_DEPTH)), Ok(()));
    for levels in [MAX_DEPTH + 1, 126, 127, 10_000] {
        assert_eq!(refused(&deep(levels)), "profile is nested too deeply", "{levels}");
    }
    for number in ["1e400", "-1e400", &"9".repeat(400)] {
        let profile = format!(r#"{{"metadata":{{"a":{number}}}}}"#);
        assert_eq!(refused(&profile), "profile has a number that is out of range");
    }
    for (profile, start) in [
        (json!({"metadata": {"k": "x".repeat(MAX_METADATA_BYTES - 7)}}), "metadata of"),
        (json!({"tags": vec!["t"; MAX_TAGS + 1]}), "profile has too many tags"),
        (json!({"tags": ["t".repeat(MAX_TAG_CHARS + 1)]}), "profile has a tag"),
        (json!({"tags": ["a", "\u{3000}"]}), "profile has a blank tag"),
        (json!({"tags": {"0": "a"}}), "tags of the profile must be"),
        (json!({"role": ""}), "role of"),
        (json!({"avatar": ""}), "avatar of"),
        (json!({"link": "https://u:p@a.example/"}), "link of"),
        (json!({"statusMessage": 1}), "statusMessage of the profile must be a string"),
        (json!({"statusMessage": "x".repeat(MAX_TEXT_CHARS + 1)}), "statusMessage of"),
        (json!({"nick": null}), "profile has an unknown key \"nick\""),
        (json!([]), "profile must be a JSON object"),
    ] {
        let message = refused(&profile.to_string());
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn the_hint_names_the_keys() {
    let hint = "Its keys are name, avatar, link, role, statusMessage, tags and metadata.";
    for profile in [r#"{"nick": "x"}"#, "[]", "1"] {
        assert_eq!(check_profile(profile).unwrap_err().hint.as_deref(), Some(hint));
    }
}
