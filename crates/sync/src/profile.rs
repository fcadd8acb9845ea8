//! What CometChat should know of a user, and how that differs from what it knows.

use cometchat::limits::{self, Own};
use cometchat::{NewUser, User, UserPatch};
use serde::Serialize;
use serde_json::{json, Map, Value};
use sha2::{Digest, Sha256};

use crate::model::{SentFingerprint, StickyArgument, SyncState, UserRow};

pub mod fields; // the table of the fields that are sent as they are
#[cfg(test)]
mod tests;

use fields::Fields;

/// The profile that is wanted. `None` means "nothing to say": such a field is never sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub name: Option<String>,
    /// What a nameless user is created as. A user who exists gets it only in the place of an address that
    /// is shown as the name there.
    pub fallback_name: String,
    /// What must not be shown as a name.
    pub own: Own,
    /// What is sent as it is.
    pub fields: Fields,
    /// Our part of the metadata; merged into what is there.
    pub metadata: Map<String, Value>,
}

/// What the caller gave, where it counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallArguments<'a> {
    pub display_name: Option<&'a str>,
    /// Only of a trusted caller.
    pub email: Option<&'a str>,
}

/// The wanted profile, and the arguments to remember.
#[derive(Clone, Debug, Default)]
pub struct DesiredProfile {
    pub profile: Profile,
    pub name: StickyArgument,
    pub email: StickyArgument,
    /// Why the profile is not known, if so: then it says nothing.
    pub unreadable: Option<String>,
}

/// Puts the wanted profile together.
///
/// Name: override > last argument, until the metadata's name changes > metadata. Blank, or showing an
/// address, counts as absent, whoever says it: see [`limits::public_name`].
pub fn wanted(row: &UserRow, given: CallArguments<'_>) -> DesiredProfile {
    let known = row.known.as_ref();
    if row.auth.unreadable.is_some() {
        let arguments = known.map(|k| (k.name.clone(), k.email.clone()));
        let (name, email) = arguments.unwrap_or_default();
        return DesiredProfile {
            name,
            email,
            unreadable: row.auth.unreadable.clone(),
            ..DesiredProfile::default()
        };
    }
    let auth_email = row.auth.email.clone().filter(|email| !email.trim().is_empty());
    let email = StickyArgument::settle(
        given.email.and_then(clean_email),
        known.map(|k| k.email.clone()).unwrap_or_default(),
        auth_email.clone(),
        &auth_email,
    );
    let address = email.or_basis(&auth_email).cloned();
    let addresses = [address.as_deref(), auth_email.as_deref(), given.email].into_iter().flatten();
    let own =
        Own { addresses: addresses.map(str::to_owned).collect(), phone: row.auth.phone.clone() };
    let clean = |raw: &str| limits::public_name(raw, &own);
    let from_metadata = row.auth.names.iter().flatten().find_map(|raw| clean(raw));
    // What a version before that rule, and with the setting's own keys only, took for the name: what
    // somebody chose instead of it is not forgotten because of an update of ours.
    let before = row.auth.names.iter().take(row.auth.own_names).flatten().find_map(|raw| {
        let is_own = |name: &str| own.addresses.iter().any(|a| a.trim().eq_ignore_ascii_case(name));
        limits::clean_name(raw).filter(|name| !is_own(name))
    });
    let remembered = known.map(|k| k.name.clone()).unwrap_or_default();
    let name = StickyArgument::settle(
        given.display_name.and_then(clean),
        StickyArgument { value: remembered.value.as_deref().and_then(clean), ..remembered },
        from_metadata.clone(),
        &before,
    );

    let overrides = known.and_then(|k| k.overrides.as_ref());
    let mut fields = overrides.map(Fields::from_overrides).unwrap_or_default();
    fields.avatar =
        fields.avatar.as_deref().and_then(limits::valid_avatar).or_else(|| {
            row.auth.avatars.iter().flatten().find_map(|url| limits::valid_avatar(url))
        });
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
        name: overrides
            .and_then(|o| clean(o.get("name")?.as_str()?))
            .or_else(|| name.or_basis(&from_metadata).cloned()),
        own: own.clone(),
        fields,
        metadata,
    };
    DesiredProfile { profile, name, email, unreadable: None }
}

impl Profile {
    /// The user to create. Only here does a nameless user get a name.
    pub fn to_create(&self, uid: &str) -> NewUser {
        let metadata = (!self.metadata.is_empty()).then(|| Value::Object(self.metadata.clone()));
        let mut user = NewUser {
            uid: uid.to_owned(),
            name: self.name.clone().unwrap_or_else(|| self.fallback_name.clone()),
            metadata,
            ..NewUser::default()
        };
        self.fields.create(&mut user);
        user
    }

    /// Whether CometChat's user is to be read before an update is sent: metadata is written whole,
    /// and a user without a name may have one there that has to go.
    pub fn reads_first(&self, sent: &SentFingerprint) -> bool {
        self.name.is_none() || sent.metadata != hash(&self.metadata)
    }

    /// Everything but metadata, for a user of whom we know what was sent before.
    pub fn patch_without_metadata(&self, sent: &SentFingerprint) -> UserPatch {
        let mut patch = UserPatch { name: self.name.clone(), ..UserPatch::default() };
        self.fields.patch_all(&mut patch, &sent.keys);
        patch
    }

    /// Only the fields in which CometChat's user differs; metadata merged and whole.
    pub fn patch_for(&self, there: &User, sent: Option<&SentFingerprint>) -> UserPatch {
        let mut patch = match sent {
            Some(sent) => self.patch_without_metadata(sent),
            None => UserPatch::default(),
        };
        patch.name = self.name.clone().filter(|_| self.name != there.name).or_else(|| {
            // The fallback replaces no name, but an address that others see is none.
            let shown =
                self.name.is_none() && there.name.as_ref().is_some_and(|n| self.own.is_shown_by(n));
            shown.then(|| self.fallback_name.clone())
        });
        self.fields.patch_differing(&mut patch, there);
        let empty = Map::new();
        let current = there.metadata.as_ref().and_then(Value::as_object).unwrap_or(&empty);
        let merged = merge(current, &self.metadata);
        if merged != *current {
            patch.metadata = Some(Value::Object(merged));
        }
        patch
    }

    /// Whether a user whom CometChat shows as created has something else than this profile: they were
    /// there before, and were left alone. What is not shown contradicts nothing.
    pub fn contradicts(&self, there: &User) -> bool {
        let patch = self.patch_for(there, None);
        patch.name.is_some() && there.name.is_some()
            || patch.metadata.is_some() && there.metadata.is_some()
            || Fields::contradicted(&patch, there)
    }

    /// The keys of the fields in which a user of CometChat's list differs from this profile, which
    /// CometChat was sent.
    pub fn drift(&self, there: &User, sent: Option<&SentFingerprint>) -> Vec<&'static str> {
        let patch = self.patch_for(there, sent);
        // No document promises that a list shows metadata.
        let metadata = patch.metadata.is_some() && there.metadata.is_some();
        let name = patch.name.is_some().then_some("name");
        let mut differs: Vec<&str> = name.into_iter().collect();
        differs.extend(Fields::changed(&patch, there));
        differs.extend(metadata.then_some("metadata"));
        differs
    }

    fn profile_hash(&self) -> String {
        hash(&self.fields.hashed(&self.name))
    }

    /// What is remembered once CometChat has this profile.
    pub fn as_sent(&self) -> SentFingerprint {
        SentFingerprint {
            profile: self.profile_hash(),
            metadata: hash(&self.metadata),
            keys: self.fields.sent_fields(),
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

/// Stable across servers, versions and restores: object keys are sorted.
fn hash(value: &impl Serialize) -> String {
    // Keys are strings, and memory does not refuse to be written to.
    let digest = Sha256::digest(serde_json::to_vec(value).unwrap_or_default());
    let first_half = digest.iter().take(16).fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
    format!("{first_half:032x}")
}

impl SyncState {
    /// Whether CometChat has exactly this profile, as far as we know.
    pub fn has(&self, profile: &Profile) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            sent.profile == profile.profile_hash() && sent.metadata == hash(&profile.metadata)
        })
    }
}
