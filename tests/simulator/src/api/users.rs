//! Create, get, update and delete one user.

use super::draft::Draft;
use super::error::ApiError;
use super::fields::Fields;
use super::handle::Call;
use super::reply::Reply;
use crate::settings::Settings;
use crate::state::user::{User, UserView};
use crate::state::world::unix_now;
use serde_json::{json, Map, Value};

/// Checks a user to be created from outside any request as well: `users` of the control API.
pub fn checked(map: &Map<String, Value>, settings: &Settings) -> Result<(User, bool), ApiError> {
    let mut fields = Fields::of(map);
    let uid = fields.uid();
    let draft = Draft::read(&mut fields, false);
    let with_token = fields.boolean("withAuthToken");
    let uid = fields.done(uid)?;
    draft.check_role(settings)?;
    Ok((draft.into_user(&uid, unix_now()), with_token))
}

pub fn create(call: &Call<'_>) -> Result<Reply, ApiError> {
    let (user, with_token) = checked(call.object()?.as_ref(), call.settings)?;
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    // Deactivated users keep their uid reserved (PORT's text says how to free it).
    if store.contains(&user.uid) {
        return Err(ApiError::uid_taken(&user.uid, call.settings.duplicate_status));
    }
    if call
        .settings
        .quota
        .is_some_and(|quota| store.count(crate::state::store::Which::All) >= quota)
    {
        return Err(ApiError::quota());
    }
    let now = user.created_at;
    let user = store.insert(user);
    if !with_token {
        return Ok(Reply::data(&UserView::plain(user)));
    }
    let token = user.mint_token(now).text.clone();
    Ok(Reply::data(&UserView { auth_token: Some(&token), ..UserView::plain(user) }))
}

pub fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    let uid = call.uid();
    let seen_by = call.headers.get("onbehalfof").and_then(|value| value.to_str().ok());
    let seen_by = seen_by.map(str::to_lowercase);
    let mut world = call.shared.world();
    let store = &world.app(call.app).store;
    if let Some(other) = seen_by.as_deref().filter(|other| store.active(other).is_none()) {
        let message = format!("The onBehalfOf user {other} does not exist.");
        return Err(ApiError::new(404, "ERR_ON_BEHALF_OF_UID_NOT_FOUND", message));
    }
    let user = store.active(uid).ok_or_else(|| ApiError::unknown_uid(uid))?;
    Ok(Reply::data(&UserView { seen_by: seen_by.as_deref(), ..UserView::plain(user) }))
}

pub fn update(call: &Call<'_>) -> Result<Reply, ApiError> {
    let object = call.object()?;
    let mut fields = Fields::of(object.as_ref());
    let draft = Draft::read(&mut fields, true);
    let draft = fields.done(Some(draft))?;
    draft.check_role(call.settings)?;
    let uid = call.uid();
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    let user = store.active_mut(uid).ok_or_else(|| ApiError::unknown_uid(uid))?;
    draft.apply(user, call.settings, unix_now());
    Ok(Reply::data(&UserView::plain(user)))
}

pub fn delete(call: &Call<'_>) -> Result<Reply, ApiError> {
    let object = call.object()?;
    let mut fields = Fields::of(object.as_ref());
    let permanent = fields.boolean("permanent");
    let permanent = fields.done(Some(permanent))?;
    let uid = call.uid();
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    if permanent {
        // Works on deactivated users too: it is the documented way to free a uid.
        store.remove(uid).ok_or_else(|| ApiError::unknown_uid(uid))?;
        let message = format!("User with {uid} has been deleted successfully.");
        return Ok(Reply::data(&json!({ "success": true, "message": message })));
    }
    // A second soft delete answers 404 like every call on a deactivated user; not verified.
    match store.set_deactivated(uid, unix_now()) {
        Some(true) => Ok(Reply::data(&json!({ "deactivatedUids": [uid] }))),
        _ => Err(ApiError::unknown_uid(uid)),
    }
}
