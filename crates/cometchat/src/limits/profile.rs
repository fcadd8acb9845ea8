//! A profile as an operator writes it: JSON with any of a user's fields, null where one is to go.

use serde_json::{Map, Value};

use super::{valid_avatar, valid_url, MAX_METADATA_BYTES, MAX_TAGS, MAX_TAG_CHARS, MAX_URL_CHARS};

/// How deep the metadata may be nested: an answer that repeats it must be readable.
pub const MAX_DEPTH: usize = 100;
/// The longest role id, in characters.
const MAX_ROLE: usize = 100;
/// The longest status message, in characters: our own bound, so that it fits beside the rest.
pub const MAX_TEXT_CHARS: usize = 1_000;

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

/// Judges the value of one field, which is not null: its key, its value.
pub type Check = fn(&str, &Value) -> Result<(), BadProfile>;

/// Whether CometChat can be sent this profile: a JSON object with no other keys than these fields, each
/// null or as its check wants it.
///
/// # Errors
/// [`BadProfile`] says why not.
pub fn check_profile(json: &str, fields: &[(&str, Check)]) -> Result<(), BadProfile> {
    let profile: Map<String, Value> =
        serde_json::from_str(json).map_err(|e| unreadable(&e, fields))?;
    for (key, value) in &profile {
        let Some((_, check)) = fields.iter().find(|(name, _)| name == key) else {
            let bad = BadProfile::new(&format!("profile has an unknown key \"{key}\""));
            return Err(bad.hint(keys_hint(fields)));
        };
        if !value.is_null() {
            check(key, value)?;
        }
    }
    Ok(())
}

fn keys_hint(fields: &[(&str, Check)]) -> String {
    let keys: Vec<&str> = fields.iter().map(|(key, _)| *key).collect();
    match keys.split_last() {
        Some((last, others)) => format!("Its keys are {} and {last}.", others.join(", ")),
        None => String::new(),
    }
}

/// Any string. A name is one: it is made to fit when it is sent.
///
/// # Errors
/// [`BadProfile`], as of all checks.
pub fn text(key: &str, value: &Value) -> Result<(), BadProfile> {
    string(key, value).map(drop)
}

/// The URL of a picture: https.
///
/// # Errors
/// [`BadProfile`].
pub fn avatar(key: &str, value: &Value) -> Result<(), BadProfile> {
    match valid_avatar(string(key, value)?) {
        Some(_) => Ok(()),
        None => Err(bad_url(key, "an https URL")),
    }
}

/// The URL of a page: https or http.
///
/// # Errors
/// [`BadProfile`].
pub fn link(key: &str, value: &Value) -> Result<(), BadProfile> {
    match valid_url(string(key, value)?, &["https", "http"]) {
        Some(_) => Ok(()),
        None => Err(bad_url(key, "an https or http URL")),
    }
}

/// Plain text, such as a status message: CometChat documents no limit of its own, only 10 KB for the whole
/// request.
///
/// # Errors
/// [`BadProfile`].
pub fn short_text(key: &str, value: &Value) -> Result<(), BadProfile> {
    let length = string(key, value)?.chars().count();
    if length <= MAX_TEXT_CHARS {
        return Ok(());
    }
    Err(BadProfile::new(&format!("{key} of the profile is too long"))
        .detail(format!("It has {length} characters, and {MAX_TEXT_CHARS} are allowed.")))
}

fn string<'a>(key: &str, value: &'a Value) -> Result<&'a str, BadProfile> {
    value.as_str().ok_or_else(|| BadProfile::kind(key, "a string", value))
}

fn bad_url(key: &str, wanted: &str) -> BadProfile {
    BadProfile::new(&format!("{key} of the profile is not a valid URL")).hint(format!(
        "Use {wanted} of at most {MAX_URL_CHARS} characters, percent-encoded, without a user name."
    ))
}

/// The id of a role.
///
/// # Errors
/// [`BadProfile`].
pub fn role(key: &str, value: &Value) -> Result<(), BadProfile> {
    let role = string(key, value)?;
    let fits = (1..=MAX_ROLE).contains(&role.len())
        && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if fits {
        return Ok(());
    }
    Err(BadProfile::new(&format!("{key} of the profile is not a role id")).hint(format!(
        "A role id is 1 to {MAX_ROLE} letters, digits, hyphens and underscores; the role must exist in \
         the app."
    )))
}

/// Tags: an array of strings.
///
/// # Errors
/// [`BadProfile`].
pub fn tags(key: &str, value: &Value) -> Result<(), BadProfile> {
    let wanted = "an array of strings";
    let tags = value.as_array().ok_or_else(|| BadProfile::kind(key, wanted, value))?;
    if tags.len() > MAX_TAGS {
        let detail = format!("There are {}, and {MAX_TAGS} are allowed.", tags.len());
        return Err(BadProfile::new("profile has too many tags").detail(detail));
    }
    for (n, tag) in tags.iter().enumerate().map(|(n, tag)| (n + 1, tag)) {
        let Some(text) = tag.as_str() else {
            let bad = BadProfile::kind(key, wanted, tag);
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

/// Metadata: an object that is neither too large nor too deep.
///
/// # Errors
/// [`BadProfile`].
pub fn metadata(key: &str, value: &Value) -> Result<(), BadProfile> {
    if !value.is_object() {
        return Err(BadProfile::kind(key, "an object", value));
    }
    if depth(value) > MAX_DEPTH {
        return Err(too_deep());
    }
    let bytes = value.to_string().len();
    if bytes > MAX_METADATA_BYTES {
        let detail =
            format!("As JSON it takes {bytes} bytes, and {MAX_METADATA_BYTES} are allowed.");
        return Err(BadProfile::new(&format!("{key} of the profile is too large")).detail(detail));
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
fn unreadable(error: &serde_json::Error, fields: &[(&str, Check)]) -> BadProfile {
    let why = error.to_string();
    if why.starts_with("recursion limit") {
        too_deep()
    } else if why.starts_with("number out of range") {
        BadProfile::new("profile has a number that is out of range")
            .detail("Numbers must fit into double precision.".to_owned())
    } else {
        BadProfile::new("profile must be a JSON object").hint(keys_hint(fields))
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
mod tests;
