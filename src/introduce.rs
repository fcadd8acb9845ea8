//! Makes CometChat and us agree on a user of whom nothing is known for sure.
//!
//! Create; if the uid is taken, adopt who is there; if that one is deactivated, bring them back
//! where we may. Keyed on CometChat's codes, so that any interruption is mended by going again.

use cometchat::{Client, Error, ErrorKind};

use crate::failure::Failure;
use crate::profile::Profile;
use crate::users::Learned;

/// Creates or adopts the user `learned.uid`, and brings back a token.
///
/// `mapped_token` is the token of a row that somebody inserted by hand: it is kept if CometChat
/// knows it. `trusted`: whether the caller may reactivate somebody whom others deactivated.
pub fn introduce(
    client: &Client,
    profile: &Profile,
    learned: &mut Learned,
    mapped_token: Option<String>,
    trusted: bool,
) -> Result<(), Failure> {
    // Whoever has a token is most likely there.
    let first = match mapped_token.as_ref().or(learned.token.as_ref()) {
        Some(_) => adopt(client, profile, learned),
        None => Err(Missing),
    };
    match first {
        Ok(result) => result?,
        Err(Missing) => {
            learned.token = None; // of somebody who is gone or deactivated
            create(client, profile, learned, trusted)?;
        }
    }
    if learned.token.is_none() {
        learned.token = mapped_token.filter(|token| client.get_token(&learned.uid, token).is_ok());
    }
    match learned.token {
        Some(_) => Ok(()),
        None => mint(client, learned, false),
    }
}

/// CometChat says that there is no such (active) user.
struct Missing;

fn create(
    client: &Client,
    profile: &Profile,
    learned: &mut Learned,
    trusted: bool,
) -> Result<(), Failure> {
    match client.create_user(&profile.to_create(&learned.uid), true) {
        Ok(created) => {
            learned.uid = created.user.uid;
            learned.mapped = true;
            learned.token = created.auth_token;
            learned.sent = Some(profile.as_sent());
            learned.deactivated = false;
            learned.revoke_pending = false; // a new user has no older tokens
            return Ok(());
        }
        Err(e) if e.kind() == ErrorKind::UidExists => {}
        Err(e) => return Err(e.into()),
    }
    if let Ok(result) = adopt(client, profile, learned) {
        return result;
    }
    // Taken and yet not found: deactivated. Ours to undo if it was we who did it; else only for
    // a trusted caller, so that nobody gets around a moderator's decision by logging in.
    if !(trusted || learned.deactivated) {
        return Err(Failure::UserDeactivated);
    }
    client.reactivate_users(&[&learned.uid])?;
    learned.deactivated = false;
    adopt(client, profile, learned).unwrap_or(Err(Failure::UserDeactivated))
}

/// Reads who is there and sends the fields that differ.
fn adopt(
    client: &Client,
    profile: &Profile,
    learned: &mut Learned,
) -> Result<Result<(), Failure>, Missing> {
    let there = match client.get_user(&learned.uid) {
        Ok(user) if user.is_deactivated() => return Err(Missing),
        Ok(user) => user,
        Err(e) if e.kind() == ErrorKind::UidNotFound => return Err(Missing),
        Err(e) => return Ok(Err(e.into())),
    };
    let patch = profile.patch_for(&there, learned.sent.as_ref());
    learned.uid = there.uid;
    learned.mapped = true;
    if !patch.is_empty() {
        match client.update_user(&learned.uid, &patch) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::UidNotFound => return Err(Missing),
            // About the profile only: the user is there and may have a token.
            Err(e) if e.kind() == ErrorKind::BadUser => return Ok(Ok(())),
            Err(e) => return Ok(Err(e.into())),
        }
    }
    learned.sent = Some(profile.as_sent());
    Ok(Ok(()))
}

/// Mints a token, after the revocation that may be due before it.
pub fn mint(client: &Client, learned: &mut Learned, force: bool) -> Result<(), Failure> {
    if learned.revoke_pending {
        flush(client, learned)?;
    }
    let token = client.create_token(&learned.uid, force).map_err(Failure::of_token_call)?;
    learned.token = Some(token.auth_token);
    learned.mapped = true;
    Ok(())
}

/// Ends every session of the user.
pub fn flush(client: &Client, learned: &mut Learned) -> Result<(), Error> {
    client.flush_tokens(&learned.uid)?;
    learned.revoke_pending = false;
    Ok(())
}
