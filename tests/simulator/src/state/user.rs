//! One stored user, and the JSON object the API shows of it.

use super::tokens::Token;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A stored user. Boxed strings and 32-bit seconds: a million of these are held in a run.
#[derive(Clone)]
pub struct User {
    pub uid: Arc<str>,
    pub name: Box<str>,
    pub avatar: Option<Box<str>>,
    pub link: Option<Box<str>>,
    pub role: Arc<str>,
    pub status_message: Option<Box<str>>,
    pub metadata: Option<Box<RawValue>>,
    pub tags: Box<[Box<str>]>,
    pub created_at: u32,
    /// 0 for "never", as for the two below: the field is then left out of answers.
    pub updated_at: u32,
    pub last_active_at: u32,
    pub deactivated_at: u32,
    /// Place in the order of creation, kept by the store.
    pub slot: u32,
    pub tokens: Vec<Token>,
}

impl User {
    pub fn is_active(&self) -> bool {
        self.deactivated_at == 0
    }
}

/// How one answer shows a user.
pub struct UserView<'a> {
    pub user: &'a User,
    pub with_tags: bool,
    /// Create with `withAuthToken` puts the token inside the user (OA).
    pub auth_token: Option<&'a str>,
    /// The caller named by `onBehalfOf`, whose relation to the user is then shown.
    pub seen_by: Option<&'a str>,
}

impl<'a> UserView<'a> {
    pub fn plain(user: &'a User) -> Self {
        UserView { user, with_tags: true, auth_token: None, seen_by: None }
    }
}

impl Serialize for UserView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let user = self.user;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uid", &*user.uid)?;
        map.serialize_entry("name", &*user.name)?;
        let texts = [
            ("link", user.link.as_deref()),
            ("avatar", user.avatar.as_deref()),
            ("statusMessage", user.status_message.as_deref()),
        ];
        // Absent fields are left out, never null (OA examples).
        for (name, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some(metadata) = &user.metadata {
            map.serialize_entry("metadata", metadata)?;
        }
        // Nobody connects a chat client to this server, so nobody is ever online.
        map.serialize_entry("status", "offline")?;
        map.serialize_entry("role", &*user.role)?;
        let times = [
            ("createdAt", user.created_at),
            ("updatedAt", user.updated_at),
            ("lastActiveAt", user.last_active_at),
            ("deactivatedAt", user.deactivated_at),
        ];
        for (name, time) in times {
            if time != 0 {
                map.serialize_entry(name, &time)?;
            }
        }
        if self.with_tags && !user.tags.is_empty() {
            map.serialize_entry("tags", &user.tags)?;
        }
        if let Some(token) = self.auth_token {
            map.serialize_entry("authToken", token)?;
        }
        if let Some(other) = self.seen_by {
            let (first, second) =
                if other < &*user.uid { (other, &*user.uid) } else { (&*user.uid, other) };
            map.serialize_entry("blockedByMe", &false)?;
            map.serialize_entry("hasBlockedMe", &false)?;
            map.serialize_entry("conversationId", &format!("{first}_user_{second}"))?;
        }
        map.end()
    }
}
