use super::*;
use crate::job::Job;

fn done(n: u8, sent: Instant, outcome: Outcome) -> JobResult {
    let job = Job { user: Uuid::from_bytes([n; 16]), ..Job::default() };
    JobResult { job, outcome, started: sent, request_sent: true }
}

fn failed(decision: RetryDecision, code: &str, pause: Option<PauseReason>) -> Outcome {
    let (code, reason) = (code.to_owned(), code.to_owned());
    Outcome::Failed { decision, pause, code, reason, message: None }
}

fn rejected() -> Outcome {
    failed(RetryDecision::OpenCircuit, "AUTH_ERR_KEY", Some(PauseReason::KeyRejected))
}

struct Bench {
    pacing: Pacing,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        Bench { pacing: Pacing::new(start, CircuitBreaker::default()), start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn outcome(&mut self, seconds: u64, n: u8, outcome: Outcome) -> (Effect, RetryDecision) {
        let now = self.at(seconds);
        let mut done = done(n, now, outcome);
        let effect = self.pacing.on_outcome(&mut done, now, 2, || Duration::from_secs(7));
        let decision = match done.outcome {
            Outcome::Failed { decision, .. } => decision,
            Outcome::Synced | Outcome::Removed => RetryDecision::Interrupted,
        };
        (effect, decision)
    }
}

#[test]
fn a_rejected_key_stops_sending_but_for_probes_until_an_answer_comes() {
    let mut bench = Bench::new();
    assert_eq!(bench.pacing.capacity(0, 16), 16 * PREFETCH_FACTOR);
    let (effect, decision) = bench.outcome(0, 1, rejected());
    let event = Event::CircuitOpened {
        reason: "AUTH_ERR_KEY".to_owned(),
        pause: Some(PauseReason::KeyRejected),
        first: true,
    };
    assert_eq!(effect, Effect { counter: None, event: Some(event) });
    assert_eq!(decision, RetryDecision::Defer(Duration::from_secs(5)), "an attempt of nobody's");
    assert_eq!(bench.pacing.capacity(0, 16), 1);
    assert_eq!(bench.pacing.next_claim(bench.at(0), Duration::ZERO), bench.at(5));
    let (effect, _) = bench.outcome(1, 2, rejected());
    assert_eq!(effect.event, None, "it was in flight");
    let (effect, _) = bench.outcome(5, 3, rejected());
    assert!(matches!(effect.event, Some(Event::CircuitOpened { first: false, .. })));
    assert_eq!(bench.pacing.next_claim(bench.at(5), Duration::ZERO), bench.at(15));
    let (effect, _) = bench.outcome(15, 4, Outcome::Synced);
    assert_eq!(effect.counter, Some(Counter::Synced));
    assert!(matches!(effect.event, Some(Event::CircuitClosed { .. })));
    assert_eq!(bench.pacing.next_claim(bench.at(15), Duration::ZERO), bench.at(15));
}

#[test]
fn whoever_is_refused_while_others_get_through_fails_alone() {
    let mut bench = Bench::new();
    let refused = || failed(RetryDecision::OpenCircuit, "API_ERROR", None);
    bench.outcome(0, 1, refused());
    let (_, decision) = bench.outcome(5, 2, Outcome::Synced);
    assert_eq!(decision, RetryDecision::Interrupted);
    let (effect, decision) = bench.outcome(6, 1, refused());
    assert_eq!(decision, RetryDecision::Retry);
    assert_eq!(effect, Effect { counter: Some(Counter::Retried), event: None });
    assert_eq!(bench.pacing.capacity(0, 16), 16 * PREFETCH_FACTOR, "the others go on");
}

#[test]
fn many_failures_in_a_row_of_several_users_stop_sending() {
    let mut bench = Bench::new();
    let retry = || failed(RetryDecision::Retry, "TIMEOUT", None);
    assert!(bench.outcome(0, 1, retry()).0.event.is_none());
    assert!(bench.outcome(0, 2, retry()).0.event.is_none());
    assert!(matches!(bench.outcome(0, 3, retry()).0.event, Some(Event::CircuitOpened { .. })));
}

#[test]
fn a_full_plan_puts_off_new_users_and_stops_nobody_else() {
    let mut bench = Bench::new();
    let (effect, decision) = bench.outcome(0, 1, failed(RetryDecision::PlanFull, "ERR_PLAN", None));
    assert!(matches!(effect.event, Some(Event::PlanFull { .. })));
    assert_eq!(decision, RetryDecision::Defer(Duration::from_secs(7)));
    assert_eq!(bench.pacing.capacity(0, 16), 16 * PREFETCH_FACTOR);
}

#[test]
fn a_refused_profile_is_counted_as_failed_and_closes_the_breaker() {
    let mut bench = Bench::new();
    bench.outcome(0, 1, rejected());
    let (effect, decision) = bench.outcome(5, 2, failed(RetryDecision::Fail, "ERR_BAD", None));
    assert_eq!(decision, RetryDecision::Fail);
    assert_eq!(effect.counter, Some(Counter::Failed));
    assert!(matches!(effect.event, Some(Event::CircuitClosed { .. })), "CometChat itself answered");
}

#[test]
fn a_429_rests_and_no_claim_is_made_while_the_limit_allows_none() {
    let mut bench = Bench::new();
    bench.outcome(0, 1, failed(RetryDecision::Throttled(Some(Duration::from_secs(30))), "X", None));
    assert_eq!(bench.pacing.next_claim(bench.at(0), Duration::ZERO), bench.at(1));
    assert_eq!(bench.pacing.next_claim(bench.at(2), Duration::from_secs(9)), bench.at(11));
}

#[test]
fn errors_back_off_and_are_logged_when_they_last() {
    let mut bench = Bench::new();
    let now = bench.start;
    let logged: Vec<bool> = (0..5).map(|_| bench.pacing.failed(now)).collect();
    assert_eq!(logged, [false, false, false, true, true]);
    assert_eq!(bench.pacing.next_claim(now, Duration::ZERO), now + Duration::from_millis(3200));
    bench.pacing.polled();
    bench.pacing.start_over(now);
    let logged = (0..40).filter(|_| bench.pacing.lock_failed(now)).count();
    assert_eq!(logged, 1, "a lock is said once");
    assert_eq!(bench.pacing.next_claim(now, Duration::ZERO), now + LOCK_RETRY);
}

#[test]
fn a_claim_is_not_worth_it_while_more_than_half_are_in_flight() {
    let bench = Bench::new();
    assert_eq!(bench.pacing.capacity(33, 16), 0);
    assert_eq!(bench.pacing.capacity(32, 16), 32);
}

#[test]
fn a_locked_stale_claim_is_looked_at_after_as_long_again() {
    let mut bench = Bench::new();
    let claimed = |bench: &mut Bench, seconds| {
        let now = bench.at(seconds);
        bench.pacing.claimed(now, None);
        bench.pacing.next_claim(now, Duration::ZERO) - now
    };
    assert_eq!(claimed(&mut bench, 0), LOCKED_RECHECK);
    assert_eq!(claimed(&mut bench, 3), Duration::from_secs(3));
    bench.pacing.set_stale_claims(None);
    assert_eq!(claimed(&mut bench, 3), SAFETY_PROBE);
}
