//! What must hold of every field: pinned hashes, and that no field is forgotten anywhere.

use super::*;
use crate::model::SyncState;

/// A profile that says something about every field. A field that is added is given a value here, or this
/// does not compile.
fn full() -> Profile {
    let metadata =
        json!({"plan": "pro", "n": [1, 2.5, -3], "@private": {"email": "ada@example.com"}});
    Profile {
        name: Some("Ad\u{e9} \"L\"".to_owned()),
        fields: Fields {
            avatar: Some("https://a.example/o.png".to_owned()),
            link: Some("https://a.example/me".to_owned()),
            role: Some("host".to_owned()),
            tags: Some(vec!["vip".to_owned(), "b".to_owned()]),
            status_message: Some("busy".to_owned()),
        },
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        ..Profile::default()
    }
}

/// The same with the fields of the first release only.
fn first_release() -> Profile {
    let mut profile = full();
    profile.fields.status_message = None;
    profile
}

/// These stand in every user's row: another hash would send everybody again.
#[test]
fn hashes_are_what_they_were_in_the_first_release() {
    let nothing = Profile::default().as_sent();
    assert_eq!(nothing.profile, "9318536c7a8f9758f3329da9580904b7");
    assert_eq!(nothing.metadata, "44136fa355b3678a1146ad16f7e8649e");
    let sent = first_release().as_sent();
    assert_eq!(sent.profile, "2959d74d5b07be22d0bddfd0d80da356");
    assert_eq!(sent.metadata, "424e6b4919d11a4f727799b1550c1d33");
    assert_eq!(sent.keys, ["avatar", "link"]);
}

#[test]
fn a_later_field_counts_by_its_name_where_it_is_set() {
    let fields = Fields { status_message: Some("busy".to_owned()), ..Fields::default() };
    let hashed = fields.hashed(&Some("Ada".to_owned()));
    assert_eq!(hashed, json!(["Ada", null, null, null, null, ["statusMessage", "busy"]]));
    let without = Fields::default().hashed(&Some("Ada".to_owned()));
    assert_eq!(without, json!(["Ada", null, null, null, null]));
}

#[test]
fn every_field_is_checked_read_sent_compared_and_hashed() {
    let profile = full();
    let created = serde_json::to_value(profile.to_create("ada")).unwrap();
    for field in fields::all().filter(|field| field.key != "metadata") {
        let key = field.key;
        let value = created.get(key).unwrap_or_else(|| panic!("{key} is not created"));
        assert!(fields::check_profile(&json!({ key: value }).to_string()).is_ok(), "{key}");
        assert!(fields::check_profile(&json!({ key: {"a": 1} }).to_string()).is_err(), "{key}");

        let overrides = json!({ key: value }).as_object().cloned();
        let known = SyncState { overrides, ..SyncState::default() };
        let row = UserRow { known: Some(known), ..UserRow::default() };
        let one = wanted(&row, CallArguments::default()).profile;
        let nothing = Profile { fallback_name: one.fallback_name.clone(), ..Profile::default() };
        assert_ne!(one, nothing, "{key} of the overrides is not read");
        assert_ne!(one.as_sent().profile, nothing.as_sent().profile, "{key} is not hashed");

        let patch = one.patch_without_metadata(&nothing.as_sent());
        let patch = serde_json::to_value(patch).unwrap();
        assert_eq!(patch, json!({ key: value }), "{key} is not sent when it changes");
        let patch = serde_json::to_value(one.patch_for(&there(&nothing), None)).unwrap();
        assert_eq!(patch, json!({ key: value }), "{key} is not sent when it differs");
        assert_eq!(one.drift(&there(&one), None), [""; 0], "{key} as it is wanted is no drift");
        let mut other = one.clone();
        other.fields = Fields {
            avatar: Some("https://a.example/other.png".to_owned()),
            link: Some("https://a.example/other".to_owned()),
            role: Some("other".to_owned()),
            tags: Some(vec!["other".to_owned()]),
            status_message: Some("other".to_owned()),
        };
        other.name = Some("Other".to_owned());
        assert_eq!(one.drift(&there(&other), None), [key], "{key} that differs is drift");

        let unset = nothing.patch_without_metadata(&one.as_sent()).unset;
        assert_eq!(!unset.is_empty(), field.can_be_unset, "{key} that is wanted no more");
    }
}

/// The user as CometChat shows one with this profile.
fn there(profile: &Profile) -> User {
    let Fields { avatar, link, role, tags, status_message } = profile.fields.clone();
    let mut user = User::default();
    user.name = profile.name.clone();
    user.avatar = avatar;
    user.link = link;
    user.role = role;
    user.tags = tags.unwrap_or_default();
    user.status_message = status_message;
    user
}

#[test]
fn what_a_list_may_leave_out_is_no_drift() {
    let profile = Profile {
        fields: Fields { status_message: Some("busy".to_owned()), ..Fields::default() },
        ..Profile::default()
    };
    assert_eq!(profile.drift(&User::default(), None), [""; 0]);
    let empty = Profile {
        fields: Fields { status_message: Some(String::new()), ..Fields::default() },
        ..Profile::default()
    };
    assert!(
        empty.patch_for(&User::default(), None).is_empty(),
        "CometChat leaves out what is empty"
    );
}
