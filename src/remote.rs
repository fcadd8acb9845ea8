//! What CometChat itself says: is the key good, and whom does it have.

use std::time::Instant;

use cometchat::ListUsers;
use serde_json::{json, Value};

use crate::config;
use crate::failure::Failure;
use crate::{http, secret};

/// Where requests go, without what is secret.
///
/// # Errors
/// [`Failure::NotConfigured`].
pub fn configuration() -> Result<Value, Failure> {
    let endpoint = config::endpoint(config::app_id()?)?;
    secret::api_key()?;
    let source = match config::key_source() {
        config::KeySource::File(_) => "file",
        config::KeySource::Setting(_) => "setting",
        config::KeySource::Vault => "vault",
    };
    Ok(json!({ "app_id": endpoint.app_id, "base_url": endpoint.base_url, "key_source": source }))
}

/// One page of CometChat's own list, deactivated users included.
///
/// # Errors
/// Whatever CometChat answers; its key must be allowed to list.
pub fn users(page: u32, per_page: u32) -> Result<Value, Failure> {
    let deadline = Instant::now() + config::request_timeout();
    let client = http::client(&config::app_id()?, deadline, || true)?;
    let query = ListUsers {
        per_page: Some(per_page),
        page: Some(page),
        with_deactivated: true,
        ..ListUsers::default()
    };
    let list = client.list_users(&query)?;
    let users: Vec<Value> = list
        .users
        .iter()
        .map(|user| {
            json!({
                "uid": user.uid, "name": user.name, "avatar": user.avatar,
                "deactivated": user.is_deactivated(),
            })
        })
        .collect();
    Ok(json!({ "users": users, "more": list.has_more() }))
}
