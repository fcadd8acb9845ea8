//! The limiter, at moments that are given to it.

mod tests {
    use super::super::*;

    const NOW: u64 = 1_000_000_000;

    fn take(limiter: &mut Limiter, priority: Priority, now: u64) -> bool {
        limiter.take(RateClass::Core, priority, Cap::Follow, now).is_ok()
    }

    fn ten_under_way() -> Limiter {
        let mut limiter = Limiter::new();
        assert!((0..10).all(|_| take(&mut limiter, Priority::Worker, NOW)));
        limiter
    }

    fn announce(limiter: &mut Limiter, remaining: u64, reset: u64, now: u64) {
        let limits = Limits {
            limit: Some(1000),
            remaining: Some(remaining),
            reset_unix: Some(reset),
            date_unix: None,
        };
        limiter.on_response(RateClass::Core, Some(limits), now);
    }

    #[test]
    fn five_hundred_a_minute_until_something_is_announced() {
        let mut limiter = Limiter::new();
        let sent = (0..2000).filter(|_| take(&mut limiter, Priority::Worker, NOW)).count();
        assert_eq!(sent, 495, "the rest is left to callers");
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW)).count();
        assert_eq!(more, 5);
        assert!(!take(&mut limiter, Priority::Worker, NOW + 59_000));
        assert!(take(&mut limiter, Priority::Worker, NOW + 60_000));
    }

    #[test]
    fn the_announced_rest_is_used_but_for_a_reserve_that_callers_may_have() {
        let mut limiter = Limiter::new();
        assert!(take(&mut limiter, Priority::Worker, NOW));
        announce(&mut limiter, 999, NOW / 1000 + 60, NOW);
        let sent = (0..2000).filter(|_| take(&mut limiter, Priority::Worker, NOW + 1)).count();
        assert_eq!(sent, 974);
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 1)).count();
        assert_eq!(more, 25);
    }

    #[test]
    fn answers_that_overtake_each_other_do_not_make_the_rest_larger() {
        let mut limiter = Limiter::new();
        let sent = (0..16).filter(|_| take(&mut limiter, Priority::Worker, NOW)).count();
        assert_eq!(sent, 16);
        for remaining in (984..1000).rev() {
            // the answer to the last comes first
            announce(&mut limiter, 1983 - remaining, NOW / 1000 + 60, NOW + 1);
        }
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 2)).count();
        assert_eq!(more, 984);
    }

    #[test]
    fn one_request_looks_whether_a_new_window_has_begun() {
        let mut limiter = Limiter::new();
        assert!(take(&mut limiter, Priority::Worker, NOW));
        announce(&mut limiter, 30, NOW / 1000 + 2, NOW);
        assert!(!take(&mut limiter, Priority::Worker, NOW + 1_999));
        assert!(take(&mut limiter, Priority::Worker, NOW + 2_000));
        assert!(!take(&mut limiter, Priority::Worker, NOW + 2_050));
        announce(&mut limiter, 29, NOW / 1000 + 2, NOW + 2_060); // not yet
        assert!(!take(&mut limiter, Priority::Worker, NOW + 2_070));
        assert!(take(&mut limiter, Priority::Worker, NOW + 2_170));
        announce(&mut limiter, 999, NOW / 1000 + 4, NOW + 2_180);
        assert!(take(&mut limiter, Priority::Worker, NOW + 2_190));
        assert!(take(&mut limiter, Priority::Worker, NOW + 2_191));
    }

    #[test]
    fn what_was_allowed_in_a_window_and_not_heard_of_may_count_in_the_next() {
        let mut limiter = ten_under_way();
        announce(&mut limiter, 999, NOW / 1000 + 2, NOW); // nine are late
        assert!(take(&mut limiter, Priority::Worker, NOW + 2_000));
        announce(&mut limiter, 999, NOW / 1000 + 4, NOW + 2_010);
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 2_020));
        assert_eq!(more.count(), 990);
        for _ in 0..990 {
            limiter.on_response(RateClass::Core, None, NOW + 2_030);
        }
        // Whoever died without telling is forgotten with the window after.
        assert!(take(&mut limiter, Priority::Worker, NOW + 4_000));
        announce(&mut limiter, 999, NOW / 1000 + 6, NOW + 4_010);
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 4_020));
        assert_eq!(more.count(), 999);
    }

    #[test]
    fn a_look_at_the_same_windows_rounded_end_forgets_nobody() {
        let mut limiter = ten_under_way();
        announce(&mut limiter, 999, NOW / 1000 + 2, NOW); // nine are late
        for second in [2, 3] {
            assert!(take(&mut limiter, Priority::Worker, NOW + second * 1000), "a look");
            let (left, end) = if second == 2 { (0, 3) } else { (999, 63) };
            announce(&mut limiter, left, NOW / 1000 + end, NOW + second * 1000 + 10);
        }
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 3_020));
        assert_eq!(more.count(), 990);
    }

    #[test]
    fn answers_from_before_the_first_window_that_was_announced_count() {
        let mut limiter = ten_under_way();
        announce(&mut limiter, 999, NOW / 1000 + 60, NOW);
        for left in 990..999 {
            announce(&mut limiter, left, NOW / 1000 + 1, NOW);
        }
        let more = (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 1)).count();
        assert_eq!(more, 999);
    }

    #[test]
    fn an_end_that_is_rounded_now_up_and_now_down_is_one_window() {
        for ends in [[2, 1], [1, 2]] {
            let mut limiter = ten_under_way();
            announce(&mut limiter, 999, NOW / 1000 + ends[0], NOW);
            for left in (990..999).rev() {
                announce(&mut limiter, left, NOW / 1000 + ends[1], NOW);
            }
            let more =
                (0..2000).filter(|_| take(&mut limiter, Priority::Interactive, NOW + 1)).count();
            assert_eq!(more, 990, "{ends:?}");
        }
    }

    #[test]
    fn retry_after_stops_everybody() {
        let mut limiter = Limiter::new();
        limiter.block_for(RateClass::Core, Some(15_000), RefusedBy::CometChat, NOW);
        assert!(!take(&mut limiter, Priority::Interactive, NOW + 14_999));
        assert!(take(&mut limiter, Priority::Worker, NOW + 15_000));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody() {
        const BACK: u64 = NOW - 3_600_000;
        let mut limiter = Limiter::new();
        assert_eq!((0..2000).filter(|_| take(&mut limiter, Priority::Worker, NOW)).count(), 495);
        assert!(!take(&mut limiter, Priority::Worker, NOW - 30_000), "read the clock a while ago");
        assert_eq!((0..2000).filter(|_| take(&mut limiter, Priority::Worker, BACK)).count(), 495);
        // What was asked for, or announced, is waited for, and no longer.
        limiter.block_for(RateClass::Core, Some(15_000), RefusedBy::CometChat, NOW);
        assert_eq!(limiter.room(Priority::Worker, Cap::Follow, BACK), Err(BACK + 15_000));
        announce(&mut limiter, 0, NOW / 1000 + 60, NOW);
        assert_eq!(limiter.room(Priority::Worker, Cap::Follow, BACK), Err(BACK + 60_000));
        assert!(take(&mut limiter, Priority::Worker, BACK + 60_000));
    }

    #[test]
    fn a_hard_cap_holds_and_none_is_none() {
        let mut limiter = Limiter::new();
        let mut sent = |cap: i32| {
            (0..1500)
                .filter(|_| {
                    limiter.take(RateClass::Core, Priority::Worker, cap.into(), NOW).is_ok()
                })
                .count()
        };
        assert_eq!(sent(7), 7);
        assert_eq!(sent(-1), 1500);
    }

    #[test]
    fn a_hard_cap_counts_all_classes_together() {
        let mut limiter = Limiter::new();
        let mut take = |class| limiter.take(class, Priority::Worker, Cap::Hard(3), NOW).is_ok();
        assert!(take(RateClass::Core) && take(RateClass::Standard) && take(RateClass::Core));
        assert!(!take(RateClass::Standard) && !take(RateClass::Core));
        assert_eq!(limiter.room(Priority::Worker, Cap::Hard(3), NOW), Err(NOW + 60_000));
    }
}
