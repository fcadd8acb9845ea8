//! Everything that can go wrong with a request, in a form that is safe to print.

use std::time::Duration;

use crate::kind::{self, ErrorKind};

/// Why a request has no usable answer.
///
/// `Display` shows fixed phrases, HTTP statuses and CometChat's error codes only:
/// never a key, token, uid, name or e-mail address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The deadline passed, before or during the request.
    #[error("no answer in time")]
    Timeout,

    /// The connection could not be made, or broke.
    #[error("network error: {what}")]
    Network {
        /// One of a fixed set: "connection refused", "connection reset", "connection closed",
        /// "connection failed", "name not found", "no route", "not permitted", "tls", "proxy",
        /// "answer cut off" (fewer bytes than announced).
        what: &'static str,
    },

    /// The transport's waiter was interrupted by its host (a cancel or a shutdown),
    /// or the agent has been shut down.
    #[error("interrupted")]
    Interrupted,

    /// CometChat answered with an error, or with a status that speaks for itself
    /// whatever the body (429, 408, 417, 5xx: gateways in front of the API answer in HTML).
    #[error("CometChat answered with status {status}{}", Parenthesised(.code.as_deref()))]
    Api {
        /// The HTTP status.
        status: u16,
        /// `error.code`, when it looks like one (letters, digits, `_`).
        code: Option<String>,
        /// `error.message` after [`crate::clean_message`]; may name the uid.
        message: Option<String>,
        /// `error.details` of a validation error, cleaned, at most 8 entries.
        details: Vec<FieldError>,
        /// `Retry-After` in seconds, at most a day.
        retry_after: Option<Duration>,
    },

    /// Something answered, but not CometChat's API: a redirect, HTML, garbage, no body,
    /// a success without `{"data":..}`, an error without `{"error":..}`, another user's data.
    #[error("the answer is not CometChat's: {what} (status {status})")]
    NotCometChat {
        /// The HTTP status; 0 when the answer was not understood as HTTP.
        status: u16,
        /// A fixed phrase.
        what: &'static str,
    },

    /// The answer is larger than this client reads.
    #[error("the answer exceeds {limit} bytes")]
    TooLarge {
        /// The cap in bytes that was exceeded.
        limit: u64,
    },

    /// The caller's own gate said no; nothing was sent.
    #[error("refused by the caller's own limit")]
    Refused,

    /// Refused before anything was sent.
    #[error("invalid request: {what}")]
    InvalidRequest {
        /// A fixed phrase.
        what: &'static str,
    },
}

/// What a failed request may have brought about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: it was not sent, or refused.
    #[default]
    None,
    /// All of it, or nothing; it is over.
    Unknown,
    /// The same, and it may be under way still: no answer said that it is over.
    UnderWay,
}

/// One field that CometChat's validation refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field as CometChat names it, such as `avatar` or `tags.0`.
    pub field: String,
    /// CometChat's words, cleaned.
    pub message: String,
}

impl Error {
    /// CometChat's `error.code`, if it sent one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Api { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Api { status, .. } | Error::NotCometChat { status, .. } if *status != 0 => {
                Some(*status)
            }
            _ => None,
        }
    }

    /// How long CometChat asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What CometChat would have answered before its limit allows another request.
    pub(crate) fn refused_for(wait: Duration) -> Error {
        Error::Api {
            status: 429,
            code: None,
            message: None,
            details: vec![],
            retry_after: Some(wait),
        }
    }

    /// What CometChat answers to a create when the plan's quota of users is used up.
    pub(crate) fn no_room() -> Error {
        Error::Api { status: 402, code: None, message: None, details: vec![], retry_after: None }
    }

    /// What the request may have brought about, if it was one that changes something.
    pub fn effect(&self) -> Effect {
        match self {
            Error::Refused | Error::InvalidRequest { .. } => Effect::None,
            Error::Network {
                what:
                    "connection refused" | "name not found" | "no route" | "not permitted" | "tls"
                    | "proxy",
            } => Effect::None,
            Error::Timeout | Error::Network { .. } | Error::Interrupted => Effect::UnderWay,
            // CometChat's own word; without a code it is most likely a gateway's.
            Error::Api { status: 500.. | 408 | 417, code, .. } => match code {
                Some(_) => Effect::Unknown,
                None => Effect::UnderWay,
            },
            Error::Api { .. } | Error::NotCometChat { status: 401..=404, .. } => Effect::None,
            Error::NotCometChat { .. } | Error::TooLarge { .. } => Effect::UnderWay,
        }
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Timeout => ErrorKind::Timeout,
            Error::Network { .. } => ErrorKind::Network,
            Error::Interrupted => ErrorKind::Interrupted,
            Error::Refused => ErrorKind::Refused,
            Error::Api { status, code, .. } => kind::classify(*status, code.as_deref()),
            // These concern all users, also when a gateway in front of the API says them; a bare
            // 404 is what a wrong host or path answers.
            Error::NotCometChat { status: status @ 401..=404, .. } => kind::classify(*status, None),
            Error::NotCometChat { .. } | Error::TooLarge { .. } => ErrorKind::NotCometChat,
            Error::InvalidRequest { .. } => ErrorKind::Invalid,
        }
    }
}

struct Parenthesised<'a>(Option<&'a str>);

impl std::fmt::Display for Parenthesised<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |s| write!(f, " ({s})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_status_and_code_only() {
        let mut e = Error::Api {
            status: 404,
            code: Some("ERR_UID_NOT_FOUND".into()),
            message: Some("The UID ada does not exist".into()),
            details: vec![],
            retry_after: None,
        };
        assert_eq!(e.to_string(), "CometChat answered with status 404 (ERR_UID_NOT_FOUND)");
        if let Error::Api { code, .. } = &mut e {
            *code = None;
        }
        assert_eq!(e.to_string(), "CometChat answered with status 404");
    }

    #[test]
    fn what_was_refused_has_no_effect_and_what_was_lost_may_have_one() {
        let api = |status, code: Option<&str>| Error::Api {
            status,
            code: code.map(str::to_owned),
            message: None,
            details: vec![],
            retry_after: None,
        };
        for (error, effect) in [
            (Error::Refused, Effect::None),
            (Error::Network { what: "connection refused" }, Effect::None),
            (api(400, Some("ERR_BAD_REQUEST")), Effect::None),
            (api(429, None), Effect::None),
            (Error::NotCometChat { status: 403, what: "HTML" }, Effect::None),
            (api(500, Some("ERR_EXCEPTION")), Effect::Unknown),
            (api(504, None), Effect::UnderWay),
            (Error::Network { what: "connection reset" }, Effect::UnderWay),
            (Error::Network { what: "answer cut off" }, Effect::UnderWay),
            (Error::NotCometChat { status: 200, what: "HTML" }, Effect::UnderWay),
            (Error::TooLarge { limit: 1 }, Effect::UnderWay),
            (Error::Timeout, Effect::UnderWay),
            (Error::Interrupted, Effect::UnderWay),
        ] {
            assert_eq!(error.effect(), effect, "{error}");
        }
    }

    #[test]
    fn a_result_stays_small() {
        assert!(std::mem::size_of::<Error>() <= 128);
    }
}
