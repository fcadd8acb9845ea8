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

/// The comment on `sync_state.sent_fields` names those that CometChat can clear.
#[test]
fn comment_of_sent_fields() {
    let clearable: Vec<&str> =
        fields::all().filter(|field| field.can_be_unset).map(|field| field.key).collect();
    let named = format!("must unset when they go ({}).", clearable.join(", "));
    let text = document::read("sql/tables.sql");
    assert!(text.contains(&named), "sql/tables.sql: the comment on sent_fields lacks {named:?}");
}
