//! The fields of a profile, where others repeat them.

use sync::profile::fields;

use crate::document;

#[test]
fn readme() {
    let mut table = "| key | value | once it is null |\n|---|---|---|\n".to_owned();
    for field in fields::all() {
        let after = match field.key {
            "name" => "the user's own name again",
            "avatar" => "the user's own avatar again, or none",
            _ if field.can_be_unset => "CometChat clears it",
            _ => "CometChat keeps the last one",
        };
        table += &format!("| `{}` | {} | {after} |\n", field.key, field.about);
    }
    document::has_generated("README.md", "profile fields", &table);
}

/// SQL leaves the list to `cometchat.check_profile`; only the comment on `sync_state.sent_fields` names
/// those that CometChat can clear.
#[test]
fn sql_repeats_no_list() {
    let clearable: Vec<&str> =
        fields::all().filter(|field| field.can_be_unset).map(|field| field.key).collect();
    let clearable = format!("({}).';", clearable.join(", "));
    let comment = "COMMENT ON COLUMN cometchat.sync_state.sent_fields IS\n";
    let mut named = false;
    for (file, text) in document::sql() {
        assert!(!text.contains("'avatar', 'link'"), "{file} repeats the keys of the profile");
        if let Some((_, comment)) = text.split_once(comment) {
            let comment = comment.split_inclusive(";").next().unwrap_or_default();
            assert!(comment.ends_with(&clearable), "{file}: sent_fields: {clearable} is missing");
            named = true;
        }
    }
    assert!(named, "no comment on sent_fields");
}

/// The simulator takes and shows each, and a scenario sets each by `enqueue`.
#[test]
fn tests_that_bring_each_about() {
    let mut missing = Vec::new();
    for file in [
        "tests/simulator/src/api/draft.rs",
        "tests/simulator/src/state/user.rs",
        "tests/scenarios/tests/overrides.rs",
    ] {
        let text = document::read(file);
        // The simulator reads tags and metadata by functions of their own.
        let named =
            |key: &str| text.contains(&format!("\"{key}\"")) || text.contains(&format!(".{key}()"));
        let keys = fields::all().map(|field| field.key).filter(|key| !named(key));
        missing.extend(keys.map(|key| format!("{file}: missing {key}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
