//! Deactivate and reactivate up to 25 users at a time.

use super::error::ApiError;
use super::handle::Call;
use super::reply::Reply;
use crate::state::world::unix_now;
use serde_json::{json, Value};

/// The most uids one request may name (AE).
const MOST: usize = 25;

pub fn deactivate(call: &Call<'_>) -> Result<Reply, ApiError> {
    let [done, already, unknown] = change(call, "uidsToDeactivate", unix_now())?;
    // The documentation shows the first list alone; a server was seen to send all three (QA, NET).
    Ok(Reply::data(&json!({
        "deactivatedUids": done,
        "alreadyDeactivatedUids": already,
        "notFound": unknown,
    })))
}

pub fn reactivate(call: &Call<'_>) -> Result<Reply, ApiError> {
    let [done, already, unknown] = change(call, "uidsToActivate", 0)?;
    // QA saw the first and the last; the documentation shows only the middle one.
    Ok(Reply::data(&json!({
        "reactivatedUids": done,
        "nonDeactivatedUids": already,
        "notFound": unknown,
    })))
}

/// Uids changed, already so, and unknown.
fn change(call: &Call<'_>, field: &str, at: u32) -> Result<[Vec<String>; 3], ApiError> {
    let object = call.object()?;
    let uids = match object.get(field) {
        Some(Value::Array(uids)) if !uids.is_empty() => uids,
        None | Some(Value::Null) | Some(Value::Array(_)) => {
            return Err(ApiError::field(field, format!("The {field} field is required.")))
        }
        Some(_) => return Err(ApiError::field(field, format!("The {field} must be an array."))),
    };
    if uids.len() > MOST {
        let problem = format!("The {field} may not have more than {MOST} items.");
        return Err(ApiError::field(field, problem));
    }
    if let Some(place) = uids.iter().position(|uid| !uid.is_string()) {
        let name = format!("{field}.{place}");
        return Err(ApiError::field(&name, format!("The {name} must be a string.")));
    }
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    for uid in uids.iter().filter_map(Value::as_str).map(str::to_lowercase) {
        let list = match store.set_deactivated(&uid, at) {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        lists[list].push(uid);
    }
    Ok(lists)
}
