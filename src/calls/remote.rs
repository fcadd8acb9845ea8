//! What CometChat itself says, for operators: whether the key is good, and which users it has.

use std::time::Instant;

use cometchat::{ListUsers, User, UserPage};
use serde_json::{json, Value};

use crate::app::{self, api_key};
use crate::config;
use crate::pg::{deadline, latch, rights, subxact};
use crate::{http, store};
use sync::error::CallError;
use sync::model::UserRow;
use sync::profile::{self, CallArguments};

/// Where requests go, without what is secret.
///
/// # Errors
/// [`CallError::NotConfigured`].
pub fn configuration() -> Result<Value, CallError> {
    let endpoint = app::endpoint(app::app_id()?)?;
    api_key::api_key()?;
    let source = match app::key_source() {
        app::KeySource::File(_) => "file",
        app::KeySource::Setting(_) => "setting",
        app::KeySource::Vault => "vault",
    };
    Ok(json!({ "app_id": endpoint.app_id, "base_url": endpoint.base_url, "key_source": source }))
}

/// Whether CometChat answers, and accepts the key. Reads no table, whose lock it would wait for.
///
/// # Errors
/// Whatever CometChat answers; its key must be allowed to list.
pub fn probe() -> Result<(), CallError> {
    list(1, 1).map(|_| ())
}

/// One page of CometChat's own list, deactivated users included, each with the fields that drifted.
///
/// # Errors
/// Whatever CometChat answers; its key must be allowed to list.
pub fn users(page: u32, per_page: u32) -> Result<Value, CallError> {
    let (list, app_id, deadline) = list(page, per_page)?;
    let uids = list.users.iter().map(|user| user.uid.clone()).collect();
    let left =
        deadline.saturating_duration_since(Instant::now()).max(subxact::FINAL_WRITE_LOCK_TIMEOUT);
    let read = subxact::run(left, move || {
        let owners = store::owners(uids);
        let rows = store::load_many(&owners.values().copied().collect::<Vec<_>>());
        (owners, rows)
    });
    let (owners, rows) = read.map_err(|code| CallError::Database(subxact::sqlstate(code)))?;
    let answer: Vec<Value> = list
        .users
        .iter()
        .map(|user| {
            let row = owners.get(&user.uid).and_then(|owner| rows.get(owner));
            let differs = row.map(|row| drift(row, user, &app_id).join(", ")).unwrap_or_default();
            json!({ "uid": user.uid, "deactivated": user.is_deactivated(), "differs": differs })
        })
        .collect();
    Ok(json!({ "users": answer, "more": list.has_more() }))
}

/// One page as CometChat has it, of which app, and when the call is to end.
fn list(page: u32, per_page: u32) -> Result<(UserPage, String, Instant), CallError> {
    if rights::are_restricted() {
        return Err(CallError::Unauthorized); // SECURITY: as in `caller::identify`
    }
    let deadline = deadline::for_call(config::request_timeout());
    let app_id = app::app_id()?;
    let client = http::client(&app_id, deadline, |_| true)?;
    let query = ListUsers {
        per_page: Some(per_page),
        page: Some(page),
        with_tags: true,
        with_deactivated: true,
    };
    let list = client.list_users(&query);
    latch::rethrow_pending_error();
    Ok((list?, app_id, deadline))
}

/// The fields that were changed in CometChat by others: those that differ though the profile was sent
/// as it is wanted now.
fn drift(row: &UserRow, remote: &User, app_id: &str) -> Vec<&'static str> {
    let wanted = profile::wanted(row, CallArguments::default()).profile;
    let Some(known) = row.known_in(app_id).filter(|known| known.has(&wanted)) else {
        return Vec::new(); // not yet sent, which is not drift
    };
    wanted.drift(remote, known.sent.as_ref())
}
