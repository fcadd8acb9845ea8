//! Auth tokens of one user: create, list, get, update, delete, flush.

use super::error::ApiError;
use super::fields::Fields;
use super::handle::Call;
use super::listing::{Page, Query};
use super::reply::Reply;
use crate::state::user::User;
use crate::state::world::unix_now;
use serde_json::{json, Map, Value};

pub fn create(call: &Call<'_>) -> Result<Reply, ApiError> {
    let object = call.object()?;
    let mut fields = Fields::of(object.as_ref());
    let force = fields.boolean("force");
    let force = fields.done(Some(force))?;
    with_user(call, |user, uid| {
        // Without force an older API was seen to hand out the existing token again
        // (chat-sdk-javascript#66); what today's does is not known, hence a setting.
        let newest = user.tokens.last().filter(|_| call.settings.token_reuse && !force);
        let view = match newest {
            Some(token) => token.view(uid),
            None => user.mint_token(unix_now()).view(uid),
        };
        Ok(Reply::data(&view))
    })
}

pub fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let page = Page::of(&Query::of(call.query))?;
    with_user(call, |user, uid| {
        let tokens = user.tokens.iter().rev().skip(page.offset()).take(page.size);
        let views: Vec<Value> = tokens.map(|token| token.view(uid)).collect();
        let meta = page.meta(user.tokens.len(), views.len());
        Ok(Reply::json(200, &json!({ "data": views, "meta": meta })))
    })
}

pub fn flush(call: &Call<'_>) -> Result<Reply, ApiError> {
    with_user(call, |user, uid| {
        user.tokens.clear();
        let message = format!("Cleared Auth Tokens successfully for uid {uid}.");
        Ok(Reply::data(&json!({ "success": true, "message": message })))
    })
}

pub fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    with_user(call, |user, uid| {
        let text = token_of(call);
        let token = user.token(text).ok_or_else(|| ApiError::unknown_token(text))?;
        Ok(Reply::data(&token.view(uid)))
    })
}

pub fn update(call: &Call<'_>) -> Result<Reply, ApiError> {
    let object = call.object()?;
    let mut fields = Fields::of(object.as_ref());
    let mut device = Map::new();
    for name in ["platform", "userAgent"] {
        if let Some(text) = fields.string(name) {
            device.insert(name.to_owned(), text.into());
        }
    }
    match fields.get("appInfo") {
        Some(info @ Value::Object(_)) => {
            device.insert("appInfo".to_owned(), info.clone());
        }
        Some(_) => fields.problem("appInfo", "The appInfo must be a JSON object."),
        None => {}
    }
    let device = fields.done(Some(device))?;
    with_user(call, |user, uid| {
        let text = token_of(call);
        let token = user.tokens.iter_mut().find(|token| &*token.text == text);
        let token = token.ok_or_else(|| ApiError::unknown_token(text))?;
        token.device.get_or_insert_default().extend(device);
        Ok(Reply::data(&token.view(uid)))
    })
}

pub fn delete(call: &Call<'_>) -> Result<Reply, ApiError> {
    with_user(call, |user, _| {
        let text = token_of(call);
        let place = user.tokens.iter().position(|token| &*token.text == text);
        user.tokens.remove(place.ok_or_else(|| ApiError::unknown_token(text))?);
        let message = format!("Auth token {text} is deleted.");
        Ok(Reply::data(&json!({ "success": true, "message": message })))
    })
}

fn token_of<'a>(call: &Call<'a>) -> &'a str {
    call.route.token.as_deref().unwrap_or("")
}

/// Runs on the active user of the path. Creating a token for a deactivated one is 404 (QA, EG);
/// that the other token calls are too is assumed, which makes "flush, then deactivate" the order.
fn with_user(
    call: &Call<'_>,
    action: impl FnOnce(&mut User, &str) -> Result<Reply, ApiError>,
) -> Result<Reply, ApiError> {
    let uid = call.uid();
    let mut world = call.shared.world();
    let store = &mut world.app(call.app).store;
    action(store.active_mut(uid).ok_or_else(|| ApiError::unknown_uid(uid))?, uid)
}
