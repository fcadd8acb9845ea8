//! What an outcome means for the user's next attempt, and for what is stored of CometChat.

use std::time::Duration;

use cometchat::Effect;

use crate::job::{JobResult, Outcome};
use crate::model::{Certainty, UserStatus};
use crate::policy::{self, as_ms, RetryDecision};

/// How far what is stored of CometChat may be relied on from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is what CometChat has.
    Settled,
    /// As before the claim.
    AsBefore,
    /// As before the claim, and a user who is synced is looked at once more when that is over.
    CheckWhenOver,
    /// A request may have an effect for so many milliseconds.
    For(i64),
}

impl Doubt {
    /// `request_timeout`: of the settings, for requests that may be in flight still.
    pub fn after(result: &JobResult, request_timeout: Duration) -> Doubt {
        let synced = matches!(result.outcome, Outcome::Synced | Outcome::Removed);
        match result.job.certainty {
            _ if result.job.remote.effect != Effect::None => {
                policy::unsettled_for(result.job.remote.effect, request_timeout)
                    .map_or(Doubt::Settled, |time| Doubt::For(as_ms(time)))
            }
            Certainty::Settled => Doubt::Settled,
            // CometChat was not asked.
            Certainty::Unsettled | Certainty::InFlight(_) if result.job.skip => Doubt::AsBefore,
            Certainty::InFlight(_) => Doubt::CheckWhenOver,
            Certainty::NeverAsked | Certainty::Unsettled if synced => Doubt::Settled,
            Certainty::NeverAsked | Certainty::Unsettled => Doubt::AsBefore,
        }
    }

    /// Milliseconds, if it begins anew.
    pub fn for_ms(self) -> Option<i64> {
        match self {
            Doubt::For(ms) => Some(ms),
            _ => None,
        }
    }
}

/// What is written about a user's next attempt.
pub struct NextAttempt {
    /// CometChat has what was wanted.
    pub synced: bool,
    /// Milliseconds until the next attempt; `None`: there is none.
    pub delay_ms: Option<i64>,
    /// Failed attempts, with this one.
    pub attempts: i32,
    pub failed: bool,
    pub code: Option<String>,
    pub message: Option<String>,
}

impl NextAttempt {
    /// `random` is a number in `0..1`: users that failed together do not come again together.
    /// `max_attempts`: of the settings.
    pub fn after(result: &JobResult, random: f64, max_attempts: i32) -> NextAttempt {
        match &result.outcome {
            Outcome::Synced | Outcome::Removed => NextAttempt {
                synced: true,
                delay_ms: match result.job.status {
                    UserStatus::Suspended { back_in_ms } => back_in_ms,
                    _ => None,
                },
                attempts: 0,
                failed: false,
                code: None,
                message: None,
            },
            Outcome::Failed { decision, code, message, .. } => {
                let retry = Retry { random, max_attempts };
                after_failure(result, decision, code, message.as_ref(), &retry)
            }
        }
    }
}

struct Retry {
    random: f64,
    max_attempts: i32,
}

fn after_failure(
    result: &JobResult,
    decision: &RetryDecision,
    code: &str,
    message: Option<&String>,
    retry: &Retry,
) -> NextAttempt {
    let job = &result.job;
    let attempts = i32::try_from(job.attempts).unwrap_or(i32::MAX).min(i32::MAX - 1);
    let again = |delay_ms, attempts| NextAttempt {
        synced: false,
        delay_ms: Some(delay_ms),
        attempts,
        failed: false,
        code: Some(code.to_owned()),
        message: message.cloned(),
    };
    let failed = NextAttempt { failed: true, delay_ms: None, ..again(0, attempts + 1) };
    match decision {
        RetryDecision::Fail => failed,
        RetryDecision::Retry if attempts + 1 >= retry.max_attempts => failed,
        RetryDecision::Retry => {
            again(as_ms(policy::delay(job.attempts + 1, retry.random)), attempts + 1)
        }
        RetryDecision::Throttled(wait) if !result.request_sent => NextAttempt {
            code: None,
            message: None,
            ..again(as_ms(policy::throttled_delay(*wait)), attempts)
        },
        // No attempt of the user's. Not due at once: it may be another class's limit than the
        // one that the worker looks at before it claims.
        RetryDecision::Throttled(wait) => again(as_ms(policy::throttled_delay(*wait)), attempts),
        RetryDecision::Defer(wait) => again(as_ms(*wait), attempts),
        RetryDecision::PlanFull => again(as_ms(policy::NO_ROOM_DELAY), attempts),
        // Due at once, when sending goes on.
        RetryDecision::Outage | RetryDecision::OpenCircuit => again(0, attempts),
        RetryDecision::Interrupted | RetryDecision::Singly => {
            NextAttempt { code: None, message: None, ..again(0, attempts) }
        }
    }
}
