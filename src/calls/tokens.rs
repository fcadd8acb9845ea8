//! The other two use cases: a new token, and the end of all tokens.

use cometchat::Client;
use uuid::Uuid;

use super::Call;
use crate::calls::caller;
use crate::calls::response::{Rejected, Success};
use crate::pg::subxact;
use crate::shmem::void_tokens;
use crate::store;
use sync::error::CallError;
use sync::model::{Certainty, RemoteState, UserRow, UserStatus};
use sync::profile::{self, CallArguments, Profile};
use sync::user_sync::{SyncError, UserSync};

/// Carries out `cometchat_refresh_token`: mints a token whatever is stored. Never queued: a
/// token that is made later is of no use to a caller who waits for one now.
pub fn refresh(user_id: Option<Uuid>) -> Result<Success, Rejected> {
    let call = Call::begin(caller::identify(user_id)?)?;
    call.check_user(&call.load()?)?;
    call.lock()?;
    let row = call.load_when_not_in_flight()?;
    call.check_user(&row)?;
    call.check_not_ending(&row)?;
    let remote = row.remote_in(&call.app_id);
    let certainty = row.certainty_in(&call.app_id);
    let (remote, result) = with_tokens(&call.client()?, remote, certainty, |tokens| {
        tokens.reactivate_ours()?; // the worker may not have heard yet that a ban is over
        tokens.mint(true)
    });
    settle(&call, &row, remote, result, false)
}

/// Carries out `cometchat_revoke_tokens`. The stored token is forgotten whatever CometChat says;
/// what could not be flushed there is flushed before any new token is minted, and by the worker.
pub fn revoke(user_id: Option<Uuid>) -> Result<Success, Rejected> {
    let caller = caller::identify(user_id)?;
    let call = match Call::begin(caller) {
        Ok(call) => call,
        Err(failure) => {
            // Without an app id nothing can be sent, and yet the token must go.
            Call::without_app(caller).write(|| store::forget_token(caller.user))?;
            return Err(failure.into());
        }
    };
    let row = call.load()?;
    if row.auth.status == UserStatus::Deleted {
        return Err(CallError::InvalidInput("unknown user").into());
    }
    match call.lock() {
        Ok(()) => {}
        // Other calls have the user. They will find that a revocation has come.
        Err(failure @ (CallError::TooManyRequests | CallError::Timeout)) => {
            return Err(revoke_later(&call, &row, failure));
        }
        Err(failure) => return Err(failure.into()),
    }
    // CometChat knows a user who is being banned until that request is done.
    let row = call.load_when_not_in_flight()?;
    if let Err(failure) = call.check_not_ending(&row) {
        // Its request covers every token that there is; a second one would end while it lasts, and
        // open the door to a token that it then kills.
        return Err(revoke_later(&call, &row, failure));
    }
    let stored = row.mapping.as_ref().and_then(|mapping| mapping.token.clone());
    let mut remote = row.remote_in(&call.app_id);
    remote.token = None;
    remote.revoke_pending = true;
    let (remote, result) = match call.client() {
        Ok(client) => {
            // Whatever the answer, and whether it comes: the flush may be done.
            if let Some(token) = &stored {
                void_tokens::forget_first(caller.user, token)
                    .map_err(|_| CallError::Interrupted)?;
            }
            with_tokens(&client, remote, row.certainty_in(&call.app_id), |tokens| tokens.flush())
        }
        Err(failure) => (remote, Err(failure)),
    };
    settle(&call, &row, remote, result, true)
}

/// Forgets the stored token now, and leaves the rest to the worker.
fn revoke_later(call: &Call, row: &UserRow, failure: CallError) -> Rejected {
    match call.write(|| store::forget_token(call.caller.user)) {
        Ok(()) => {
            let wanted = profile::wanted(row, CallArguments::default());
            let queued = call.queue_revocation(&failure, &wanted);
            Rejected { failure, queued }
        }
        // Another call's transaction has written the user's state, and is not over.
        Err(CallError::Database(code)) if code == subxact::LOCK_NOT_AVAILABLE => failure.into(),
        Err(failure) => failure.into(),
    }
}

/// Runs one step of the sync that is about tokens only.
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

/// Writes what was learned and makes the answer. `pending`: whether what failed will be done
/// before anything else is, and the answer may say so.
fn settle(
    call: &Call,
    row: &UserRow,
    remote: RemoteState,
    result: Result<(), CallError>,
    pending: bool,
) -> Result<Success, Rejected> {
    let arguments = profile::wanted(row, CallArguments::default());
    let finish = || call.finish(row, &remote, &arguments);
    // What could not be forgotten is void all the same, if it was flushed.
    let finish = || finish().inspect_err(|_| void_tokens::stays_void(call.caller.user));
    match result {
        Ok(()) => {
            finish()?;
            Ok(Success { uid: remote.uid, token: remote.token, queued: false })
        }
        Err(CallError::Interrupted) => Err(CallError::Interrupted.into()),
        // Deactivated by us; CometChat answers as for an unknown uid. No token works, which is
        // what a revocation is to bring about. It stays pending all the same: reactivation brings
        // back what was minted after our flush, by a call that was under way then.
        Err(CallError::UserNotFound) if remote.deactivated => {
            finish()?;
            Ok(Success { uid: remote.uid, token: None, queued: false })
        }
        Err(CallError::UserNotFound) => {
            call.forget(row, remote.revoke_pending)?;
            Err(CallError::UserNotFound.into())
        }
        Err(failure) => {
            finish()?;
            // The state says that a flush is due; the worker, if there is one, need not wait for
            // the next login.
            let queued = pending && call.queue_revocation(&failure, &arguments);
            Err(Rejected { failure, queued })
        }
    }
}
