//! What the library knows of one user, for `cometchat.explain_user()`: the same that the worker reads.

use std::time::Duration;

use serde_json::json;
use sync::error::ErrorCode;
use sync::model::UserStatus;
use sync::profile::{self, CallArguments};
use uuid::Uuid;

use crate::pg::arguments::Json;
use crate::pg::subxact;
use crate::{app, config, store};

/// An operator does not wait for locks.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// As one object; its `error` is an SQLSTATE where the user cannot be read. `error_code`: the user's last.
pub fn explain_user(user: Uuid, error_code: Option<&str>) -> Json {
    let row = match subxact::run(LOCK_WAIT, move || store::load(user)) {
        Ok(row) => row,
        Err(code) => return Json::of(&json!({ "error": subxact::sqlstate(code) })),
    };
    let app_id = app::app_id().ok();
    let known = app_id.as_deref().and_then(|app| row.known_in(app));
    let wanted = profile::wanted(&row, CallArguments::default());
    let rules = config::sync_policy();
    let (status, back_in_ms) = match row.auth.status {
        UserStatus::Active => ("active", None),
        UserStatus::Suspended { back_in_ms } => ("suspended", back_in_ms),
        UserStatus::Deleted => ("deleted", None),
        UserStatus::Unknown => ("unknown", None),
    };
    let what_to_do = error_code.and_then(|stored| {
        ErrorCode::ALL.iter().find(|code| code.as_str() == stored).map(|code| code.what_to_do())
    });
    Json::of(&json!({
        "status": status,
        "back_in_ms": back_in_ms,
        "passed_over": rules.passes_over(row.auth.anonymous, row.auth.unconfirmed),
        "unreadable": wanted.unreadable,
        "name": wanted.profile.name.as_ref().unwrap_or(&wanted.profile.fallback_name),
        "uid": row.uid,
        "app_id": app_id,
        "has_token": app_id.as_deref().is_some_and(|app| row.token_in(app).is_some()),
        "is_current": known.is_some_and(|known| known.has(&wanted.profile)),
        "what_to_do": what_to_do,
    }))
}
