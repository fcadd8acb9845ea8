//! The one shape that all three functions answer with.

use serde::Serialize;

use crate::pg::arguments::Json;
use crate::pg::latch;
use crate::shmem::{self, signs};
use sync::error::CallError;

/// camelCase because JavaScript reads it; absent fields are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cometchat_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    queued: bool,
}

/// What a use case brings back when it succeeds.
#[derive(Debug)]
pub struct Success {
    pub uid: String,
    /// None after a revocation.
    pub token: Option<String>,
    /// The profile is yet to be sent, and will be.
    pub queued: bool,
}

/// What a use case brings back when it does not.
#[derive(Debug)]
pub struct Rejected {
    pub failure: CallError,
    /// The work will be done later all the same.
    pub queued: bool,
}

impl<F: Into<CallError>> From<F> for Rejected {
    fn from(failure: F) -> Self {
        Rejected { failure: failure.into(), queued: false }
    }
}

/// The answer as SQL gets it.
///
/// Raises instead where the call was cancelled, terminated or otherwise interrupted.
pub fn into_json(result: Result<Success, Rejected>) -> Json {
    latch::rethrow_pending_error();
    let answer = match &result {
        Ok(success) => Answer {
            success: true,
            auth_token: success.token.as_deref(),
            cometchat_uid: Some(&success.uid),
            queued: success.queued,
            ..Answer::default()
        },
        Err(refusal) => {
            note(&refusal.failure);
            Answer {
                error: Some(refusal.failure.to_string()),
                error_code: Some(refusal.failure.code().as_str()),
                queued: refusal.queued,
                ..Answer::default()
            }
        }
    };
    Json::of(&answer)
}

/// What is wrong with more than this user or caller is kept for `health()`.
fn note(failure: &CallError) {
    use CallError::{
        InvalidInput, ReadOnly, TooManyRequests, Unauthorized, UserDeactivated, UserNotFound,
    };
    if !matches!(
        failure,
        InvalidInput(_)
            | ReadOnly
            | TooManyRequests
            | Unauthorized
            | UserDeactivated
            | UserNotFound
    ) {
        signs::warn(&shmem::slot().signs, &format!("a call was answered {failure}"));
    }
}
