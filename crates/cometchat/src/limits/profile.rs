//! A profile as an operator writes it: JSON with any of a user's fields, null where one is to go.

use serde_json::{Map, Value};

use super::{valid_avatar, valid_url, MAX_METADATA_BYTES, MAX_TAGS, MAX_TAG_CHARS, MAX_URL_CHARS};

/// How deep the metadata may be nested: an answer that repeats it must be readable.
pub const MAX_DEPTH: usize = 100;
/// The longest role id, in characters.
const MAX_ROLE: usize = 100;

/// Why a profile cannot be sent. No text of it quotes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadProfile {
    /// What is wrong.
    pub message: String,
    /// With which part, or by how much.
    pub detail: Option<String>,
    /// What would be right.
    pub hint: Option<String>,
}

impl BadProfile {
    fn new(message: &str) -> Self {
        BadProfile { message: message.to_owned(), detail: None, hint: None }
    }

    fn detail(self, detail: String) -> Self {
        BadProfile { detail: Some(detail), ..self }
    }

    fn hint(self, hint: String) -> Self {
        BadProfile { hint: Some(hint), ..self }
    }

    fn kind(key: &str, wanted: &str, got: &Value) -> Self {
        BadProfile::new(&format!("{key} of the profile must be {wanted}"))
            .detail(format!("It is {}.", kind(got)))
    }
}

/// Whether CometChat can be sent this profile: a JSON object of which `name`, `avatar`, `link`,
/// `role`, `tags` and `metadata` are looked at. A name is made to fit when it is sent.
///
/// # Errors
/// [`BadProfile`] says why not.
pub fn check_profile(json: &str) -> Result<(), BadProfile> {
    let profile: Map<String, Value> = serde_json::from_str(json).map_err(|e| unreadable(&e))?;
    for (key, value) in profile.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "name" => drop(text(key, value)?),
            "avatar" if valid_avatar(text(key, value)?).is_none() => {
                return Err(bad_url(key, "an https URL"));
            }
            "link" if valid_url(text(key, value)?, &["https", "http"]).is_none() => {
                return Err(bad_url(key, "an https or http URL"));
            }
            "role" => check_role(text(key, value)?)?,
            "tags" => check_tags(value)?,
            "metadata" => check_metadata(value)?,
            _ => {}
        }
    }
    Ok(())
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, BadProfile> {
    value.as_str().ok_or_else(|| BadProfile::kind(key, "a string", value))
}

fn bad_url(key: &str, wanted: &str) -> BadProfile {
    BadProfile::new(&format!("{key} of the profile is not a valid URL")).hint(format!(
        "Use {wanted} of at most {MAX_URL_CHARS} characters, percent-encoded, without a user name."
    ))
}

fn check_role(role: &str) -> Result<(), BadProfile> {
    let fits = (1..=MAX_ROLE).contains(&role.len())
        && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if fits {
        return Ok(());
    }
    Err(BadProfile::new("role of the profile is not a role id").hint(format!(
        "A role id is 1 to {MAX_ROLE} letters, digits, hyphens and underscores; the role must exist in \
         the app."
    )))
}

fn check_tags(value: &Value) -> Result<(), BadProfile> {
    let wanted = "an array of strings";
    let tags = value.as_array().ok_or_else(|| BadProfile::kind("tags", wanted, value))?;
    if tags.len() > MAX_TAGS {
        let detail = format!("There are {}, and {MAX_TAGS} are allowed.", tags.len());
        return Err(BadProfile::new("profile has too many tags").detail(detail));
    }
    for (n, tag) in tags.iter().enumerate().map(|(n, tag)| (n + 1, tag)) {
        let Some(text) = tag.as_str() else {
            let bad = BadProfile::kind("tags", wanted, tag);
            return Err(bad.detail(format!("Tag {n} is {}.", kind(tag))));
        };
        let length = text.chars().count();
        if text.trim().is_empty() {
            let bad = BadProfile::new("profile has a blank tag");
            return Err(bad.detail(format!("Tag {n} is blank.")));
        }
        if length > MAX_TAG_CHARS {
            return Err(BadProfile::new("profile has a tag that is too long").detail(format!(
                "Tag {n} has {length} characters, and {MAX_TAG_CHARS} are allowed."
            )));
        }
    }
    Ok(())
}

fn check_metadata(value: &Value) -> Result<(), BadProfile> {
    if !value.is_object() {
        return Err(BadProfile::kind("metadata", "an object", value));
    }
    if depth(value) > MAX_DEPTH {
        return Err(too_deep());
    }
    let bytes = value.to_string().len();
    if bytes > MAX_METADATA_BYTES {
        let detail =
            format!("As JSON it takes {bytes} bytes, and {MAX_METADATA_BYTES} are allowed.");
        return Err(BadProfile::new("metadata of the profile is too large").detail(detail));
    }
    Ok(())
}

/// How many arrays and objects stand in each other. (A tree that was read is not too deep for this.)
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn too_deep() -> BadProfile {
    BadProfile::new("profile is nested too deeply")
        .detail(format!("At most {MAX_DEPTH} levels are allowed."))
}

/// What Postgres took for JSON, and we cannot read.
fn unreadable(error: &serde_json::Error) -> BadProfile {
    let why = error.to_string();
    if why.starts_with("recursion limit") {
        too_deep()
    } else if why.starts_with("number out of range") {
        BadProfile::new("profile has a number that is out of range")
            .detail("Numbers must fit into double precision.".to_owned())
    } else {
        BadProfile::new("profile must be a JSON object")
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            json!({"metadata": {"k": "x".repeat(MAX_METADATA_BYTES - 8)}, "other": [[1]]}),
        ] {
            assert_eq!(check_profile(&profile.to_string()), Ok(()), "{profile}");
        }
    }

    #[test]
    fn what_does_not_is_refused() {
        let deep =
            |n: usize| format!(r#"{{"metadata":{}1{}}}"#, r#"{"a":"#.repeat(n), "}".repeat(n));
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
            (json!([]), "profile must be a JSON object"),
        ] {
            let message = refused(&profile.to_string());
            assert!(message.starts_with(start), "{message}");
        }
    }
}
