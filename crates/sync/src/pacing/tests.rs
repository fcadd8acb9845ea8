use super::*;
use crate::job::Job;

fn done(n: u8, sent: Instant, outcome: Outcome) -> JobResult {
    let job = Job { user: Uuid::from_bytes([n; 16]), ..Job::default() };
    JobResult { job, outcome, started: sent, took: Duration::ZERO, request_sent: true }
}

fn failed(decision: RetryDecision, code: &str, pause: Option<PauseReason>) -> Outcome {
    let (code, reason) = (code.to_owned(), code.to_owned());
    Outcome::Failed { decision, pause, code, status: None, reason, message: None }
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

    /// When people may be claimed next, while the limit leaves nothing for so many seconds.
    fn next_claim(&self, now: Instant, throttled: u64) -> Instant {
        let people = Duration::from_secs(throttled);
        let throttled = ThrottledFor { people, backlog: people, import: people };
        self.pacing.next_claim(now, Room { users: 1, backlog: 0, import: 0 }, throttled).unwrap()
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
    assert_eq!(bench.next_claim(bench.at(0), 0), bench.at(5));
    let (effect, _) = bench.outcome(1, 2, rejected());
    assert_eq!(effect.event, None, "it was in flight");
    let (effect, _) = bench.outcome(5, 3, rejected());
    assert!(matches!(effect.event, Some(Event::CircuitOpened { first: false, .. })));
    assert_eq!(bench.next_claim(bench.at(5), 0), bench.at(15));
    let (effect, _) = bench.outcome(15, 4, Outcome::Synced);
    assert_eq!(effect.counter, Some(Counter::Synced));
    assert!(matches!(effect.event, Some(Event::CircuitClosed { .. })));
    assert_eq!(bench.next_claim(bench.at(15), 0), bench.at(15));
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
    assert_eq!(bench.next_claim(bench.at(0), 0), bench.at(1));
    assert_eq!(bench.next_claim(bench.at(2), 9), bench.at(11));
}

#[test]
fn errors_back_off_and_are_logged_when_they_last() {
    let mut bench = Bench::new();
    let now = bench.start;
    let logged: Vec<bool> = (0..5).map(|_| bench.pacing.failed(now)).collect();
    assert_eq!(logged, [false, false, false, true, true]);
    assert_eq!(bench.next_claim(now, 0), now + Duration::from_millis(3200));
    bench.pacing.polled();
    bench.pacing.start_over(now);
    let logged = (0..40).filter(|_| bench.pacing.lock_failed(now)).count();
    assert_eq!(logged, 1, "a lock is said once");
    assert_eq!(bench.next_claim(now, 0), now + LOCK_RETRY);
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
        bench.pacing.claimed(now, NextDue::default());
        bench.next_claim(now, 0) - now
    };
    assert_eq!(claimed(&mut bench, 0), LOCKED_RECHECK);
    assert_eq!(claimed(&mut bench, 3), Duration::from_secs(3));
    bench.pacing.set_stale_claims(None);
    assert_eq!(claimed(&mut bench, 3), SAFETY_PROBE);
}

#[test]
fn people_are_claimed_while_the_backlog_waits_for_the_limit_or_for_threads() {
    let mut bench = Bench::new();
    bench.pacing.set_stale_claims(None);
    let now = bench.at(0);
    let seconds = Duration::from_secs;
    let throttled =
        ThrottledFor { people: seconds(0), backlog: seconds(30), ..ThrottledFor::default() };
    let both = Room { users: 16, backlog: 16, import: 0 };
    bench.pacing.claimed(now, NextDue { people: Some(seconds(5)), backlog: Some(seconds(0)) });
    assert_eq!(bench.pacing.next_claim(now, both, throttled), Some(bench.at(5)));
    assert_eq!(bench.pacing.next_claim(now, both, ThrottledFor::default()), Some(now));
    // As many of the backlog wait for a thread as are claimed ahead: no more of them, but people.
    let room = bench.pacing.room(16, 48, 16);
    assert_eq!(room, Room { users: 48, backlog: 0, import: 0 });
    assert_eq!(bench.pacing.next_claim(now, room, ThrottledFor::default()), Some(bench.at(5)));
    let nobody = Room { users: 0, backlog: 0, import: 0 };
    assert_eq!(bench.pacing.next_claim(now, nobody, ThrottledFor::default()), None);
}

#[test]
fn the_backlog_is_due_to_be_created_together_before_the_limit_lets_it_go_singly() {
    let start = Instant::now();
    let seconds = Duration::from_secs;
    let mut pacing = Pacing::new(start, CircuitBreaker::default());
    pacing.set_stale_claims(None);
    pacing.claimed(start, NextDue { people: None, backlog: Some(Duration::ZERO) });
    let throttled = ThrottledFor { people: seconds(0), backlog: seconds(30), import: seconds(7) };
    let next = |pacing: &Pacing, import| {
        let room = Room { users: 16, backlog: 16, import };
        pacing.next_claim(start, room, throttled).unwrap() - start
    };
    assert_eq!(next(&pacing, 50), seconds(7));
    assert_eq!(next(&pacing, 0), seconds(30));
    assert!(!pacing.import_rests(start));
    for (found, rests) in [(50, 0), (policy::MIN_IMPORT_USERS, 0), (3, 1), (0, 10)] {
        pacing.found_for_import(start, found);
        let over = start + seconds(rests);
        assert_eq!(pacing.import_rests(start), rests > 0, "{found}");
        assert!(!pacing.import_rests(over), "{found}");
    }
    assert!(pacing.import_rests(start));
    pacing.start_over(start);
    assert!(!pacing.import_rests(start), "an operator has changed something");
}
