use super::*;

fn row(change: impl FnOnce(&mut SyncState)) -> UserRow {
    let mut known = SyncState {
        app_id: Some("app".to_owned()),
        uid: Some("ada".to_owned()),
        ..SyncState::default()
    };
    change(&mut known);
    let mapping = Some(Mapping { token: Some("token".to_owned()), void: false });
    UserRow { uid: "ada".to_owned(), mapping, known: Some(known), ..UserRow::default() }
}

#[test]
fn a_stored_token_counts_in_its_app_and_until_it_was_revoked_or_its_user_deactivated() {
    assert_eq!(row(|_| {}).token_in("app"), Some("token"));
    assert_eq!(row(|_| {}).token_in("another app"), None);
    assert_eq!(row(|known| known.revoke_pending = true).token_in("app"), None);
    assert_eq!(row(|known| known.deactivated = true).token_in("app"), None);
    assert_eq!(row(|known| known.uid = Some("eve".to_owned())).token_in("app"), None);
}

#[test]
fn a_token_is_imported_with_a_mapping_that_is_not_ours() {
    assert_eq!(row(|_| {}).imported_token(), None);
    let by_hand = row(|known| known.uid = None);
    assert_eq!(by_hand.imported_token().as_deref(), Some("token"));
    assert!(by_hand.remote_in("app").mapped);
}

#[test]
fn of_another_app_nothing_is_certain() {
    let settled = row(|_| {});
    assert_eq!(settled.certainty_in("app"), Certainty::Settled);
    assert_eq!(settled.certainty_in("another app"), Certainty::NeverAsked);
    assert_eq!(UserRow::default().certainty_in("app"), Certainty::NeverAsked);
    assert!(!Certainty::NeverAsked.answer_was_lost());
    assert!(Certainty::InFlight(1).answer_was_lost());
}
