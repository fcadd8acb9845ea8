//! What CometChat itself says, for operators: whether the key is good, and which users it has.

use cometchat::{ListUsers, UserPage};
use serde_json::{json, Value};

use crate::app::{self, api_key};
use crate::config;
use crate::http;
use crate::pg::{deadline, latch, rights};
use sync::error::CallError;
use sync::rate_limiter::Priority;

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
    list(1, 1, false, Priority::Interactive).map(|_| ())
}

/// One page of CometChat's own list, deactivated users included.
///
/// # Errors
/// Whatever CometChat answers; its key must be allowed to list.
pub fn users(page: u32, per_page: u32) -> Result<Value, CallError> {
    let list = list(page, per_page, false, Priority::Interactive)?;
    let users: Vec<Value> = list
        .users
        .iter()
        .map(|user| json!({ "uid": user.uid, "deactivated": user.is_deactivated() }))
        .collect();
    Ok(json!({ "users": users, "more": list.has_more() }))
}

/// One page as CometChat has it, deactivated users included.
///
/// # Errors
/// Whatever CometChat answers; its key must be allowed to list.
pub(super) fn list(
    page: u32,
    per_page: u32,
    with_tags: bool,
    priority: Priority,
) -> Result<UserPage, CallError> {
    if rights::are_restricted() {
        return Err(CallError::Unauthorized); // SECURITY: as in `caller::identify`
    }
    let deadline = deadline::for_call(config::request_timeout());
    let client = http::client_of(priority, &app::app_id()?, deadline, |_| true)?;
    let query =
        ListUsers { per_page: Some(per_page), page: Some(page), with_tags, with_deactivated: true };
    let list = client.list_users(&query);
    latch::rethrow_pending_error();
    Ok(list?)
}
