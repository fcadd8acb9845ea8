//! The fields of a profile, in one table: from its rows the rest is made that handles them one by one.
//!
//! `enqueue`'s check, the profile, create, both patches, the hash, `sent_fields`, what `reconcile` calls
//! drifted, and the README's table. docs/recipes.md says how a field is added.

use cometchat::limits::profile::{self as check, BadProfile, Check};
use cometchat::{NewUser, Unset, User, UserPatch};
use serde_json::{json, Map, Value};

use Hash::{ByName, InPlace};

/// What operators may say about one field, by `cometchat.enqueue`.
pub struct Field {
    /// Its key in the overrides, in CometChat's JSON, in `sent_fields` and in `reconcile`'s words.
    pub key: &'static str,
    /// What it may be, for the README.
    pub about: &'static str,
    /// CometChat takes its value away when the override ends; otherwise the last value stays there.
    pub can_be_unset: bool,
    check: Check,
}

/// How a field counts in the hash of what was sent, which stands in every user's row: a field that is
/// added later counts only where it is set, so that users who have none are not sent again.
enum Hash {
    /// Since the first release: by its place in the table, set or not.
    InPlace,
    /// Every later field.
    ByName,
}

macro_rules! fields {
    ($($field:ident: $value:ty {
        key: $key:literal, check: $check:path, hash: $hash:ident, unset: $unset:expr,
        listed: $listed:literal, about: $about:literal,
    })*) => {
        /// The fields that are sent as they are. `None` means "nothing to say": such a field is never
        /// sent.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Fields {
            $(#[doc = $about] pub $field: Option<$value>,)*
        }

        const PLAIN: &[Field] = &[$(Field {
            key: $key,
            about: $about,
            can_be_unset: { const UNSET: Option<Unset> = $unset; UNSET.is_some() },
            check: $check,
        },)*];

        impl Fields {
            /// As overrides say. A value of the wrong kind counts as absent.
            pub(super) fn from_overrides(overrides: &Map<String, Value>) -> Fields {
                Fields { $($field: overrides.get($key).and_then(FieldValue::read),)* }
            }

            /// Sets them of a user to be created.
            pub(super) fn create(&self, user: &mut NewUser) {
                $(user.$field.clone_from(&self.$field);)*
            }

            /// Sets all of them, and has those cleared that were sent before and are wanted no more.
            pub(super) fn patch_all(&self, patch: &mut UserPatch, sent_fields: &[String]) {
                $(patch.$field.clone_from(&self.$field);)*
                let gone = |key, is_none: bool| is_none && sent_fields.iter().any(|sent| sent == key);
                $(let unset: Option<Unset> = $unset;
                patch.unset.extend(unset.filter(|_| gone($key, self.$field.is_none())));)*
            }

            /// Sets those in which CometChat's user differs.
            pub(super) fn patch_differing(&self, patch: &mut UserPatch, there: &User) {
                $(patch.$field = self.$field.clone().filter(|ours| !ours.is_shown(&there.$field));)*
            }

            /// The keys of those that CometChat would have to clear, should they be wanted no more.
            pub(super) fn sent_fields(&self) -> Vec<String> {
                let set = [$(($key, $unset, self.$field.is_some())),*];
                let clearable = |(key, unset, is_set): (&str, Option<Unset>, bool)| {
                    (is_set && unset.is_some()).then(|| key.to_owned())
                };
                set.into_iter().filter_map(clearable).collect()
            }

            /// What is hashed of them, after the name. Append-only.
            pub(super) fn hashed(&self, name: &Option<String>) -> Value {
                let mut in_place = vec![json!(name)];
                let mut by_name = Vec::new();
                $(match $hash {
                    InPlace => in_place.push(json!(self.$field)),
                    ByName => by_name.extend(self.$field.as_ref().map(|set| json!([$key, set]))),
                })*
                in_place.extend(by_name);
                Value::Array(in_place)
            }

            /// Whether a patch changes one that CometChat shows.
            pub(super) fn contradicted(patch: &UserPatch, there: &User) -> bool {
                let nothing = User::default();
                let changes = [$(patch.$field.is_some() && there.$field != nothing.$field),*];
                changes.contains(&true)
            }

            /// The keys of those that a patch changes, of a user as CometChat's list shows one.
            pub(super) fn changed(patch: &UserPatch, there: &User) -> Vec<&'static str> {
                let nothing = User::default();
                let changes = [$(
                    ($key, patch.$field.is_some() && ($listed || there.$field != nothing.$field))
                ),*];
                changes.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
            }
        }
    };
}

fields! {
    avatar: String {
        key: "avatar", check: check::avatar, hash: InPlace, unset: Some(Unset::Avatar),
        listed: true, about: "the https URL of a picture",
    }
    link: String {
        key: "link", check: check::link, hash: InPlace, unset: Some(Unset::Link),
        listed: true, about: "the https or http URL of a page",
    }
    role: String {
        key: "role", check: check::role, hash: InPlace, unset: None,
        listed: true, about: "the id of a role, which must exist in the app",
    }
    tags: Vec<String> {
        key: "tags", check: check::tags, hash: InPlace, unset: None,
        listed: true, about: "an array of at most 25 strings of at most 100 characters",
    }
    // No document promises that a list shows it, and none says whether an empty one is taken.
    status_message: String {
        key: "statusMessage", check: check::short_text, hash: ByName, unset: None,
        listed: false, about: "a text of at most 1,000 characters",
    }
}

/// The name has rules of its own, see [`super::wanted`].
const NAME: Field = Field {
    key: "name",
    about: "a string; cleaned and cut as any name, and none if it shows an address",
    can_be_unset: false,
    check: check::text,
};

/// Metadata is merged into what CometChat has, see [`super::Profile::patch_for`].
const METADATA: Field = Field {
    key: "metadata",
    about: "an object of at most 5,000 bytes; its keys are merged into those that CometChat has",
    can_be_unset: false,
    check: check::metadata,
};

/// All fields, in the order of the README.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [&NAME].into_iter().chain(PLAIN).chain([&METADATA])
}

/// Whether a profile, as an operator writes it, can be sent.
///
/// # Errors
/// [`BadProfile`] says why not, and quotes no value.
pub fn check_profile(json: &str) -> Result<(), BadProfile> {
    let checks: Vec<(&str, Check)> = all().map(|field| (field.key, field.check)).collect();
    check::check_profile(json, &checks)
}

/// How the value of a field is read from overrides, and compared with what CometChat shows.
trait FieldValue: Sized {
    /// The field of [`User`].
    type Shown;
    fn read(value: &Value) -> Option<Self>;
    fn is_shown(&self, shown: &Self::Shown) -> bool;
}

impl FieldValue for String {
    type Shown = Option<String>;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    /// CometChat leaves out what is empty.
    fn is_shown(&self, shown: &Option<String>) -> bool {
        self == shown.as_deref().unwrap_or_default()
    }
}

impl FieldValue for Vec<String> {
    type Shown = Vec<String>;

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
    }

    fn is_shown(&self, shown: &Vec<String>) -> bool {
        self == shown
    }
}
