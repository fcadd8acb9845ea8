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

/// What `enqueue` says about another key, in a golden.
#[test]
fn hint_in_the_golden() {
    let keys: Vec<&str> = fields::all().map(|field| field.key).collect();
    let (last, others) = keys.split_last().expect("fields");
    let hint = format!("HINT:  Its keys are {} and {last}.", others.join(", "));
    let file = "tests/pg_regress/expected/profile_update.out";
    let text = document::read(file);
    let shown: Vec<&str> = text.lines().filter(|line| line.contains("Its keys are")).collect();
    assert!(!shown.is_empty() && shown.iter().all(|line| *line == hint), "{file}: {shown:?}");
}

/// The import is told of each that the simulator takes there, and of no other.
#[test]
fn import() {
    let ours = document::read("crates/cometchat/src/bulk.rs");
    let simulated = document::read("tests/simulator/src/api/import.rs");
    let left_out = |text: &str, mark: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains(mark));
        let words =
            lines.flat_map(|line| line.split(|c: char| !c.is_ascii_lowercase() && c != '_'));
        let known = |word: &&str| fields::all().any(|field| snake(field.key) == **word);
        words.filter(known).map(str::to_owned).collect()
    };
    assert_eq!(left_out(&ours, "..user.clone()"), left_out(&simulated, "= None;"));
}

/// A field of Rust's for a key of JSON's.
fn snake(key: &str) -> String {
    key.chars().fold(String::new(), |text, c| match c.is_ascii_uppercase() {
        true => text + "_" + &c.to_ascii_lowercase().to_string(),
        false => text + &c.to_string(),
    })
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
