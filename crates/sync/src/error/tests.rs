//! Each error has a code, each code an error, and their phrases agree.

use super::*;

/// One error of each variant. A variant that is added does not compile until it is in the chain.
fn next(error: Option<&CallError>) -> Option<CallError> {
    use CallError::*;
    let code = || Some("ERR_X".to_owned());
    let Some(error) = error else { return Some(NotConfigured("x".to_owned())) };
    Some(match error {
        NotConfigured(_) => Unauthorized,
        Unauthorized => InvalidInput("x"),
        InvalidInput(_) => UserNotFound,
        UserNotFound => UserDeactivated,
        UserDeactivated => TokenFailed(code()),
        TokenFailed(_) => ApiKeyRejected(code()),
        ApiKeyRejected(_) => PlanLimit(code()),
        PlanLimit(_) => RateLimited(code(), None),
        RateLimited(..) => TooManyRequests,
        TooManyRequests => Timeout,
        Timeout => Network("x"),
        Network(_) => ServerError(code()),
        ServerError(_) => ApiError(code()),
        ApiError(_) => ReadOnly,
        ReadOnly => Database("x".to_owned()),
        Database(_) => Interrupted,
        Interrupted => return None,
    })
}

fn all() -> Vec<CallError> {
    std::iter::successors(next(None), |error| next(Some(error))).collect()
}

#[test]
fn every_code_is_answered_by_an_error() {
    for code in ErrorCode::ALL {
        assert!(all().iter().any(|error| error.code() == *code), "no CallError is {code:?}");
    }
}

#[test]
fn an_error_begins_with_a_phrase_of_its_code() {
    for error in all().iter().filter(|error| !matches!(error, CallError::Interrupted)) {
        let (code, said) = (error.code(), error.to_string());
        let beginning = said.split(": ").next().unwrap_or_default();
        assert!(code.phrases().contains(&beginning), "{said:?} of {code:?}");
    }
}

/// What we queue and try again by ourselves, an app may expect to pass.
#[test]
fn what_is_tried_again_by_itself_passes() {
    for error in all().iter().filter(|error| error.is_transient()) {
        assert_ne!(error.code().passes(), Passes::No, "{error:?}");
    }
}

#[test]
fn codes_are_distinct() {
    let mut texts: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    texts.extend([INVALID_DATA, INTERNAL]);
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), ErrorCode::ALL.len() + 2);
}
