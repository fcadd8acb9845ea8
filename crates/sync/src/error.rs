//! How an error looks from SQL: which code it has, and what is said of it.

use std::time::Duration;

use crate::user_sync::SyncError;
use cometchat::{Error, ErrorKind};

pub mod code; // the table of the codes
#[cfg(test)]
mod tests;

pub use code::{ErrorCode, Passes};

/// Everything that can keep a call from succeeding and is answered instead of raised.
///
/// `Display` is the `error` of the answer: a fixed phrase and, after a colon, CometChat's code or
/// the name of a setting. Never a value: no key, token, name or e-mail.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A setting is missing or malformed; says which.
    #[error("{}: {}", ErrorCode::NotConfigured.phrase(), .0)]
    NotConfigured(String),
    /// Neither that user nor trusted, or no session.
    #[error("{}", ErrorCode::Unauthorized.phrase())]
    Unauthorized,
    /// No user was named, or one that does not exist.
    #[error("{}: {}", ErrorCode::InvalidInput.phrase(), .0)]
    InvalidInput(&'static str),
    /// CometChat does not know the user.
    #[error("{}", ErrorCode::UserNotFound.phrase())]
    UserNotFound,
    /// Deactivated there, or banned or deleted here.
    #[error("{}", ErrorCode::UserDeactivated.phrase())]
    UserDeactivated,
    /// The user exists, the token call failed for good.
    #[error("{}{}", ErrorCode::TokenFailed.phrase(), detail(.0))]
    TokenFailed(Option<String>),
    /// 401, 403 or `AUTH_ERR_*`.
    #[error("{}{}", ErrorCode::ApiKeyRejected.phrase(), detail(.0))]
    ApiKeyRejected(Option<String>),
    /// 402.
    #[error("{}{}", ErrorCode::PlanLimit.phrase(), detail(.0))]
    PlanLimit(Option<String>),
    /// 429.
    #[error("{}{}", ErrorCode::RateLimited.phrase(), detail(.0))]
    RateLimited(Option<String>, Option<Duration>),
    /// The caller's own limit.
    #[error("{}", code::TOO_MANY_REQUESTS)]
    TooManyRequests,
    /// The budget ran out.
    #[error("{}", ErrorCode::Timeout.phrase())]
    Timeout,
    /// No connection, or it broke.
    #[error("{}: {}", ErrorCode::Network.phrase(), .0)]
    Network(&'static str),
    /// CometChat's own trouble, 5xx: trying again later may help.
    #[error("{}{}", ErrorCode::ApiError.phrase(), detail(.0))]
    ServerError(Option<String>),
    /// Anything else that CometChat, or something in its place, said.
    #[error("{}{}", ErrorCode::ApiError.phrase(), detail(.0))]
    ApiError(Option<String>),
    /// Standby or read-only transaction.
    #[error("{}", ErrorCode::ReadOnly.phrase())]
    ReadOnly,
    /// The final write failed, or the user's data cannot be read; says with which SQLSTATE, or that.
    #[error("{}: {}", ErrorCode::Database.phrase(), .0)]
    Database(String),
    /// Not a failure of the call: an interrupt raised an error that is to be raised on.
    #[error("interrupted")]
    Interrupted,
}

/// In the place of an [`ErrorCode`], for operators: what is stored of one user cannot be read.
pub const INVALID_DATA: &str = "INVALID_DATA";

/// The same: a mistake in this library.
pub const INTERNAL: &str = "INTERNAL";

/// As it stands in `sync_state.error_code`: CometChat's own code where there is one, else ours.
pub fn stored_code(sync_error: &SyncError) -> String {
    let ours = match sync_error {
        SyncError::Unreadable(_) => INVALID_DATA,
        SyncError::Deactivated => ErrorCode::UserDeactivated.as_str(),
        SyncError::Remote(error) | SyncError::Token(error) | SyncError::NotCreated(error) => {
            return code_of(error)
                .unwrap_or_else(|| CallError::from(error).code().as_str().to_owned());
        }
    };
    ours.to_owned()
}

impl CallError {
    /// The same of a call's failure, whose details are codes of CometChat's or phrases.
    pub fn stored_code(&self) -> &str {
        use CallError::{
            ApiError, ApiKeyRejected, PlanLimit, RateLimited, ServerError, TokenFailed,
        };
        let detail = match self {
            TokenFailed(code)
            | ApiKeyRejected(code)
            | PlanLimit(code)
            | RateLimited(code, _)
            | ServerError(code)
            | ApiError(code) => code.as_deref(),
            _ => None,
        };
        detail.filter(|code| looks_like_code(code)).unwrap_or(self.code().as_str())
    }

    /// What is stored of this one user cannot be read.
    pub fn unreadable() -> Self {
        CallError::Database(INVALID_DATA.to_owned())
    }

    /// The code for clients.
    pub fn code(&self) -> ErrorCode {
        match self {
            CallError::NotConfigured(_) => ErrorCode::NotConfigured,
            CallError::Unauthorized => ErrorCode::Unauthorized,
            CallError::InvalidInput(_) => ErrorCode::InvalidInput,
            CallError::UserNotFound => ErrorCode::UserNotFound,
            CallError::UserDeactivated => ErrorCode::UserDeactivated,
            CallError::TokenFailed(_) => ErrorCode::TokenFailed,
            CallError::ApiKeyRejected(_) => ErrorCode::ApiKeyRejected,
            CallError::PlanLimit(_) => ErrorCode::PlanLimit,
            CallError::RateLimited(..) | CallError::TooManyRequests => ErrorCode::RateLimited,
            CallError::Timeout => ErrorCode::Timeout,
            CallError::Network(_) => ErrorCode::Network,
            CallError::ApiError(_) | CallError::ServerError(_) | CallError::Interrupted => {
                ErrorCode::ApiError
            }
            CallError::ReadOnly => ErrorCode::ReadOnly,
            CallError::Database(_) => ErrorCode::Database,
        }
    }

    /// Whether the same may succeed later by itself.
    pub fn is_transient(&self) -> bool {
        use CallError::{Network, RateLimited, ServerError, Timeout};
        matches!(self, Timeout | Network(_) | RateLimited(..) | ServerError(_))
    }

    /// How long CometChat asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            CallError::RateLimited(_, retry_after) => *retry_after,
            _ => None,
        }
    }

    /// What a token call's error means where the user is known to exist: an error that trying
    /// again will not mend is [`CallError::TokenFailed`].
    pub fn from_token_call(error: Error) -> Self {
        match error.kind() {
            ErrorKind::BadUser
            | ErrorKind::TokenNotFound
            | ErrorKind::UidExists
            | ErrorKind::WrongEndpoint
            | ErrorKind::NotCometChat
            | ErrorKind::Invalid => CallError::TokenFailed(code_of(&error)),
            _ => error.into(),
        }
    }
}

/// Why the circuit breaker is open, which callers are told at once. Shared between processes as a
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PauseReason {
    /// CometChat rejects the API key.
    KeyRejected = 1,
    /// The plan allows nothing more.
    PlanLimit = 2,
    /// What answers is not CometChat, or not for us.
    NotCometChat = 3,
}

impl PauseReason {
    /// `None` for a failure that does not concern all users.
    pub fn from_error(error: &SyncError) -> Option<PauseReason> {
        let (SyncError::Remote(error) | SyncError::Token(error)) = error else { return None };
        match error.kind() {
            ErrorKind::KeyRejected => Some(PauseReason::KeyRejected),
            ErrorKind::PlanLimit => Some(PauseReason::PlanLimit),
            kind if kind.pauses_everybody() => Some(PauseReason::NotCometChat),
            _ => None,
        }
    }

    /// From the number that is shared; 0: none.
    pub fn from_number(number: u32) -> Option<PauseReason> {
        match number {
            0 => None,
            1 => Some(PauseReason::KeyRejected),
            2 => Some(PauseReason::PlanLimit),
            _ => Some(PauseReason::NotCometChat),
        }
    }
}

impl From<PauseReason> for CallError {
    fn from(reason: PauseReason) -> CallError {
        match reason {
            PauseReason::KeyRejected => CallError::ApiKeyRejected(None),
            PauseReason::PlanLimit => CallError::PlanLimit(None),
            PauseReason::NotCometChat => CallError::ApiError(Some("sending is paused".to_owned())),
        }
    }
}

impl From<SyncError> for CallError {
    fn from(sync_error: SyncError) -> Self {
        match sync_error {
            SyncError::Remote(error) | SyncError::NotCreated(error) => error.into(),
            SyncError::Token(error) => CallError::from_token_call(error),
            SyncError::Deactivated => CallError::UserDeactivated,
            SyncError::Unreadable(_) => CallError::unreadable(),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

impl From<&Error> for CallError {
    fn from(error: &Error) -> Self {
        let code = code_of(error);
        let instead = || what_came_instead(error);
        match error.kind() {
            ErrorKind::KeyRejected => CallError::ApiKeyRejected(code.or_else(instead)),
            ErrorKind::PlanLimit => CallError::PlanLimit(code.or_else(instead)),
            ErrorKind::RateLimited => CallError::RateLimited(code, error.retry_after()),
            ErrorKind::Server => CallError::ServerError(code.or_else(instead)),
            ErrorKind::UidNotFound => CallError::UserNotFound,
            ErrorKind::Timeout => CallError::Timeout,
            ErrorKind::Network => match error {
                Error::Network { what } => CallError::Network(what),
                _ => CallError::Network("connection failed"),
            },
            ErrorKind::Interrupted => CallError::Interrupted,
            ErrorKind::Refused => CallError::TooManyRequests,
            _ => CallError::ApiError(code.or_else(instead)),
        }
    }
}

/// CometChat's code, if it looks like one: it comes from the network and ends up in the answer.
fn code_of(error: &Error) -> Option<String> {
    error.code().filter(|code| looks_like_code(code)).map(str::to_owned)
}

fn looks_like_code(code: &str) -> bool {
    code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
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
