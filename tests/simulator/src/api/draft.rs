//! The profile fields of a create, update or import request, checked.

use super::error::ApiError;
use super::fields::Fields;
use crate::settings::{MetadataOnPut, Settings};
use crate::state::user::User;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Checked fields; `None` means "not given".
#[derive(Default)]
pub struct Draft {
    name: Option<Box<str>>,
    avatar: Option<Box<str>>,
    link: Option<Box<str>>,
    role: Option<String>,
    status_message: Option<Box<str>>,
    metadata: Option<Box<RawValue>>,
    tags: Option<Vec<Box<str>>>,
    unset: Vec<String>,
}

impl Draft {
    /// Reads the fields of a new user, or with `update` those to change.
    pub fn read(fields: &mut Fields<'_>, update: bool) -> Draft {
        Draft {
            name: name(fields, update),
            avatar: fields.url("avatar").map(Into::into),
            link: fields.url("link").map(Into::into),
            role: fields.string("role").filter(|role| !role.is_empty()).map(str::to_lowercase),
            status_message: fields.string("statusMessage").map(Into::into),
            metadata: fields.metadata(),
            tags: fields.tags(),
            unset: if update { unset(fields) } else { Vec::new() },
        }
    }

    /// A role must have been created before it is given to anyone.
    pub fn check_role(&self, settings: &Settings) -> Result<(), ApiError> {
        match &self.role {
            Some(role) if !settings.roles.iter().any(|known| known == role) => {
                Err(ApiError::unknown_role(role))
            }
            _ => Ok(()),
        }
    }

    /// The new user this draft describes.
    pub fn into_user(self, uid: &str, now: u32) -> User {
        User {
            uid: uid.into(),
            name: self.name.unwrap_or_default(),
            avatar: self.avatar,
            link: self.link,
            role: self.role.as_deref().unwrap_or("default").into(),
            status_message: self.status_message,
            metadata: self.metadata,
            tags: self.tags.unwrap_or_default().into(),
            created_at: now,
            updated_at: 0,
            last_active_at: 0,
            deactivated_at: 0,
            slot: 0,
            tokens: Vec::new(),
        }
    }

    /// Changes only what was given: a PUT is partial (NET's live test sends two fields).
    pub fn apply(self, user: &mut User, settings: &Settings, now: u32) {
        fn put<T>(place: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *place = new;
            }
        }
        if let Some(name) = self.name {
            user.name = name;
        }
        if let Some(role) = self.role {
            user.role = Arc::from(role);
        }
        if let Some(tags) = self.tags {
            user.tags = tags.into();
        }
        put(&mut user.avatar, self.avatar);
        put(&mut user.link, self.link);
        put(&mut user.status_message, self.status_message);
        let merged = match (settings.metadata_on_put, &user.metadata, &self.metadata) {
            (MetadataOnPut::Merge, Some(old), Some(new)) => merge(old, new),
            _ => None,
        };
        put(&mut user.metadata, merged.or(self.metadata));
        for field in &self.unset {
            match field.as_str() {
                "avatar" => user.avatar = None,
                "link" => user.link = None,
                _ => user.metadata = None,
            }
        }
        user.updated_at = now;
    }
}

fn merge(old: &RawValue, new: &RawValue) -> Option<Box<RawValue>> {
    let mut whole: Map<String, Value> = serde_json::from_str(old.get()).ok()?;
    whole.extend(serde_json::from_str::<Map<String, Value>>(new.get()).ok()?);
    serde_json::value::to_raw_value(&whole).ok()
}

/// Required and non-empty; an update may leave it out but not empty it (QA).
fn name(fields: &mut Fields<'_>, update: bool) -> Option<Box<str>> {
    let absent = !fields.has("name");
    if update && absent {
        return None;
    }
    let before = fields.problems.len();
    let name = fields.string("name").unwrap_or("");
    if fields.problems.len() > before {
        return None;
    }
    if name.trim().is_empty() {
        let problem = if update {
            "The name field must have a value."
        } else {
            "The name field is required."
        };
        fields.problem("name", problem);
    } else if name.encode_utf16().count() > 100 {
        // PC counts an emoji as two characters, hence UTF-16 units.
        fields.problem("name", "The name may have 100 characters at most.");
    } else {
        return Some(name.into());
    }
    None
}

/// Only avatar, link and metadata can be unset (OA).
fn unset(fields: &mut Fields<'_>) -> Vec<String> {
    let Some(value) = fields.get("unset") else { return Vec::new() };
    let Value::Array(values) = value else {
        fields.problem("unset", "The unset must be an array.");
        return Vec::new();
    };
    let mut names = Vec::new();
    for (place, value) in values.iter().enumerate() {
        match value.as_str() {
            Some(name @ ("avatar" | "link" | "metadata")) => names.push(name.to_owned()),
            _ => fields.problem(&format!("unset.{place}"), "This field cannot be unset."),
        }
    }
    names
}
