//! The main use case: the user exists in CometChat with the wanted profile, and here is a token.
//!
//! Answers at once if what is stored is current. Else takes the user's lock, reads the row again, does
//! the remote work, and writes once at the end.

use cometchat::Client;
use sync::error::CallError;
use sync::model::UserRow;
use sync::profile::{self, CallArguments, DesiredProfile};
use sync::user_sync::UserSync;
use uuid::Uuid;

use super::response::{Rejected, Success};
use super::{caller, Call};
use crate::pg::session;

/// Carries out `cometchat_ensure_user`.
pub fn ensure_user(
    user_id: Option<Uuid>,
    display_name: Option<&str>,
    email: Option<&str>,
) -> Result<Success, Rejected> {
    let caller = caller::identify(user_id)?;
    // SECURITY: an untrusted caller's e-mail comes from auth.users, never from the argument.
    let given = CallArguments { display_name, email: email.filter(|_| caller.trusted) };
    let call = Call::begin(caller)?;

    let row = call.load()?;
    let wanted = profile::wanted(&row, given);
    call.check_user(&row)?;
    if let Some(done) = stored_answer(&call, &row, &wanted) {
        return Ok(done);
    }
    call.lock()?;
    let row = call.load_when_not_in_flight()?; // another call, or the worker, may have done it
    let wanted = profile::wanted(&row, given);
    call.check_user(&row)?;
    if let Some(done) = stored_answer(&call, &row, &wanted) {
        return Ok(done);
    }
    if wanted.unreadable.is_some() {
        return Err(CallError::unreadable().into());
    }
    if let Err(failure) = call.check_not_ending(&row) {
        return not_sent(&call, &row, &wanted, failure);
    }
    match call.client() {
        Ok(client) => sync(&call, &client, &row, &wanted),
        Err(failure) => not_sent(&call, &row, &wanted, failure),
    }
}

/// Does the remote work, and writes what it brought.
fn sync(
    call: &Call,
    client: &Client,
    row: &UserRow,
    wanted: &DesiredProfile,
) -> Result<Success, Rejected> {
    let (remote, certainty) = (row.remote_in(&call.app_id), row.certainty_in(&call.app_id));
    let was_known = row.known_in(&call.app_id).is_some();
    let mut work = UserSync::new(client, &wanted.profile, remote, certainty, was_known);
    work.imported_token = row.imported_token();
    (work.may_reactivate, work.for_login) = (call.caller.trusted, true);
    let result = work.run();
    if result.is_ok() && work.update_error.is_none() {
        work.remote.synced_revision = row.wanted_revision();
    }
    let UserSync { remote, update_error, .. } = work;
    call.finish(row, &remote, wanted)?;
    match (result, update_error) {
        (Ok(()), None) => Ok(Success { uid: remote.uid, token: remote.token, queued: false }),
        (Ok(()), Some(e)) => {
            let queued = call.queue(&CallError::from(e), wanted);
            Ok(Success { uid: remote.uid, token: remote.token, queued })
        }
        (Err(trouble), _) => {
            let failure = CallError::from(trouble);
            let queued = failure.is_transient() && call.queue(&failure, wanted);
            Err(Rejected { failure, queued })
        }
    }
}

/// What is stored, if no request could improve it, or none may be sent.
fn stored_answer(call: &Call, row: &UserRow, wanted: &DesiredProfile) -> Option<Success> {
    let token = row.token_in(&call.app_id)?;
    let known = row.known_in(&call.app_id)?;
    // A profile that cannot be read now does not keep a user out who is in CometChat.
    let current = known.has(&wanted.profile) || wanted.unreadable.is_some();
    (current || session::read_only()).then(|| Success {
        uid: row.uid.clone(),
        token: Some(token.to_owned()),
        queued: false,
    })
}

/// Nothing may be sent now. A user who has a token is not kept out for that: the change waits.
fn not_sent(
    call: &Call,
    row: &UserRow,
    wanted: &DesiredProfile,
    failure: CallError,
) -> Result<Success, Rejected> {
    let Some(token) = row.token_in(&call.app_id).map(str::to_owned) else {
        let queued = failure.is_transient() && call.queue(&failure, wanted);
        return Err(Rejected { failure, queued });
    };
    let queued = call.queue(&failure, wanted);
    Ok(Success { uid: row.uid.clone(), token: Some(token), queued })
}
