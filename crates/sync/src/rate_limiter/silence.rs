//! The silence after a 429: for how long, who asked for it, and how it ends.
//!
//! It ends like a circuit breaker's open state: when the time is over one request goes ahead, and
//! everybody follows if it is not refused.

/// A wait of none, or one that cannot be read, is this long, and longer each time in a row.
const SHORTEST_MS: u64 = 1_000;

/// Up to this.
const LONGEST_OF_OURS_MS: u64 = 16_000;

/// CometChat's windows last a minute, and it asks for no more. Whoever asks for longer, a proxy for a
/// day say, is asked again after this: one request in five minutes hurts nobody, and a mistake is
/// over five minutes after it was mended.
const LONGEST_MS: u64 = 300_000;

/// The request that goes ahead may take so long; then another one does.
const PROBE_MS: u64 = 1_000;

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// CometChat: the answer has its error code.
    CometChat,
    /// Something in between.
    Gateway,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Until then, in Unix milliseconds.
    pub until: u64,
    /// What was asked for, in milliseconds.
    pub asked: Option<u64>,
    /// By whom.
    pub by: RefusedBy,
}

pub(super) struct Silence {
    /// Nothing is sent before this.
    not_before: u64,
    /// What was said, until a request goes through.
    why: Option<Throttled>,
    /// One has gone ahead to see.
    probing: bool,
    /// Refusals in a row.
    strikes: u32,
}

impl Silence {
    pub const NONE: Silence = Silence { not_before: 0, why: None, probing: false, strikes: 0 };

    pub fn begin(&mut self, asked: Option<u64>, by: RefusedBy, now: u64) {
        // Those that were under way together were refused once.
        if self.why.is_none() || self.probing {
            self.strikes = self.strikes.saturating_add(1);
        }
        let least = (SHORTEST_MS << self.strikes.saturating_sub(1).min(4)).min(LONGEST_OF_OURS_MS);
        let wait = match asked.unwrap_or(0) {
            0 => least,
            ms => ms.clamp(SHORTEST_MS, LONGEST_MS),
        };
        let until = now + wait;
        // A probe's answer is the last word; others' only add to it.
        if self.probing || until >= self.not_before {
            self.not_before = until;
            self.why = Some(Throttled { until, asked, by });
        }
        self.probing = false;
    }

    /// Whether something may be sent; else when to ask again.
    pub fn check(&self, now: u64) -> Result<(), u64> {
        if now < self.not_before {
            return Err(self.not_before);
        }
        Ok(())
    }

    /// Something is sent now.
    pub fn sending(&mut self, now: u64) {
        if self.why.is_some() {
            self.probing = true;
            self.not_before = now + PROBE_MS;
        }
    }

    /// A request was answered, and not refused.
    pub fn went_through(&mut self) {
        // One that was under way when another was refused proves nothing.
        if self.probing {
            *self = Silence::NONE;
        }
    }

    /// The wait is cut short: the next request goes ahead to see.
    pub fn end(&mut self) {
        self.not_before = 0;
    }

    pub fn set_back(&mut self, back: u64) {
        self.not_before = self.not_before.saturating_sub(back);
        if let Some(why) = &mut self.why {
            why.until = why.until.saturating_sub(back);
        }
    }

    pub fn throttled(&self, now: u64) -> Option<Throttled> {
        self.why.filter(|why| now < why.until && self.not_before > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn silent_for(asked: Option<u64>) -> u64 {
        let mut silence = Silence::NONE;
        silence.begin(asked, RefusedBy::Gateway, NOW);
        silence.check(NOW).unwrap_err() - NOW
    }

    #[test]
    fn no_wait_is_longer_than_five_minutes_or_shorter_than_a_second() {
        assert_eq!(silent_for(Some(86_400_000)), 300_000);
        assert_eq!(silent_for(Some(u64::MAX)), 300_000);
        assert_eq!(silent_for(Some(15_000)), 15_000);
        assert_eq!(silent_for(Some(0)), 1_000);
        assert_eq!(silent_for(None), 1_000);
    }

    #[test]
    fn one_request_goes_ahead_and_all_follow_if_it_went_through() {
        let mut silence = Silence::NONE;
        silence.begin(Some(15_000), RefusedBy::CometChat, NOW);
        silence.went_through(); // one that was under way
        assert!(silence.check(NOW + 14_999).is_err());
        assert!(silence.check(NOW + 15_000).is_ok());
        silence.sending(NOW + 15_000);
        assert!(silence.check(NOW + 15_001).is_err(), "one");
        silence.went_through();
        assert!(silence.check(NOW + 15_002).is_ok());
        assert_eq!(silence.throttled(NOW + 15_002), None);
    }

    #[test]
    fn a_probe_whose_answer_is_lost_is_followed_by_another() {
        let mut silence = Silence::NONE;
        silence.begin(None, RefusedBy::CometChat, NOW);
        silence.end();
        assert!(silence.check(NOW).is_ok());
        silence.sending(NOW);
        assert!(silence.check(NOW + 999).is_err());
        assert!(silence.check(NOW + 1_000).is_ok());
    }

    #[test]
    fn refusals_in_a_row_take_longer_and_those_of_one_burst_count_once() {
        let mut silence = Silence::NONE;
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..6 {
            for _ in 0..16 {
                silence.begin(None, RefusedBy::CometChat, now);
            }
            let until = silence.check(now).unwrap_err();
            waits.push(until - now);
            now = until;
            silence.sending(now);
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
    }
}
