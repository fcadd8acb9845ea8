//! What an outcome means for the user's next attempt, and for what is stored of CometChat.

use std::time::Duration;

use cometchat::Effect;
use sync::job::{JobResult, Outcome};
use sync::model::{Certainty, UserStatus};
use sync::policy::{self, RetryDecision};

use super::save::unsettled_ms;
use crate::config;

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
    pub fn after(result: &JobResult) -> Doubt {
        let synced = matches!(result.outcome, Outcome::Synced | Outcome::Removed);
        match result.job.certainty {
            _ if result.job.remote.effect != Effect::None => {
                unsettled_ms(result.job.remote.effect).map_or(Doubt::Settled, Doubt::For)
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
    pub fn after(result: &JobResult, random: f64) -> NextAttempt {
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
                after_failure(result, decision, code, message.as_ref(), random)
            }
        }
    }
}

fn after_failure(
    result: &JobResult,
    decision: &RetryDecision,
    code: &str,
    message: Option<&String>,
    random: f64,
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
    let after = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(1);
    match decision {
        RetryDecision::Fail => failed,
        RetryDecision::Retry if attempts + 1 >= config::max_attempts() => failed,
        RetryDecision::Retry => again(after(policy::delay(job.attempts + 1, random)), attempts + 1),
        RetryDecision::Throttled(wait) if !result.request_sent => NextAttempt {
            code: None,
            message: None,
            ..again(after(policy::throttled_delay(*wait)), attempts)
        },
        // No attempt of the user's. Not due at once: it may be another class's limit than the
        // one that the worker looks at before it claims.
        RetryDecision::Throttled(wait) => again(after(policy::throttled_delay(*wait)), attempts),
        RetryDecision::Defer(wait) => again(after(*wait), attempts),
        RetryDecision::PlanFull => again(after(policy::NO_ROOM_DELAY), attempts),
        // Due at once, when sending goes on.
        RetryDecision::Outage | RetryDecision::OpenCircuit => again(0, attempts),
        RetryDecision::Interrupted => {
            NextAttempt { code: None, message: None, ..again(0, attempts) }
        }
    }
}
