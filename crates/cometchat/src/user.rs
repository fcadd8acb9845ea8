//! The user object, as sent and as received ("Users" and "Properties and constraints").

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::path::segment;
use crate::value::{self, text_at, texts_at, time_at};

/// A user to be created or imported. Absent fields are not sent; CometChat then takes
/// its default (role `default`, no avatar, ...).
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// 1 to 100 of `a-z 0-9 - _`; cannot be changed later.
    pub uid: String,
    /// 1 to 100 characters; see [`crate::limits::clean_name`].
    pub name: String,
    /// A URL of at most 3000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// A URL of at most 3000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// A role that exists in the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Not accepted by the import, which leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// A JSON object of at most 5 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// At most 25 of at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What to change; absent fields stay as they are. Whether `metadata` and `tags` replace
/// or merge is not documented: send them whole.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserPatch {
    /// See [`NewUser::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`NewUser::avatar`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// See [`NewUser::link`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// See [`NewUser::role`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// See [`NewUser::metadata`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// See [`NewUser::tags`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The fields to clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<Unset>,
}

/// The only fields that CometChat can clear ("Update user", `unset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unset {
    /// The avatar.
    Avatar,
    /// The link.
    Link,
    /// All metadata.
    Metadata,
}

impl UserPatch {
    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == UserPatch::default()
    }
}

/// A user as CometChat shows it. Only the uid is certain; CometChat leaves absent fields out.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct User {
    /// Lower-cased by CometChat.
    pub uid: String,
    /// The display name.
    pub name: Option<String>,
    /// A URL.
    pub avatar: Option<String>,
    /// A URL.
    pub link: Option<String>,
    /// `default` unless set.
    pub role: Option<String>,
    /// Free text.
    pub status_message: Option<String>,
    /// Whatever was stored; an empty object may arrive as an empty array.
    pub metadata: Option<Value>,
    /// Empty unless asked for.
    pub tags: Vec<String>,
    /// Unix seconds.
    pub created_at: Option<i64>,
    /// Unix seconds; present when the user is deactivated.
    pub deactivated_at: Option<i64>,
}

impl User {
    /// Reads a user, or one wrapped in another `data` (an older page of the import's
    /// documentation). `None` without a uid, or with one that no request could name.
    pub(crate) fn from_value(v: Value) -> Option<User> {
        let mut map = value::map(v)?;
        if !map.contains_key("uid") {
            map = value::map(map.remove("data")?)?;
        }
        let uid = text_at(&map, "uid").filter(|u| segment(u).is_ok())?;
        Some(User {
            uid,
            name: text_at(&map, "name"),
            avatar: text_at(&map, "avatar"),
            link: text_at(&map, "link"),
            role: text_at(&map, "role"),
            status_message: text_at(&map, "statusMessage"),
            tags: texts_at(&map, "tags"),
            created_at: time_at(&map, "createdAt"),
            deactivated_at: time_at(&map, "deactivatedAt"),
            metadata: map.remove("metadata").filter(|m| !m.is_null()),
        })
    }

    /// The user is deactivated (soft-deleted) in CometChat.
    pub fn is_deactivated(&self) -> bool {
        self.deactivated_at.is_some_and(|t| t > 0)
    }
}

// People's names and addresses do not belong into logs, so `Debug` shows none of them.
macro_rules! terse_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
terse_debug!(NewUser, UserPatch, User);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sent_without_nulls() {
        let user = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
        assert_eq!(serde_json::to_value(&user).unwrap(), json!({"uid": "ada", "name": "Ada"}));
        let patch = UserPatch {
            status_message: Some("hi".into()),
            unset: vec![Unset::Avatar, Unset::Metadata],
            ..Default::default()
        };
        let want = json!({"statusMessage": "hi", "unset": ["avatar", "metadata"]});
        assert_eq!(serde_json::to_value(&patch).unwrap(), want);
        assert!(UserPatch::default().is_empty() && !patch.is_empty());
    }

    #[test]
    fn read_leniently() {
        let u = User::from_value(json!({
            "uid": 42, "name": null, "metadata": [], "tags": {"1": "x"},
            "createdAt": "1763918750", "deactivatedAt": 1763918751, "futureField": {"a": 1}
        }))
        .unwrap();
        assert_eq!((u.uid.as_str(), u.name.as_deref()), ("42", None));
        assert_eq!((u.created_at, u.is_deactivated()), (Some(1_763_918_750), true));
        assert_eq!(u.tags, ["x"]);
        let deeper = json!({"success": true, "data": {"uid": "ada"}});
        assert_eq!(User::from_value(deeper).unwrap().uid, "ada");
        for bad in [json!({}), json!([]), json!({"uid": ""}), json!("ada"), json!({"data": 1})] {
            assert!(User::from_value(bad).is_none());
        }
    }

    #[test]
    fn a_uid_that_no_request_could_name_is_none() {
        for uid in ["", "a/b", "..", "a\u{0}b", "a\nb", "x".repeat(1025).as_str()] {
            assert!(User::from_value(json!({ "uid": uid })).is_none(), "{uid:?}");
        }
    }

    #[test]
    fn debug_is_silent_about_people() {
        let u = NewUser { uid: "u".into(), name: "Ada".into(), ..Default::default() };
        assert_eq!(format!("{u:?}"), "NewUser { .. }");
    }
}
