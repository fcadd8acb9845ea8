//! What is written of an outcome besides what CometChat has: `src/store/complete.rs`.

use std::time::Duration;

use cometchat::Effect;
use sync::job::{JobResult, Outcome};
use sync::model::{Certainty, UserStatus};
use sync::policy::{self, RetryDecision};

use super::{as_ms, Store, MAX_ATTEMPTS};

/// `complete.rs`: what is written about the next attempt.
pub struct NextAttempt {
    pub agreed: bool,
    pub delay_ms: Option<i64>,
    pub attempts: i32,
    pub failed: bool,
    pub code: Option<String>,
}

impl NextAttempt {
    pub fn from_result(done: &JobResult) -> NextAttempt {
        let attempts = i32::try_from(done.job.attempts).unwrap();
        let Outcome::Failed { decision, code, .. } = &done.outcome else {
            let back = match done.job.status {
                UserStatus::Suspended { back_in_ms } => back_in_ms,
                _ => None,
            };
            let (agreed, failed, code) = (true, false, None);
            return NextAttempt { agreed, delay_ms: back, attempts: 0, failed, code };
        };
        let again = |wait: Duration, attempts| NextAttempt {
            agreed: false,
            delay_ms: Some(as_ms(wait)),
            attempts,
            failed: false,
            code: Some(code.clone()),
        };
        let failed = |attempts| NextAttempt {
            delay_ms: None,
            failed: true,
            ..again(Duration::ZERO, attempts + 1)
        };
        match decision {
            RetryDecision::Fail => failed(attempts),
            RetryDecision::Retry if attempts + 1 >= MAX_ATTEMPTS => failed(attempts),
            RetryDecision::Retry => again(policy::delay(done.job.attempts + 1, 0.5), attempts + 1),
            RetryDecision::Throttled(wait) => again(policy::throttled_delay(*wait), attempts),
            RetryDecision::Defer(wait) => again(*wait, attempts),
            RetryDecision::PlanFull => again(policy::NO_ROOM_DELAY, attempts),
            RetryDecision::Outage | RetryDecision::OpenCircuit => again(Duration::ZERO, attempts),
            RetryDecision::Interrupted => {
                NextAttempt { code: None, ..again(Duration::ZERO, attempts) }
            }
        }
    }
}

/// `complete.rs`: -1 as before; -2 as before, and looked at once more then; `None`: certain.
pub fn doubt_ms(done: &JobResult) -> Option<i64> {
    let agreed = !matches!(done.outcome, Outcome::Failed { .. });
    match done.job.certainty {
        _ if done.job.remote.effect != Effect::None => Store::unsettled_ms(done.job.remote.effect),
        Certainty::Settled => None,
        Certainty::InFlight(_) => Some(-2),
        Certainty::NeverAsked | Certainty::Unsettled if agreed => None,
        Certainty::NeverAsked | Certainty::Unsettled => Some(-1),
    }
}
