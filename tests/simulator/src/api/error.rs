//! CometChat's error envelope and the errors this API answers.

use super::reply::Reply;
use serde_json::{json, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is wrong, by field.
pub type Details = BTreeMap<String, Vec<String>>;

/// One refusal.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: String,
    pub details: Option<Details>,
}

impl ApiError {
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        ApiError { status, code: code.into(), message: message.into(), details: None }
    }

    pub fn validation(details: Details) -> Self {
        let message = "Failed to validate the data sent with the request.";
        ApiError { details: Some(details), ..ApiError::new(400, "ERR_BAD_REQUEST", message) }
    }

    /// A validation error of one field.
    pub fn field(name: &str, problem: impl Into<String>) -> Self {
        ApiError::validation(Details::from([(name.to_owned(), vec![problem.into()])]))
    }

    pub fn unknown_endpoint() -> Self {
        let message = "The API endpoint is invalid. Please verify the API call.";
        ApiError::new(404, "ERR_API_NOT_FOUND", message)
    }

    pub fn unknown_uid(uid: &str) -> Self {
        let message = format!(
            "The UID {uid} does not exist, please make sure you have created a user with UID {uid}."
        );
        ApiError::new(404, "ERR_UID_NOT_FOUND", message)
    }

    /// The status is 400 (QA) or 409 (SKP), by setting.
    pub fn uid_taken(uid: &str, status: u16) -> Self {
        let message = format!(
            "The uid {uid} already exists. \
             Please use another uid or try after permanently deleting the user."
        );
        ApiError::new(status, "ERR_UID_ALREADY_EXISTS", message)
    }

    pub fn unknown_token(token: &str) -> Self {
        ApiError::new(404, "ERR_AUTH_TOKEN_NOT_FOUND", format!("No auth token {token} exists."))
    }

    pub fn unknown_role(role: &str) -> Self {
        let message = format!("No role {role} exists; create it before giving it to users.");
        ApiError::new(404, "ERR_ROLE_NOT_FOUND", message)
    }

    pub fn quota() -> Self {
        let message = "The plan of this app has no room for another user.";
        ApiError::new(402, "ERR_PLAN_QUOTA_RESTRICTION", message)
    }

    pub fn too_many_requests() -> Self {
        let message = "The rate limit of this app is used up for now; try again later.";
        ApiError::new(429, "ERR_TOO_MANY_REQUESTS", message)
    }

    /// The object inside `error`, also used for rows of an import.
    pub fn object(&self) -> Value {
        let mut object = json!({
            "message": self.message,
            "devMessage": self.message,
            "source": "chat-api",
            "code": self.code,
        });
        // Present on validation errors only (PHP, QA).
        if let Some(details) = &self.details {
            object["details"] = json!(details);
        }
        object
    }

    pub fn reply(&self) -> Reply {
        let reply = Reply::json(self.status, &json!({ "error": self.object() }));
        Reply { code: Some(self.code.clone()), ..reply }
    }
}
