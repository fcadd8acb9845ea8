//! When a window ends by our clock, whose end is announced by CometChat's.
//!
//! An answer's `Date` says what its clock showed, to the second. Where there is none, the clocks are
//! taken to agree until something shows that they do not: a window that goes on after its end. An end
//! that lies in the past, or further ahead than a window is long, is of no use: then a whole window is
//! waited for, and no longer.

/// Between two looks at whether the window is over.
pub(super) const LOOK_AGAIN_MS: u64 = 100;

/// A window's length ("Rate limits", REST API).
pub(super) const WINDOW_MS: u64 = 60_000;

/// A `Date` is cut to the second, and its answer was on the way. If it is older than that, a clock was
/// set, or the answer was slow: both are cautiously believed until the next one.
const OLDEST_MS: i64 = 2_500;

/// What a `Date` of the same clock may be behind.
const AGREE_MS: i64 = 1_200;

/// An end may have passed while its answer was on the way. Where the clocks may differ, a little.
const ON_THE_WAY_MS: u64 = 2_000;

/// Numbers below this are no moment but seconds from now.
const SECONDS_FROM_NOW: u64 = 100_000;

/// Numbers above this are milliseconds.
const MILLISECONDS: u64 = 100_000_000_000;

/// What is known of CometChat's clock.
pub(super) struct Clock {
    /// How far it is ahead of ours, in milliseconds, at least: the true value is a little more (a
    /// `Date` is cut to the second, and is read when its answer has arrived). So ends are never
    /// expected too early.
    ahead: Option<i64>,
    /// A window went on after its end.
    differs: bool,
}

impl Clock {
    pub const UNKNOWN: Clock = Clock { ahead: None, differs: false };

    /// An answer that arrived now was dated so, in Unix seconds.
    pub fn seen(&mut self, date: u64, now: u64) {
        let least = signed(date.saturating_mul(1000)) - signed(now);
        self.ahead = match self.ahead {
            Some(ahead) if ahead > least && ahead - least < OLDEST_MS => Some(ahead),
            _ => Some(least),
        };
    }

    /// A window was still the current one just now, though by its end it should be over.
    pub fn not_over(&mut self, end: u64, now: u64) {
        let most = signed(end) - signed(now);
        if most < self.ahead.unwrap_or(0) {
            self.ahead = Some(most);
            self.differs = true;
        }
    }

    /// Ours was set back.
    pub fn set_back(&mut self, back: u64) {
        self.ahead = self.ahead.map(|ahead| ahead + signed(back));
    }

    /// The moment a reset header means, in milliseconds by CometChat's clock; 0 where it means none.
    pub fn announced(&self, reset: u64, now: u64) -> u64 {
        match reset {
            0 => 0,
            seconds if seconds < SECONDS_FROM_NOW => {
                (now + seconds * 1000).saturating_add_signed(self.ahead.unwrap_or(0))
            }
            ms if ms > MILLISECONDS * 1000 => ms / 1000, // microseconds
            ms if ms > MILLISECONDS => ms,
            seconds => seconds * 1000,
        }
    }

    /// That moment by our clock, in the future and no further ahead than a window is long.
    pub fn ours(&self, end: u64, now: u64) -> u64 {
        let longest = now + WINDOW_MS;
        // Clocks that may agree do, as most are set by the same time: all who share a limit then look
        // at the same moment.
        let may_agree = |ahead: &i64| !self.differs && (-AGREE_MS..=0).contains(ahead);
        let ahead = self.ahead.filter(|ahead| !may_agree(ahead)).unwrap_or(0);
        let ours = end.saturating_add_signed(-ahead);
        let late = if self.ahead.is_some() { WINDOW_MS } else { ON_THE_WAY_MS };
        let is_useless = end == 0 || ours + late <= now || ours > longest + 2_000;
        if is_useless {
            longest
        } else {
            ours.clamp(now + LOOK_AGAIN_MS, longest + 2_000)
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
