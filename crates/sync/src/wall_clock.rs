//! Watches a wall clock, which somebody may set, beside one that only goes on.

use std::time::{Duration, Instant};

/// The two clocks may differ by this much from one look to the next: they are read one after the other, and
/// NTP makes a clock slower or faster by a two-thousandth.
const TOLERANCE: Duration = Duration::from_secs(1);

/// What both clocks said when they were looked at.
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

    /// By how much the wall clock was set back since an earlier look, if it was.
    pub fn set_back_since(&self, earlier: &WallClock) -> Option<Duration> {
        let went = self.at.saturating_duration_since(earlier.at).as_micros();
        let went = i64::try_from(went).unwrap_or(0);
        let missing = earlier.wall.saturating_add(went).saturating_sub(self.wall);
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
        let mut last = WallClock::new(0, start);
        let mut set_back = |wall, at| {
            let clock = WallClock::new(wall, at);
            let by = clock.set_back_since(&last);
            last = clock;
            by
        };
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(set_back(60 * SECOND, after(60)), None, "it went on");
        assert_eq!(set_back(120 * SECOND - 30_000, after(120)), None, "NTP slows it down");
        assert_eq!(set_back(9000 * SECOND, after(180)), None, "set forth, or the machine slept");
        let back = set_back(5460 * SECOND, after(240));
        assert_eq!(back, Some(Duration::from_secs(3600)));
        assert_eq!(set_back(5520 * SECOND, after(300)), None, "no second time");
        assert!(set_back(i64::MIN, after(360)).is_some(), "whatever it says");
        assert_eq!(set_back(i64::MAX, after(420)), None);
    }
}
