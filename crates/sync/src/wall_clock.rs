//! Watches a wall clock, which somebody may set, beside one that only goes on.

use std::time::{Duration, Instant};

/// The two clocks may differ by this much from one look to the next: they are read one after the other, and
/// NTP makes a clock slower or faster by a two-thousandth.
const TOLERANCE: Duration = Duration::from_secs(1);

/// What both clocks said when they were looked at last.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// Microseconds since any moment.
    wall: i64,
    at: Instant,
}

impl WallClock {
    /// The wall clock says `wall`, in microseconds.
    pub fn new(wall: i64, at: Instant) -> WallClock {
        WallClock { wall, at }
    }

    /// By how much it was set back since the last look, if it was.
    pub fn set_back(&mut self, wall: i64, at: Instant) -> Option<Duration> {
        let last = std::mem::replace(self, WallClock { wall, at });
        let went = i64::try_from(at.saturating_duration_since(last.at).as_micros()).unwrap_or(0);
        let missing = last.wall.saturating_add(went).saturating_sub(wall);
        let missing = Duration::from_micros(u64::try_from(missing).unwrap_or(0));
        (missing > TOLERANCE).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_step_back_is_seen_once_and_nothing_else() {
        let start = Instant::now();
        let mut clock = WallClock::new(0, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(clock.set_back(60 * SECOND, after(60)), None, "it went on");
        assert_eq!(clock.set_back(120 * SECOND - 30_000, after(120)), None, "NTP slows it down");
        assert_eq!(
            clock.set_back(9000 * SECOND, after(180)),
            None,
            "set forth, or the machine slept"
        );
        let back = clock.set_back(5460 * SECOND, after(240));
        assert_eq!(back, Some(Duration::from_secs(3600)));
        assert_eq!(clock.set_back(5520 * SECOND, after(300)), None, "no second time");
        assert!(clock.set_back(i64::MIN, after(360)).is_some(), "whatever it says");
        assert_eq!(clock.set_back(i64::MAX, after(420)), None);
    }
}
