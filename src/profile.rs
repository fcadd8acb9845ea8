//! What CometChat should know of a user, and how that differs from what it knows.

use cometchat::{limits, NewUser, Unset, User, UserPatch};
use serde_json::{json, Map, Value};
use sha2::{Digest, Sha256};

use crate::users::{Known, Sent, UserRow};

/// The profile that is wanted. `None` means "nothing to say": such a field is never sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub name: Option<String>,
    /// What a nameless user is created as; never sent to somebody who exists.
    pub fallback_name: String,
    pub avatar: Option<String>,
    pub link: Option<String>,
    pub role: Option<String>,
    pub tags: Option<Vec<String>>,
    /// Our part of the metadata; merged into what is there.
    pub metadata: Map<String, Value>,
}

/// An argument that wins until what it replaced changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Argument {
    /// What the caller said.
    pub value: Option<String>,
    /// What `auth.users` said at that time.
    pub basis: Option<String>,
}

impl Argument {
    /// The given value if there is one; else the remembered one while its basis stands.
    fn settle(given: Option<String>, remembered: &Argument, basis: Option<String>) -> Argument {
        match given {
            Some(value) => Argument { value: Some(value), basis },
            None if remembered.value.is_some() && remembered.basis == basis => remembered.clone(),
            None => Argument::default(),
        }
    }

    fn or_basis<'a>(&'a self, basis: &'a Option<String>) -> Option<&'a String> {
        self.value.as_ref().or(basis.as_ref())
    }
}

/// What the caller gave, where it counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    pub display_name: Option<&'a str>,
    /// Only of a trusted caller.
    pub email: Option<&'a str>,
}

/// The wanted profile, and the arguments to remember.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub profile: Profile,
    pub name: Argument,
    pub email: Argument,
}

/// Puts the wanted profile together.
///
/// Name: override > last argument, until the metadata's name changes > metadata. Blank, or equal
/// to the e-mail, counts as absent: an address must not become what other people see.
pub fn wanted(row: &UserRow, given: Given<'_>) -> Wanted {
    let known = row.known.as_ref();
    let auth_email = row.email.clone().filter(|email| !email.trim().is_empty());
    let email = Argument::settle(
        given.email.and_then(clean_email),
        &known.map(|k| k.email.clone()).unwrap_or_default(),
        auth_email.clone(),
    );
    let address = email.or_basis(&auth_email).cloned();
    let is_address = |name: &str| {
        [&address, &auth_email, &given.email.map(str::to_owned)]
            .iter()
            .any(|a| a.as_ref().is_some_and(|a| a.trim().eq_ignore_ascii_case(name)))
    };
    let clean = |raw: &str| limits::clean_name(raw).filter(|name| !is_address(name));
    let from_metadata = row.names.iter().flatten().find_map(|raw| clean(raw));
    let name = Argument::settle(
        given.display_name.and_then(clean),
        &known.map(|k| k.name.clone()).unwrap_or_default(),
        from_metadata.clone(),
    );

    let overrides = known.and_then(|k| k.overrides.as_ref());
    let text = |key: &str| overrides?.get(key)?.as_str().map(str::to_owned);
    let mut metadata =
        overrides.and_then(|o| o.get("metadata")?.as_object().cloned()).unwrap_or_default();
    if let Some(address) = address.clone() {
        // CometChat's convention for what clients must not see (notification extensions).
        let private = metadata.entry("@private").or_insert_with(|| json!({}));
        if let Some(private) = private.as_object_mut() {
            private.entry("email").or_insert(Value::String(address));
        }
    }
    let profile = Profile {
        fallback_name: format!("User {}", row.user_id.chars().take(8).collect::<String>()),
        name: text("name")
            .and_then(|raw| clean(&raw))
            .or_else(|| name.or_basis(&from_metadata).cloned()),
        avatar: text("avatar")
            .as_deref()
            .and_then(limits::valid_avatar)
            .or_else(|| row.avatars.iter().flatten().find_map(|url| limits::valid_avatar(url))),
        link: text("link"),
        role: text("role"),
        tags: overrides.and_then(|o| strings(o.get("tags")?)),
        metadata,
    };
    Wanted { profile, name, email }
}

impl Profile {
    /// The user to create. Only here does a nameless user get a name.
    pub fn to_create(&self, uid: &str) -> NewUser {
        let metadata = (!self.metadata.is_empty()).then(|| Value::Object(self.metadata.clone()));
        NewUser {
            uid: uid.to_owned(),
            name: self.name.clone().unwrap_or_else(|| self.fallback_name.clone()),
            avatar: self.avatar.clone(),
            link: self.link.clone(),
            role: self.role.clone(),
            metadata,
            tags: self.tags.clone(),
            ..NewUser::default()
        }
    }

    /// Everything but metadata, for a user of whom we know what was sent before: metadata is
    /// written whole, which takes reading it first.
    pub fn patch_without_metadata(&self, sent: &Sent) -> UserPatch {
        let mut unset = Vec::new();
        let mut gone = |key: &str, now: &Option<String>, field| {
            if now.is_none() && sent.keys.iter().any(|k| k == key) {
                unset.push(field);
            }
        };
        gone("avatar", &self.avatar, Unset::Avatar);
        gone("link", &self.link, Unset::Link);
        UserPatch {
            name: self.name.clone(),
            avatar: self.avatar.clone(),
            link: self.link.clone(),
            role: self.role.clone(),
            tags: self.tags.clone(),
            unset,
            ..UserPatch::default()
        }
    }

    /// Only the fields in which CometChat's user differs; metadata merged and whole.
    pub fn patch_for(&self, there: &User, sent: Option<&Sent>) -> UserPatch {
        let differs = |ours: &Option<String>, theirs: &Option<String>| {
            ours.clone().filter(|_| ours != theirs)
        };
        let mut patch = match sent {
            Some(sent) => self.patch_without_metadata(sent),
            None => UserPatch::default(),
        };
        patch.name = differs(&self.name, &there.name);
        patch.avatar = differs(&self.avatar, &there.avatar);
        patch.link = differs(&self.link, &there.link);
        patch.role = differs(&self.role, &there.role);
        patch.tags = self.tags.clone().filter(|tags| *tags != there.tags);
        let empty = Map::new();
        let current = there.metadata.as_ref().and_then(Value::as_object).unwrap_or(&empty);
        let merged = merge(current, &self.metadata);
        if merged != *current {
            patch.metadata = Some(Value::Object(merged));
        }
        patch
    }

    /// What is remembered once CometChat has this profile.
    pub fn as_sent(&self) -> Sent {
        let keys = [("avatar", &self.avatar), ("link", &self.link)];
        Sent {
            profile: hash(&json!([self.name, self.avatar, self.link, self.role, self.tags])),
            metadata: hash(&Value::Object(self.metadata.clone())),
            keys: keys.iter().filter(|(_, v)| v.is_some()).map(|(k, _)| (*k).to_owned()).collect(),
        }
    }
}

/// Objects are merged, everything else is replaced; ours wins.
fn merge(theirs: &Map<String, Value>, ours: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = theirs.clone();
    for (key, value) in ours {
        let value = match (merged.get(key), value) {
            (Some(Value::Object(a)), Value::Object(b)) => Value::Object(merge(a, b)),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

/// An address as a caller gave it: one line, of a length that addresses have.
fn clean_email(raw: &str) -> Option<String> {
    let email = raw.trim();
    let fine = !email.is_empty() && email.len() <= 320 && !email.chars().any(char::is_control);
    fine.then(|| email.to_owned())
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Stable across servers, versions and restores: object keys are sorted.
fn hash(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

impl Known {
    /// Whether CometChat has exactly this profile, as far as we know.
    pub fn has(&self, profile: &Profile) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            let now = profile.as_sent();
            sent.profile == now.profile && sent.metadata == now.metadata
        })
    }
}
