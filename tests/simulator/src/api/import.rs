//! `POST /data_import/users`: up to 50 users, each with a result of its own.

use super::draft::Draft;
use super::error::ApiError;
use super::fields::Fields;
use super::handle::Call;
use super::reply::Reply;
use crate::settings::Settings;
use crate::state::store::{Store, Which};
use crate::state::user::{User, UserView};
use crate::state::world::unix_now;
use serde_json::{json, Map, Value};

/// Users one request may carry (DI, DMC).
const MOST: usize = 50;

pub fn import(call: &Call<'_>) -> Result<Reply, ApiError> {
    let object = call.object()?;
    let rows = match object.get("users") {
        Some(Value::Object(rows)) if !rows.is_empty() => rows,
        None => return Err(ApiError::field("users", "The users field is required.")),
        Some(_) => {
            return Err(ApiError::field("users", "The users must be an object with a row per uid."))
        }
    };
    if rows.len() > MOST {
        let problem = format!("The users may not have more than {MOST} items.");
        return Err(ApiError::field("users", problem));
    }
    let now = unix_now();
    let checked: Vec<_> =
        rows.iter().map(|(key, row)| (key, checked(key, row, call.settings, now))).collect();
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    let mut results = Map::new();
    for (key, user) in checked {
        let told = call.settings.import_rows.get(key);
        let refused = told.filter(|code| !code.is_empty());
        let stored = match refused {
            Some(code) => Err(ApiError::new(400, code.clone(), "The simulator was told to.")),
            None => user.and_then(|user| keep(user, store, call.settings, now)),
        };
        if told.is_some() && refused.is_none() {
            continue;
        }
        let result = match stored {
            Ok(view) if call.settings.import_nested => {
                json!({ "success": true, "data": { "data": view } })
            }
            Ok(view) => json!({ "success": true, "data": view }),
            Err(refusal) => json!({ "success": false, "error": refusal.object() }),
        };
        results.insert(key.clone(), result);
    }
    Ok(Reply::data(&results))
}

fn checked(key: &str, row: &Value, settings: &Settings, now: u32) -> Result<User, ApiError> {
    let bad = |message: &str| ApiError::new(400, "ERR_IMPORT_INVALID_USER_FORMAT", message);
    let map = row.as_object().ok_or_else(|| bad("Each user must be a JSON object."))?;
    let mut fields = Fields::of(map);
    let uid = fields.uid();
    let draft = Draft::read(&mut fields, false);
    let [created, active, deactivated] =
        ["createdAt", "lastActiveAt", "deactivatedAt"].map(|name| fields.time(name));
    let uid = fields.done(uid)?;
    if key.to_lowercase() != uid {
        return Err(bad("The key of a user must be the uid inside it."));
    }
    draft.check_role(settings)?;
    let mut user = draft.into_user(&uid, if created == 0 { now } else { created });
    user.last_active_at = active;
    user.deactivated_at = deactivated;
    // The import knows neither field (DI): statusMessage is dropped, withAuthToken never read.
    user.status_message = None;
    Ok(user)
}

fn keep(
    mut user: User,
    store: &mut Store,
    settings: &Settings,
    now: u32,
) -> Result<Value, ApiError> {
    if let Some(there) = store.any(&user.uid).filter(|_| settings.import_keeps) {
        return Ok(json!(UserView::plain(there)));
    }
    if store.contains(&user.uid) {
        if !settings.import_overwrites {
            return Err(ApiError::uid_taken(&user.uid, settings.duplicate_status));
        }
        user.updated_at = now;
    } else if settings.quota.is_some_and(|quota| store.count(Which::All) >= quota) {
        return Err(ApiError::quota());
    }
    Ok(json!(UserView::plain(store.insert(user))))
}
