//! What an observer learns of each request: enough for logs, counters and rate limits,
//! nothing that identifies a user.

use std::time::{Duration, UNIX_EPOCH};

use ureq::http::HeaderMap;

use crate::error::Error;
use crate::kind::ErrorKind;

/// A `Retry-After` beyond this is cut, so that adding it to a clock cannot overflow.
const MAX_RETRY_AFTER: u64 = 24 * 60 * 60;

/// One request as it went, reported once per attempt (a retry is another attempt).
/// Requests that were refused before sending are not reported.
#[non_exhaustive]
pub struct Exchange<'a> {
    /// What was asked.
    pub operation: Operation,
    /// The HTTP status, if the head of an answer arrived.
    pub status: Option<u16>,
    /// CometChat's `error.code`.
    pub code: Option<&'a str>,
    /// From the start of the attempt until the body was read.
    pub elapsed: Duration,
    /// `Retry-After`, in seconds or as a date by the answer's own clock; at most a day.
    pub retry_after: Option<Duration>,
    /// The announced rate limit.
    pub limits: Option<Limits>,
    /// What the answer's own clock showed (`Date`), in Unix seconds.
    pub date_unix: Option<u64>,
    /// The failure, if it is one.
    pub failure: Option<&'a Error>,
}

impl Exchange<'_> {
    /// CometChat had enough: by the status, or, with another status, by the code.
    pub fn is_rate_limited(&self) -> bool {
        self.status == Some(429)
            || self.failure.is_some_and(|failure| failure.kind() == ErrorKind::RateLimited)
    }
}

/// The rate limit as announced by an answer's headers. CometChat's pages spell them
/// `X-RateLimit-*` ("Rate limits", REST API) and `X-Rate-Limit-*` ("Rate limits", articles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests per minute of this class.
    pub limit: Option<u64>,
    /// Requests left in the current minute.
    pub remaining: Option<u64>,
    /// When the count starts again, in Unix seconds.
    pub reset_unix: Option<u64>,
    /// What the answer's own clock showed (`Date`), in Unix seconds.
    pub date_unix: Option<u64>,
}

/// The rate limit that a request counts against ("Rate limits", REST API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Creating and deleting users: 10,000 a minute on paid plans.
    Core,
    /// Everything else: 20,000 a minute on paid plans.
    Standard,
    /// Data import: 60 requests a minute.
    Import,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident;)*) => {
        /// The operations of this client.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation { $($(#[$doc])* $name,)* }

        impl Operation {
            /// A stable name for logs and counters.
            pub fn as_str(self) -> &'static str {
                match self { $(Operation::$name => $text,)* }
            }

            /// The rate limit it counts against. CometChat does not say where bulk calls
            /// belong; deactivation is a kind of deletion, the rest is "everything else".
            pub fn class(self) -> RateClass {
                match self { $(Operation::$name => RateClass::$class,)* }
            }
        }
    };
}

operations! {
    /// `POST /users`
    CreateUser = "create_user", Core;
    /// `GET /users/{uid}`
    GetUser = "get_user", Standard;
    /// `GET /users`
    ListUsers = "list_users", Standard;
    /// `PUT /users/{uid}`
    UpdateUser = "update_user", Standard;
    /// `DELETE /users/{uid}`
    DeleteUser = "delete_user", Core;
    /// `DELETE /users`
    DeactivateUsers = "deactivate_users", Core;
    /// `PUT /users`
    ReactivateUsers = "reactivate_users", Standard;
    /// `POST /data_import/users`
    ImportUsers = "import_users", Import;
    /// `POST /users/{uid}/auth_tokens`
    CreateToken = "create_token", Standard;
    /// `GET /users/{uid}/auth_tokens/{authToken}`
    GetToken = "get_token", Standard;
    /// `DELETE /users/{uid}/auth_tokens`
    FlushTokens = "flush_tokens", Standard;
}

/// `Retry-After` in seconds, or until a date: by the answer's own clock, which is not ours, and
/// without which a date says nothing.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let until = || Some(date(headers, "retry-after")?.saturating_sub(date(headers, "date")?));
    let seconds = number(headers, "retry-after").or_else(until)?;
    Some(Duration::from_secs(seconds.min(MAX_RETRY_AFTER)))
}

/// The rate limit headers in either spelling.
pub(crate) fn limits(headers: &HeaderMap) -> Option<Limits> {
    let either = |a, b| number(headers, a).or_else(|| number(headers, b));
    let found = Limits {
        limit: either("x-ratelimit-limit", "x-rate-limit")
            .or_else(|| number(headers, "x-rate-limit-limit")),
        remaining: either("x-ratelimit-remaining", "x-rate-limit-remaining"),
        reset_unix: either("x-ratelimit-reset", "x-rate-limit-reset"),
        date_unix: None,
    };
    let any = found != Limits::default();
    any.then(|| Limits { date_unix: date(headers, "date"), ..found })
}

/// A moment in Unix seconds.
pub(crate) fn date(headers: &HeaderMap, name: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()?;
    Some(moment.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| {
                let value = ureq::http::HeaderValue::from_static(v);
                (ureq::http::HeaderName::from_static(n), value)
            })
            .collect()
    }

    #[test]
    fn both_spellings() {
        let want = Limits {
            limit: Some(500),
            remaining: Some(7),
            reset_unix: Some(1_763_918_750),
            date_unix: None,
        };
        for (a, b, c) in [
            ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
            ("x-rate-limit", "x-rate-limit-remaining", "x-rate-limit-reset"),
        ] {
            let h = headers(&[(a, "500"), (b, " 7"), (c, "1763918750")]);
            assert_eq!(limits(&h), Some(want));
        }
        assert_eq!(limits(&headers(&[("x-ratelimit-limit", "lots")])), None);
    }

    #[test]
    fn retry_after_until_a_date_is_by_the_answers_own_clock() {
        let at = |until, date| retry_after(&headers(&[("retry-after", until), ("date", date)]));
        let (noon, later) = ("Wed, 21 Oct 2026 12:00:00 GMT", "Wed, 21 Oct 2026 12:00:15 GMT");
        assert_eq!(at(later, noon), Some(Duration::from_secs(15)));
        assert_eq!(at(noon, later), Some(Duration::ZERO));
        assert_eq!(at("Fri, 31 Dec 9999 23:59:59 GMT", noon), Some(Duration::from_secs(86_400)));
        assert_eq!(at("Wed, 99 Oct 2026 12:00:00 GMT", noon), None);
        assert_eq!(at(later, "soon"), None);
    }

    #[test]
    fn the_answers_clock_comes_with_its_limits() {
        let date = ("date", "Thu, 01 Jan 1970 00:01:00 GMT");
        let found = limits(&headers(&[("x-ratelimit-limit", "500"), date])).unwrap();
        assert_eq!(found.date_unix, Some(60));
        assert_eq!(limits(&headers(&[date])), None);
    }

    #[test]
    fn retry_after_in_seconds_only() {
        let at = |v| retry_after(&headers(&[("retry-after", v)]));
        assert_eq!(at("15"), Some(Duration::from_secs(15)));
        assert_eq!(at("0"), Some(Duration::ZERO));
        assert_eq!(at("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(at("-3"), None);
        assert_eq!(at("18446744073709551615"), Some(Duration::from_secs(86_400)));
    }
}
