//! CometChat's error codes and HTTP statuses, reduced to what a caller does about them.
//!
//! Codes: "Error guide" in CometChat's docs. Statuses are not documented and differ
//! between observations (a taken uid was seen as 400 and as 409), so the code decides
//! first and the status only when the code is unknown or says nothing.

/// What an error means for the user at hand and for all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 401, 403 or `AUTH_ERR_*`: wrong key, scope, app or region.
    KeyRejected,
    /// 402, `ERR_PLAN_*`, `ERR_SUBSCRIPTION_EXPIRED`: the plan's quota or features.
    PlanLimit,
    /// 429 or `ERR_TOO_MANY_REQUESTS`.
    RateLimited,
    /// The uid is unknown, or the user is deactivated: CometChat does not tell them apart.
    UidNotFound,
    /// The auth token is unknown.
    TokenNotFound,
    /// The uid is taken, perhaps by a deactivated user.
    UidExists,
    /// CometChat refuses this one user's data.
    BadUser,
    /// CometChat's own trouble.
    Server,
    /// There is no such API at that address.
    WrongEndpoint,
    /// Something else than CometChat answered.
    NotCometChat,
    /// No answer in time.
    Timeout,
    /// No connection.
    Network,
    /// The host wants the request to end.
    Interrupted,
    /// The caller's own gate refused it before sending.
    Refused,
    /// Refused before sending.
    Invalid,
}

impl ErrorKind {
    /// No request of any user has a chance until an operator, or time, changes something.
    /// A rate limit also concerns all users, but has its own clock (`Retry-After`).
    pub fn pauses_everybody(self) -> bool {
        use ErrorKind::*;
        matches!(self, KeyRejected | PlanLimit | WrongEndpoint | NotCometChat)
    }
}

/// The kind of an answer of CometChat's, by code first and status second.
pub(crate) fn classify(status: u16, code: Option<&str>) -> ErrorKind {
    match code.and_then(by_code) {
        // These codes only say "something is wrong with the data"; a status that
        // says "try later" is the better witness.
        Some(ErrorKind::BadUser) if is_retryable_status(status) => by_status(status),
        Some(kind) => kind,
        None => by_status(status),
    }
}

/// The statuses that mean "later" whatever the body says or whether there is one.
/// 417 is how CometChat reports a bug of its own (`ERR_BAD_ERROR_RESPONSE`).
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 408 | 417 | 429 | 500..=599)
}

fn by_code(code: &str) -> Option<ErrorKind> {
    use ErrorKind::*;
    Some(match code {
        "ERR_UID_NOT_FOUND" => UidNotFound,
        // A token code despite its prefix; seen by clients whose user was recreated.
        "ERR_AUTH_TOKEN_NOT_FOUND" | "AUTH_ERR_AUTH_TOKEN_NOT_FOUND" => TokenNotFound,
        "ERR_UID_ALREADY_EXISTS" => UidExists,
        "ERR_TOO_MANY_REQUESTS" => RateLimited,
        "ERR_SUBSCRIPTION_EXPIRED" => PlanLimit,
        "ERR_API_NOT_FOUND" | "ERR_INVALID_API_VERSION" => WrongEndpoint,
        "ERR_BAD_REQUEST"
        | "ERR_INVALID_UID"
        | "ERR_ROLE_NOT_FOUND"
        | "ERR_IMPORT_INVALID_USER_FORMAT"
        | "ERR_IMPORT_INVALID_JOINEDAT" => BadUser,
        "ERR_MISSION_FAILED"
        | "ERR_OPERATION_FAILED"
        | "ERR_EXCEPTION"
        | "ERR_UID_DELETE_FAILED"
        | "ERR_AUTH_TOKEN_DELETE_FAILED"
        | "ERR_AUTH_TOKENS_DELETE_FAILED"
        | "ERR_BAD_ERROR_RESPONSE" => Server,
        c if c.starts_with("AUTH_ERR_") => KeyRejected,
        c if c.starts_with("ERR_PLAN_") => PlanLimit,
        c if c.starts_with("ERR_IMPORT_") => BadUser,
        _ => return None,
    })
}

fn by_status(status: u16) -> ErrorKind {
    use ErrorKind::*;
    match status {
        401 | 403 => KeyRejected,
        402 => PlanLimit,
        429 => RateLimited,
        404 | 405 => WrongEndpoint,
        s if is_retryable_status(s) => Server,
        400..=499 => BadUser,
        // An error inside a success: CometChat's own confusion.
        _ => Server,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind::*;
    use super::*;

    #[test]
    fn table() {
        for (status, code, kind) in [
            (401, Some("AUTH_ERR_APIKEY_NOT_FOUND"), KeyRejected),
            (404, Some("AUTH_ERR_APIKEY_NOT_FOUND"), KeyRejected),
            (400, Some("AUTH_ERR_INVALID_APPID"), KeyRejected),
            (403, None, KeyRejected),
            (402, Some("ERR_PLAN_QUOTA_RESTRICTION"), PlanLimit),
            (403, Some("ERR_PLAN_RESTRICTION"), PlanLimit),
            (400, Some("ERR_SUBSCRIPTION_EXPIRED"), PlanLimit),
            (402, None, PlanLimit),
            (429, None, RateLimited),
            (400, Some("ERR_TOO_MANY_REQUESTS"), RateLimited),
            (404, Some("ERR_UID_NOT_FOUND"), UidNotFound),
            (404, Some("ERR_AUTH_TOKEN_NOT_FOUND"), TokenNotFound),
            (401, Some("AUTH_ERR_AUTH_TOKEN_NOT_FOUND"), TokenNotFound),
            (400, Some("ERR_UID_ALREADY_EXISTS"), UidExists),
            (409, Some("ERR_UID_ALREADY_EXISTS"), UidExists),
            (500, Some("ERR_UID_ALREADY_EXISTS"), UidExists),
            (400, Some("ERR_BAD_REQUEST"), BadUser),
            (404, Some("ERR_BAD_REQUEST"), BadUser),
            (500, Some("ERR_BAD_REQUEST"), Server),
            (429, Some("ERR_BAD_REQUEST"), RateLimited),
            (404, Some("ERR_ROLE_NOT_FOUND"), BadUser),
            (422, Some("ERR_SOMETHING_NEW"), BadUser),
            (400, None, BadUser),
            (200, Some("ERR_IMPORT_SOMETHING"), BadUser),
            (404, Some("ERR_API_NOT_FOUND"), WrongEndpoint),
            (404, None, WrongEndpoint),
            (405, None, WrongEndpoint),
            (400, Some("ERR_INVALID_API_VERSION"), WrongEndpoint),
            (500, Some("ERR_EXCEPTION"), Server),
            (400, Some("ERR_MISSION_FAILED"), Server),
            (417, Some("ERR_BAD_ERROR_RESPONSE"), Server),
            (503, None, Server),
            (200, None, Server),
        ] {
            assert_eq!(classify(status, code), kind, "{status} {code:?}");
        }
    }
}
