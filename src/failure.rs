//! How an error looks from SQL: the one place that decides codes and phrases.

use cometchat::{Error, ErrorKind};
use serde::Serialize;

/// Everything that can keep a call from succeeding and is answered instead of raised.
///
/// `Display` is the `error` of the answer: a fixed phrase and, after a colon, CometChat's code or
/// the name of a setting. Never a value: no key, token, name or e-mail.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting is missing or malformed; says which.
    #[error("CometChat is not properly configured: {0}")]
    NotConfigured(String),
    /// Neither that user nor trusted, or no session.
    #[error("Unauthorized")]
    Unauthorized,
    /// Nobody, or nobody that exists, was named.
    #[error("Invalid input: {0}")]
    InvalidInput(&'static str),
    /// CometChat does not know the user.
    #[error("User not found in CometChat")]
    UserNotFound,
    /// Deactivated there, or banned or deleted here.
    #[error("The user is deactivated in CometChat")]
    UserDeactivated,
    /// The user exists, the token call failed for good.
    #[error("Failed to generate auth token{}", detail(.0))]
    TokenFailed(Option<String>),
    /// 401, 403 or `AUTH_ERR_*`.
    #[error("CometChat rejected the API key{}", detail(.0))]
    ApiKeyRejected(Option<String>),
    /// 402.
    #[error("CometChat plan limit reached{}", detail(.0))]
    PlanLimit(Option<String>),
    /// 429.
    #[error("CometChat rate limit reached{}", detail(.0))]
    RateLimited(Option<String>),
    /// The caller's own limit.
    #[error("Too many requests")]
    TooManyRequests,
    /// The budget ran out.
    #[error("CometChat did not answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("CometChat could not be reached: {0}")]
    Network(&'static str),
    /// Anything else that CometChat, or something in its place, said.
    #[error("CometChat answered with an error{}", detail(.0))]
    ApiError(Option<String>),
    /// Standby or read-only transaction.
    #[error("The database is read-only")]
    ReadOnly,
    /// The final write failed; says with which SQLSTATE.
    #[error("Database error: {0}")]
    Database(String),
    /// Not a failure of the call: an interrupt raised an error that is to be raised on.
    #[error("interrupted")]
    Interrupted,
}

/// The stable codes that clients act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    NotConfigured,
    Unauthorized,
    InvalidInput,
    UserNotFound,
    UserDeactivated,
    TokenFailed,
    ApiKeyRejected,
    PlanLimit,
    RateLimited,
    Timeout,
    Network,
    ApiError,
    ReadOnly,
    Database,
}

impl Failure {
    /// The code for clients.
    pub fn code(&self) -> ErrorCode {
        match self {
            Failure::NotConfigured(_) => ErrorCode::NotConfigured,
            Failure::Unauthorized => ErrorCode::Unauthorized,
            Failure::InvalidInput(_) => ErrorCode::InvalidInput,
            Failure::UserNotFound => ErrorCode::UserNotFound,
            Failure::UserDeactivated => ErrorCode::UserDeactivated,
            Failure::TokenFailed(_) => ErrorCode::TokenFailed,
            Failure::ApiKeyRejected(_) => ErrorCode::ApiKeyRejected,
            Failure::PlanLimit(_) => ErrorCode::PlanLimit,
            Failure::RateLimited(_) | Failure::TooManyRequests => ErrorCode::RateLimited,
            Failure::Timeout => ErrorCode::Timeout,
            Failure::Network(_) => ErrorCode::Network,
            Failure::ApiError(_) | Failure::Interrupted => ErrorCode::ApiError,
            Failure::ReadOnly => ErrorCode::ReadOnly,
            Failure::Database(_) => ErrorCode::Database,
        }
    }

    /// What a token call's error means where the user is known to exist: an error that trying
    /// again will not mend is [`Failure::TokenFailed`].
    pub fn of_token_call(error: Error) -> Self {
        match error.kind() {
            ErrorKind::BadUser
            | ErrorKind::TokenNotFound
            | ErrorKind::UidExists
            | ErrorKind::WrongEndpoint
            | ErrorKind::NotCometChat
            | ErrorKind::Invalid => Failure::TokenFailed(code_of(&error)),
            _ => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = code_of(&error);
        match error.kind() {
            ErrorKind::KeyRejected => Failure::ApiKeyRejected(code),
            ErrorKind::PlanLimit => Failure::PlanLimit(code),
            ErrorKind::RateLimited => Failure::RateLimited(code),
            ErrorKind::UidNotFound => Failure::UserNotFound,
            ErrorKind::Timeout => Failure::Timeout,
            ErrorKind::Network => match error {
                Error::Network { what } => Failure::Network(what),
                _ => Failure::Network("connection failed"),
            },
            ErrorKind::Interrupted => Failure::Interrupted,
            ErrorKind::Refused => Failure::TooManyRequests,
            _ => Failure::ApiError(code.or_else(|| what_came_instead(&error))),
        }
    }
}

/// CometChat's code, if it looks like one: it comes from the network and ends up in the answer.
fn code_of(error: &Error) -> Option<String> {
    let looks_like_one = |code: &&str| {
        code.len() <= 64
            && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    error.code().filter(looks_like_one).map(str::to_owned)
}

/// For answers without a code of CometChat's: the status, or what was wrong with the answer.
fn what_came_instead(error: &Error) -> Option<String> {
    match error {
        Error::Api { status, .. } => Some(format!("HTTP {status}")),
        Error::NotCometChat { status, what } => Some(format!("HTTP {status}, {what}")),
        Error::TooLarge { .. } => Some("answer too large".to_owned()),
        _ => None,
    }
}

fn detail(code: &Option<String>) -> String {
    code.as_deref().map(|code| format!(": {code}")).unwrap_or_default()
}
