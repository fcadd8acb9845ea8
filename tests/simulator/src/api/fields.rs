//! Checks of single request fields, with the limits of sources PC and QA.

use super::error::{ApiError, Details};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub const BODY_BYTES: usize = 10 * 1024;
pub const METADATA_BYTES: usize = 5 * 1024;

/// A JSON object's fields, and the problems found in them.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    pub problems: Details,
}

impl<'a> Fields<'a> {
    pub fn of(map: &'a Map<String, Value>) -> Self {
        Fields { map, problems: Details::new() }
    }

    pub fn problem(&mut self, field: &str, text: impl Into<String>) {
        self.problems.entry(field.to_owned()).or_default().push(text.into());
    }

    /// The result, unless there were problems.
    pub fn done<T>(self, result: Option<T>) -> Result<T, ApiError> {
        match result {
            Some(result) if self.problems.is_empty() => Ok(result),
            _ => Err(ApiError::validation(self.problems)),
        }
    }

    /// Null is taken as absent; CometChat's treatment of null is not known.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub fn string(&mut self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.problem(name, format!("The {name} must be a string."));
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.problem(name, format!("The {name} field must be true or false."));
                false
            }
        }
    }

    /// A uid of 1 to 100 characters `a-z 0-9 - _`, lower-cased before the check as CometChat does.
    pub fn uid(&mut self) -> Option<String> {
        let uid = self.string("uid").map(str::to_lowercase).unwrap_or_default();
        if uid.is_empty() {
            if self.problems.is_empty() {
                self.problem("uid", "The uid field is required.");
            }
        } else if uid.len() > 100 {
            self.problem("uid", "The uid may have 100 characters at most.");
        } else if !uid.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
            self.problem("uid", "The uid may only hold letters, digits, hyphens and underscores.");
        } else {
            return Some(uid);
        }
        None
    }

    /// An http(s) address of at most 3000 characters.
    pub fn url(&mut self, name: &str) -> Option<&'a str> {
        let url = self.string(name)?;
        let rest = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#', ':']).next()).unwrap_or("");
        if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.problem(name, format!("The {name} must be a valid URL."));
        } else if url.chars().count() > 3000 {
            self.problem(name, format!("The {name} may have 3000 characters at most."));
        } else {
            return Some(url);
        }
        None
    }

    /// An object of at most 5 KB, measured as compact JSON.
    pub fn metadata(&mut self) -> Option<Box<RawValue>> {
        let value = self.get("metadata")?;
        if !value.is_object() {
            self.problem("metadata", "The metadata must be a JSON object.");
            return None;
        }
        let raw = serde_json::value::to_raw_value(value).ok()?;
        if raw.get().len() > METADATA_BYTES {
            self.problem("metadata", "The metadata may take 5 KB at most.");
            return None;
        }
        Some(raw)
    }

    /// At most 25 tags of 1 to 100 characters.
    pub fn tags(&mut self) -> Option<Vec<Box<str>>> {
        let Value::Array(values) = self.get("tags")? else {
            self.problem("tags", "The tags must be an array.");
            return None;
        };
        if values.len() > 25 {
            self.problem("tags", "The tags may not have more than 25 items.");
        }
        let mut tags = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let field = format!("tags.{place}");
            match value {
                Value::String(tag) if tag.trim().is_empty() => {
                    self.problem(&field, format!("The {field} field is required."))
                }
                Value::String(tag) if tag.chars().count() > 100 => {
                    self.problem(&field, format!("The {field} may have 100 characters at most."))
                }
                Value::String(tag) => tags.push(tag.as_str().into()),
                Value::Null => self.problem(&field, format!("The {field} field is required.")),
                _ => self.problem(&field, format!("The {field} must be a string.")),
            }
        }
        Some(tags)
    }

    /// Unix seconds, as a number or as digits: examples of the import use both (DI).
    pub fn time(&mut self, name: &str) -> u32 {
        let Some(value) = self.get(name) else { return 0 };
        let seconds = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        seconds.and_then(|s| u32::try_from(s).ok()).unwrap_or_else(|| {
            self.problem(name, format!("The {name} must be a time in Unix seconds."));
            0
        })
    }
}
