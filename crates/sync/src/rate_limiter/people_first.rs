//! Whatever the backlog sends, people find a request left.

use super::{Cap, Limiter, Priority};
use cometchat::{Limits, RateClass};

const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn takes(limiter: &mut Limiter, priority: Priority, cap: Cap, now: u64) -> bool {
    limiter.take(RateClass::Core, priority, cap, now).is_ok()
}

/// The backlog sends whatever it may, ten times a second for three minutes; `person` decides when
/// somebody comes along. Returns what the backlog sent in the last minute, and how many people were
/// refused.
fn run(limiter: &mut Limiter, cap: Cap, person: impl Fn(u64) -> Option<Priority>) -> (u32, u32) {
    let (mut sent, mut refused) = (0, 0);
    for tick in 0..1800 {
        let now = NOW + tick * 100;
        while takes(limiter, Priority::Backlog, cap, now) {
            sent += u32::from(tick >= 1200);
        }
        if let Some(priority) = person(tick) {
            refused += u32::from(!takes(limiter, priority, cap, now));
        }
    }
    (sent, refused)
}

#[test]
fn callers_and_sign_ups_are_never_refused_while_the_backlog_uses_the_rest() {
    // Half a person a second, of 300 or 500 a minute.
    for cap in [Cap::Hard(300), Cap::Follow] {
        for priority in [Priority::Worker, Priority::Interactive] {
            let person = |tick| (tick % 20 == 7).then_some(priority);
            let (sent, refused) = run(&mut Limiter::new(), cap, person);
            assert_eq!(refused, 0, "{cap:?} {priority:?}");
            let limit = if cap == Cap::Follow { 500 } else { 300 };
            assert!(sent + 30 >= limit * 95 / 100, "{cap:?}: {sent} of {limit}");
        }
    }
}

#[test]
fn without_people_the_backlog_has_all_but_the_callers_reserve() {
    for (cap, limit) in [(Cap::Hard(300), 291), (Cap::Follow, 485), (Cap::Hard(1), 1)] {
        assert_eq!(run(&mut Limiter::new(), cap, |_| None), (limit, 0), "{cap:?}");
    }
}

/// A window that has just begun, of 1,000 requests.
fn announced() -> Limiter {
    let mut limiter = Limiter::new();
    assert!(takes(&mut limiter, Priority::Worker, Cap::Follow, NOW));
    answer(&mut limiter, 999, NOW);
    limiter
}

fn answer(limiter: &mut Limiter, left: u64, now: u64) {
    let limits = Limits {
        limit: Some(1000),
        remaining: Some(left),
        reset_unix: Some(NOW / 1000 + 60),
        date_unix: None,
    };
    limiter.on_response(RateClass::Core, Some(limits), now);
}

#[test]
fn of_an_announced_window_it_leaves_less_the_less_of_it_is_left() {
    let mut limiter = announced();
    let mut left = 999;
    for (second, kept) in [(1, 245), (15, 187), (30, 125), (45, 62), (59, 4)] {
        let now = NOW + second * 1000;
        while takes(&mut limiter, Priority::Backlog, Cap::Follow, now) {
            left -= 1;
            answer(&mut limiter, left, now);
        }
        assert_eq!(left, 25 + kept, "after {second} s");
        let again = limiter.room(Priority::Backlog, Cap::Follow, now).unwrap_err();
        assert!(again > now && again <= NOW + MINUTE, "asks again in {} ms", again - now);
        let at_that_time = limiter.room(Priority::Backlog, Cap::Follow, again);
        assert!(at_that_time.is_ok(), "after {second} s");
    }
    assert!(takes(&mut limiter, Priority::Worker, Cap::Follow, NOW + 59_000));
}
