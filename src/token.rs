//! The other two use cases: a new token, and the end of all tokens.

use cometchat::Client;
use pgrx::Uuid;

use crate::answer::{Refusal, Success};
use crate::caller;
use crate::ensure::Call;
use crate::failure::Failure;
use crate::introduce::{flush, mint};
use crate::profile::{self, Given};
use crate::users::{Learned, UserRow};

/// Carries out `cometchat_refresh_token`: mints a token whatever is stored. Never queued: a
/// token that is made later is of no use to somebody who waits for one now.
pub fn refresh(user_id: Option<Uuid>) -> Result<Success, Refusal> {
    let call = Call::begin(caller::identify(user_id)?)?;
    call.check_user(&call.load()?)?;
    call.lock()?;
    let row = call.load()?;
    call.check_user(&row)?;
    let client = call.client()?;
    let mut learned = call.learned_before(&row);
    let result = mint(&client, &mut learned, true);
    settle(&call, &row, learned, result, false)
}

/// Carries out `cometchat_revoke_tokens`. The stored token is forgotten whatever CometChat says;
/// what could not be flushed there is flushed before any new token is minted.
pub fn revoke(user_id: Option<Uuid>) -> Result<Success, Refusal> {
    let call = Call::begin(caller::identify(user_id)?)?;
    let row = call.load()?;
    if !row.exists {
        return Err(Failure::InvalidInput("unknown user").into());
    }
    call.lock()?;
    let row = call.load()?;
    let client = call.client();
    let mut learned = call.learned_before(&row);
    learned.token = None;
    learned.revoke_pending = true;
    let result = client.and_then(|client: Client| Ok(flush(&client, &mut learned)?));
    settle(&call, &row, learned, result, true)
}

/// Writes what was learned and makes the answer. `pending`: whether what failed will be done
/// before anything else is, and the answer may say so.
fn settle(
    call: &Call,
    row: &UserRow,
    learned: Learned,
    result: Result<(), Failure>,
    pending: bool,
) -> Result<Success, Refusal> {
    let arguments = profile::wanted(row, Given::default());
    match result {
        Ok(()) => {
            call.finish(row, &learned, &arguments)?;
            Ok(Success { uid: learned.uid, token: learned.token })
        }
        Err(Failure::Interrupted) => Err(Failure::Interrupted.into()),
        Err(Failure::UserNotFound) => {
            call.forget()?;
            Err(Failure::UserNotFound.into())
        }
        Err(failure) => {
            call.finish(row, &learned, &arguments)?;
            Err(Refusal { failure, queued: pending })
        }
    }
}
