//! The three calls of a session, as `src/calls/` makes them: look, send, save, queue.

use cometchat::Client;
use sync::error::CallError;
use sync::model::{Certainty, RemoteState, UserRow, UserStatus};
use sync::profile::{self, CallArguments, Profile};
use sync::user_sync::{SyncError, UserSync};

use crate::store::{Store, APP};

/// The answer: the token, if there is one in it; whether the rest was left to the worker.
#[derive(Debug)]
pub struct Answer {
    pub result: Result<Option<String>, CallError>,
    pub queued: bool,
}

impl Answer {
    fn failed(failure: CallError, queued: bool) -> Answer {
        Answer { result: Err(failure), queued }
    }

    fn token(token: Option<String>, queued: bool) -> Answer {
        Answer { result: Ok(token), queued }
    }
}

/// What a call did, and is still to write: other transactions come between.
pub struct Sent {
    row: UserRow,
    remote: RemoteState,
    result: Result<(), SyncError>,
    update_error: Option<cometchat::Error>,
}

/// `cometchat_ensure_user`, until its requests are answered. `Err`: it is over.
pub fn ensure(store: &mut Store, client: &Client, trusted: bool) -> Result<Sent, Answer> {
    let row = store.row();
    check_user(&row)?;
    let wanted = profile::wanted(&row, CallArguments::default());
    let stored = row.token_in(APP).map(str::to_owned);
    if stored.is_some() && row.known_in(APP).is_some_and(|known| known.has(&wanted.profile)) {
        return Err(Answer::token(stored, false));
    }
    if is_ending(&row) {
        store.queue(None, "TIMEOUT", false);
        return Err(match stored {
            None => Answer::failed(CallError::Timeout, true),
            token => Answer::token(token, true),
        });
    }
    let (remote, certainty) = (row.remote_in(APP), row.certainty_in(APP));
    let was_known = row.known_in(APP).is_some();
    let mut work = UserSync::new(client, &wanted.profile, remote, certainty, was_known);
    work.imported_token = row.imported_token();
    (work.may_reactivate, work.for_login) = (trusted, true);
    let result = work.run();
    if result.is_ok() && work.update_error.is_none() {
        work.remote.synced_revision = row.wanted_revision();
    }
    let UserSync { remote, update_error, .. } = work;
    Ok(Sent { row, remote, result, update_error })
}

/// The rest of it.
pub fn finish_ensure(store: &mut Store, sent: Sent) -> Answer {
    let Sent { row, remote, result, update_error } = sent;
    save(store, &row, &remote);
    match (result, update_error.map(CallError::from)) {
        (Ok(()), None) => Answer::token(remote.token, false),
        (Ok(()), Some(failure)) => {
            store.queue(failure.retry_after(), failure.stored_code(), false);
            Answer::token(remote.token, true)
        }
        (Err(error), _) => {
            let failure = CallError::from(error);
            let queued = failure.is_transient();
            if queued {
                store.queue(failure.retry_after(), failure.stored_code(), false);
            }
            Answer::failed(failure, queued)
        }
    }
}

/// `cometchat_refresh_token`.
pub fn refresh(store: &mut Store, client: &Client) -> Answer {
    let row = store.row();
    if let Err(answer) = check_user(&row) {
        return answer;
    }
    if is_ending(&row) {
        return Answer::failed(CallError::Timeout, false);
    }
    let (remote, certainty) = (row.remote_in(APP), row.certainty_in(APP));
    let (remote, result) = with_tokens(client, remote, certainty, |tokens| {
        tokens.reactivate_ours()?;
        tokens.mint(true)
    });
    settle(store, &row, remote, result, false)
}

/// `cometchat_revoke_tokens`.
pub fn revoke(store: &mut Store, client: &Client) -> Answer {
    let row = store.row();
    if row.auth.status == UserStatus::Deleted {
        return Answer::failed(CallError::InvalidInput("unknown user"), false);
    }
    if is_ending(&row) {
        store.forget_token();
        store.queue(None, "TIMEOUT", true);
        return Answer::failed(CallError::Timeout, true);
    }
    let mut remote = row.remote_in(APP);
    (remote.token, remote.revoke_pending) = (None, true);
    let certainty = row.certainty_in(APP);
    let (remote, result) = with_tokens(client, remote, certainty, |tokens| tokens.flush());
    settle(store, &row, remote, result, true)
}

fn check_user(row: &UserRow) -> Result<(), Answer> {
    match row.auth.status {
        UserStatus::Active => Ok(()),
        UserStatus::Deleted => Err(Answer::failed(CallError::InvalidInput("unknown user"), false)),
        _ => Err(Answer::failed(CallError::UserDeactivated, false)),
    }
}

/// Somebody else may be ending the user's sessions, by a request that is under way.
fn is_ending(row: &UserRow) -> bool {
    row.known.as_ref().is_some_and(|k| (k.revoke_pending || k.deactivated) && k.claim.is_some())
}

fn with_tokens(
    client: &Client,
    remote: RemoteState,
    certainty: Certainty,
    step: impl FnOnce(&mut UserSync) -> Result<(), SyncError>,
) -> (RemoteState, Result<(), CallError>) {
    let profile = Profile::default();
    let mut tokens = UserSync::new(client, &profile, remote, certainty, true);
    tokens.for_login = true;
    let result = step(&mut tokens).map_err(CallError::from);
    (tokens.remote, result)
}

fn settle(
    store: &mut Store,
    row: &UserRow,
    remote: RemoteState,
    result: Result<(), CallError>,
    pending: bool,
) -> Answer {
    match result {
        Ok(()) => {
            save(store, row, &remote);
            Answer::token(remote.token, false)
        }
        Err(CallError::UserNotFound) if remote.deactivated => {
            save(store, row, &remote);
            Answer::token(None, false)
        }
        Err(CallError::UserNotFound) => {
            store.forget(row);
            Answer::failed(CallError::UserNotFound, false)
        }
        Err(failure) => {
            save(store, row, &remote);
            if pending {
                store.queue(failure.retry_after(), failure.stored_code(), false);
            }
            Answer::failed(failure, pending)
        }
    }
}

fn save(store: &mut Store, row: &UserRow, remote: &RemoteState) {
    if *remote != row.remote_in(APP) || remote.token.is_some() {
        store.save(row, remote);
    }
}
