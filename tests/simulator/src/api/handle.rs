//! One API request from access checks to its reply.

use super::error::ApiError;
use super::fields::BODY_BYTES;
use super::reply::Reply;
use super::route::{Operation, Route};
use super::{access, bulk, import, listing, throttle, tokens, users};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::journal::KeySeen;
use hyper::header::HeaderMap;
use serde_json::{Map, Value};

/// The body as far as it could be understood.
#[derive(Debug)]
pub enum Body {
    Empty,
    Json(Value),
    /// Neither empty nor JSON.
    Other(String),
}

/// A request, read and routed.
pub struct Call<'a> {
    pub shared: &'a Shared,
    pub settings: &'a Settings,
    pub app: &'a str,
    pub route: &'a Route,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub key: KeySeen,
    pub body: &'a Body,
    pub body_bytes: usize,
}

impl<'a> Call<'a> {
    /// The uid of the path; routes without one never ask.
    pub fn uid(&self) -> &'a str {
        self.route.uid.as_deref().unwrap_or("")
    }

    /// The body's object; absent counts as `{}`, so that missing fields are what is reported.
    pub fn object(&self) -> Result<std::borrow::Cow<'a, Map<String, Value>>, ApiError> {
        match self.body {
            Body::Empty => Ok(std::borrow::Cow::Owned(Map::new())),
            Body::Json(Value::Object(map)) => Ok(std::borrow::Cow::Borrowed(map)),
            // PHP writes an empty object as [].
            Body::Json(Value::Array(list)) if list.is_empty() => {
                Ok(std::borrow::Cow::Owned(Map::new()))
            }
            _ => Err(ApiError::field("body", "The body must be a JSON object.")),
        }
    }
}

/// Answers a request.
pub fn answer(call: &Call<'_>) -> Reply {
    if call.route.operation == Operation::Unknown {
        return ApiError::unknown_endpoint().reply();
    }
    let allowed = access::check_app(call.settings, call.app).and_then(|()| {
        access::check_key(call.settings, call.headers, call.key, call.route.operation)
    });
    if let Err(refusal) = allowed {
        return refusal.reply();
    }
    let verdict = throttle::take(call);
    let reply = match verdict {
        Some(verdict) if !verdict.allowed => throttle::refuse(&call.settings.limits, verdict),
        _ => perform(call).unwrap_or_else(|refusal| refusal.reply()),
    };
    match verdict {
        Some(verdict) => throttle::announce(&call.settings.limits, verdict, reply),
        None => reply,
    }
}

fn perform(call: &Call<'_>) -> Result<Reply, ApiError> {
    check_body(call)?;
    match call.route.operation {
        Operation::CreateUser => users::create(call),
        Operation::ListUsers => listing::list(call),
        Operation::GetUser => users::get(call),
        Operation::UpdateUser => users::update(call),
        Operation::DeleteUser => users::delete(call),
        Operation::DeactivateUsers => bulk::deactivate(call),
        Operation::ReactivateUsers => bulk::reactivate(call),
        Operation::CreateToken => tokens::create(call),
        Operation::ListTokens => tokens::list(call),
        Operation::FlushTokens => tokens::flush(call),
        Operation::GetToken => tokens::get(call),
        Operation::UpdateToken => tokens::update(call),
        Operation::DeleteToken => tokens::delete(call),
        Operation::ImportUsers => import::import(call),
        Operation::Unknown => Err(ApiError::unknown_endpoint()),
    }
}

/// 10 KB (PC) except for imports, which carry fifty users. The status is a guess, and so is
/// refusing other content types: a real server may ignore such a body, which is harder to notice.
fn check_body(call: &Call<'_>) -> Result<(), ApiError> {
    if call.route.operation != Operation::ImportUsers && call.body_bytes > BODY_BYTES {
        return Err(ApiError::field("body", "The body may take 10 KB at most."));
    }
    if call.body_bytes == 0 {
        return Ok(());
    }
    let content_type = call.headers.get(hyper::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("");
    if !content_type.to_ascii_lowercase().starts_with("application/json") {
        return Err(ApiError::field("body", "The Content-Type must be application/json."));
    }
    if matches!(call.body, Body::Other(_)) {
        return Err(ApiError::field("body", "The body must be a JSON object."));
    }
    Ok(())
}
