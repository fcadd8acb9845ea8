//! The import has a limit and a silence of its own.

use super::{Cap, Limiter, Priority, RefusedBy};
use cometchat::{Limits, RateClass};

const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn takes(limiter: &mut Limiter, class: RateClass, cap: Cap, now: u64) -> bool {
    limiter.take(class, Priority::Backlog, cap, now).is_ok()
}

/// How many of two hundred are allowed at once.
fn burst(limiter: &mut Limiter, cap: Cap, now: u64) -> usize {
    (0..200).filter(|_| takes(limiter, RateClass::Import, cap, now)).count()
}

#[test]
fn it_sends_sixty_a_minute_beside_all_others() {
    for cap in [Cap::Follow, Cap::Hard(10_000)] {
        let mut limiter = Limiter::new();
        assert_eq!(burst(&mut limiter, cap, NOW), 60, "{cap:?}");
        assert_eq!(limiter.import_room(cap, NOW), Err(NOW + MINUTE), "{cap:?}");
        assert!(limiter.take(RateClass::Core, Priority::Worker, cap, NOW).is_ok());
        assert_eq!(burst(&mut limiter, cap, NOW + MINUTE), 60, "{cap:?}");
    }
    assert_eq!(burst(&mut Limiter::new(), Cap::Unlimited, NOW), 200);
}

#[test]
fn a_hard_cap_counts_it_and_keeps_its_reserve_for_people() {
    let mut limiter = Limiter::new();
    assert_eq!(burst(&mut limiter, Cap::Hard(30), NOW), 1, "spread over the minute");
    assert!(limiter.import_room(Cap::Hard(30), NOW).is_err());
    let people =
        |_: &u32| limiter.take(RateClass::Core, Priority::Worker, Cap::Hard(30), NOW).is_ok();
    assert_eq!((0..100).filter(people).count(), 29);
}

#[test]
fn it_follows_what_its_own_answers_announce() {
    let mut limiter = Limiter::new();
    assert!(takes(&mut limiter, RateClass::Import, Cap::Follow, NOW));
    let limits = Limits {
        limit: Some(11),
        remaining: Some(10),
        reset_unix: Some(NOW / 1000 + 30),
        date_unix: None,
    };
    limiter.on_response(RateClass::Import, Some(limits), NOW);
    assert_eq!(burst(&mut limiter, Cap::Follow, NOW + 1), 8, "two are kept to look ahead");
    let again = limiter.import_room(Cap::Follow, NOW + 1).unwrap_err();
    assert_eq!(again, NOW + 30_000);
    assert_eq!(limiter.room(Priority::Worker, Cap::Follow, NOW + 1), Ok(495));
}

#[test]
fn its_429_stops_it_alone_and_one_goes_ahead_when_that_is_over() {
    let mut limiter = Limiter::new();
    assert!(takes(&mut limiter, RateClass::Import, Cap::Unlimited, NOW));
    limiter.block_for(RateClass::Import, Some(15_000), RefusedBy::CometChat, NOW);
    assert!(takes(&mut limiter, RateClass::Core, Cap::Follow, NOW + 1));
    assert_eq!(limiter.throttled(NOW + 1), None);
    assert_eq!(limiter.import_room(Cap::Unlimited, NOW + 1), Err(NOW + 15_000));
    assert!(takes(&mut limiter, RateClass::Import, Cap::Unlimited, NOW + 15_000));
    assert!(!takes(&mut limiter, RateClass::Import, Cap::Unlimited, NOW + 15_001), "a probe");
    limiter.went_through(RateClass::Core);
    assert!(!takes(&mut limiter, RateClass::Import, Cap::Unlimited, NOW + 15_002), "not its own");
    limiter.went_through(RateClass::Import);
    assert!(takes(&mut limiter, RateClass::Import, Cap::Unlimited, NOW + 15_003));
}

#[test]
fn a_429_of_the_others_stops_it_too() {
    let mut limiter = Limiter::new();
    limiter.block_for(RateClass::Core, Some(15_000), RefusedBy::CometChat, NOW);
    assert_eq!(limiter.import_room(Cap::Follow, NOW), Err(NOW + 15_000));
    assert!(!takes(&mut limiter, RateClass::Import, Cap::Follow, NOW));
}
