//! What `health()` tells of the recent past: the last success, CometChat's clock, warnings, ends of the
//! worker. The server's log has some of it, and cannot be read everywhere.
//!
//! SECURITY: what is noted here can be read by every operator: no key, token, name or e-mail.

use cometchat::{Exchange, Limits, RateClass};
use sync::policy::unix_ms;

use super::spin_lock::SpinLock;

/// Warnings that are kept.
const WARNINGS: usize = 8;

/// Bytes of a warning that are kept.
const MAX_WARNING: usize = 200;

/// Ends of the worker that are kept.
const ENDS: usize = 8;

/// Of one database, since the server's start. Times are Unix milliseconds; 0 is never.
#[derive(Clone, Copy)]
pub struct Signs {
    /// The last request that CometChat performed.
    pub succeeded_at: u64,
    /// The first 429 after it.
    pub refused_since: u64,
    /// How far CometChat's clock is ahead of this server's, in seconds, and when that was seen.
    pub clock_ahead: i64,
    pub clock_seen_at: u64,
    /// The limit that was announced last for creating and deleting users, and for everything else.
    announced: [Option<(u64, Limits)>; 2],
    /// The latest ends of the worker that it did not choose, in any order.
    ends: [u64; ENDS],
    /// The latest warnings, in any order.
    warnings: [Warning; WARNINGS],
}

/// A line that the log has too.
#[derive(Clone, Copy)]
struct Warning {
    at: u64,
    times: u32,
    length: usize,
    text: [u8; MAX_WARNING],
}

const NONE: Warning = Warning { at: 0, times: 0, length: 0, text: [0; MAX_WARNING] };

impl Signs {
    pub(super) const fn new() -> Self {
        Signs {
            succeeded_at: 0,
            refused_since: 0,
            clock_ahead: 0,
            clock_seen_at: 0,
            announced: [None; 2],
            ends: [0; ENDS],
            warnings: [NONE; WARNINGS],
        }
    }

    /// The worker ended, and not by its own choice.
    fn end(&mut self, now: u64) {
        if let Some(oldest) = self.ends.iter_mut().min() {
            *oldest = now;
        }
    }

    /// How often that happened in the last so many milliseconds.
    pub fn ends_within(&self, time: u64, now: u64) -> usize {
        self.ends.iter().filter(|end| **end != 0 && **end + time > now).count()
    }

    /// A warning that is there already is counted, else the oldest makes room.
    fn warn(&mut self, text: &str, now: u64) {
        let mut length = text.len().min(MAX_WARNING);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let text = &text.as_bytes()[..length];
        let same = self.warnings.iter().position(|w| w.times > 0 && w.text[..w.length] == *text);
        let oldest = || (0..WARNINGS).min_by_key(|n| self.warnings[*n].at);
        let Some(at) = same.or_else(oldest) else { return };
        let warning = &mut self.warnings[at];
        if same.is_none() {
            *warning = Warning { length, ..NONE };
            warning.text[..length].copy_from_slice(text);
        }
        warning.at = now;
        warning.times = warning.times.saturating_add(1);
    }

    /// The warnings, the latest first: when, how often, what.
    pub fn warnings(&self) -> Vec<(u64, u32, String)> {
        let mut known: Vec<_> = self.warnings.iter().filter(|w| w.times > 0).collect();
        known.sort_by_key(|warning| std::cmp::Reverse(warning.at));
        let text = |w: &Warning| String::from_utf8_lossy(&w.text[..w.length]).into_owned();
        known.into_iter().map(|w| (w.at, w.times, text(w))).collect()
    }

    /// What was announced last for a class: when, and the limit.
    pub fn announced(&self, class: RateClass) -> Option<(u64, Limits)> {
        self.announced.get(index(class)?).copied().flatten()
    }
}

fn index(class: RateClass) -> Option<usize> {
    match class {
        RateClass::Core => Some(0),
        RateClass::Standard => Some(1),
        RateClass::Import => None,
    }
}

/// Notes what one answer tells.
pub fn note_answer(signs: &SpinLock<Signs>, exchange: &Exchange<'_>, now: u64) {
    signs.with(|signs| {
        if exchange.failure.is_none() {
            signs.succeeded_at = now;
            signs.refused_since = 0;
        } else if exchange.is_rate_limited()
            && exchange.operation.class() != RateClass::Import
            && signs.refused_since == 0
        {
            signs.refused_since = now;
        }
        if let Some(date) = exchange.date_unix {
            let ahead = i128::from(date) - i128::from(now / 1000);
            signs.clock_ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
            signs.clock_seen_at = now;
        }
        if let (Some(limits), Some(at)) = (exchange.limits, index(exchange.operation.class())) {
            signs.announced[at] = Some((now, limits));
        }
    });
}

/// Notes a line that an operator should see, wherever the log goes.
pub fn warn(signs: &SpinLock<Signs>, text: &str) {
    let now = unix_ms();
    signs.with(|signs| signs.warn(text, now));
}

/// Notes that the worker ended, and not by its own choice.
pub fn worker_ended(signs: &SpinLock<Signs>) {
    let now = unix_ms();
    signs.with(|signs| signs.end(now));
}

/// Forgets the warnings and the worker's ends.
pub fn clear_warnings(signs: &SpinLock<Signs>) {
    signs.with(|signs| {
        signs.ends = [0; ENDS];
        signs.warnings = [NONE; WARNINGS];
    });
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    #[pg_test]
    fn the_same_warning_is_counted_and_the_oldest_makes_room() {
        let mut signs = Signs::new();
        signs.warn("again", 1);
        signs.warn("again", 2);
        assert_eq!(signs.warnings(), [(2, 2, "again".to_owned())]);
        for n in 0..WARNINGS as u64 {
            signs.warn(&format!("{n}"), 10 + n);
        }
        let kept = signs.warnings();
        assert_eq!(kept.len(), WARNINGS);
        assert_eq!(kept[0].2, "7");
        assert!(kept.iter().all(|(_, _, text)| text != "again"));
        let long = "\u{e4}".repeat(MAX_WARNING);
        signs.warn(&format!("x{long}"), 99);
        assert_eq!(
            signs.warnings()[0].2.chars().count(),
            MAX_WARNING / 2,
            "cut between characters"
        );
    }

    #[pg_test]
    fn ends_are_counted_for_a_while() {
        let mut signs = Signs::new();
        (1..=20).for_each(|second| signs.end(second * 1000));
        assert_eq!(signs.ends_within(3_000, 20_000), 3);
        assert_eq!(signs.ends_within(60_000, 20_000), ENDS);
        assert_eq!(signs.ends_within(60_000, 120_000), 0);
    }
}
