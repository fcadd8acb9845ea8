//! How many requests CometChat allows, followed from what its answers announce.
//!
//! Pure arithmetic on milliseconds that the caller gives; it is shared by the worker's threads and
//! all sessions. Per class of operation: while nothing was announced, `FIRST_LIMIT` in any minute;
//! once answers carry the limit's headers, what they say is left, less what is under way. (A hard
//! cap is the operator's, who does not ask for classes: it counts all together.) When the window
//! should be over, one request goes ahead and its answer says whether it is: the last
//! percents of a window are never used up by the worker, so that this request is not refused.

use cometchat::{Limits, RateClass};

/// The smallest plan's limit, per minute ("Rate limits", REST API).
const FIRST_LIMIT: u32 = 500;

/// Of 100 requests, those that the worker leaves to callers who wait, and to look ahead.
const RESERVE_PERCENT: u32 = 3;

/// Between two looks at whether the window is over.
const LOOK_AGAIN_MS: u64 = 100;

/// Never wait longer than this for a window, whatever was announced.
const LONGEST_WINDOW_MS: u64 = 120_000;

const BUCKETS: usize = 60;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody waits for the answer.
    Interactive,
    /// The queue.
    Worker,
}

/// `cometchat.rate_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Follow what is announced.
    Follow,
    /// A hard cap per minute on top.
    Hard(u32),
    /// None at all, but for `Retry-After`.
    Unlimited,
}

impl From<i32> for Cap {
    fn from(setting: i32) -> Self {
        match u32::try_from(setting) {
            Ok(0) => Cap::Follow,
            Ok(cap) => Cap::Hard(cap),
            Err(_) => Cap::Unlimited,
        }
    }
}

/// The limiter of one database.
pub struct Limiter {
    /// Nothing is sent before this, by anybody.
    not_before: u64,
    /// The latest moment seen.
    latest: u64,
    /// Requests of all classes.
    sent: Sent,
    core: Window,
    standard: Window,
    import: Window,
}

/// One class of operations.
struct Window {
    announced: bool,
    limit: u32,
    /// The least that an answer of this window said is left. Answers overtake each other: what is
    /// left for sure is this, less all that is under way.
    lowest: i64,
    /// When the window ends, by our clock.
    ends: u64,
    /// The announced end, to tell older answers from newer ones.
    announced_end: u64,
    /// A request is under way that looks whether the window is over.
    looking: bool,
    /// Under way, taken in this window.
    in_flight: u32,
    /// Under way, taken in the window before: CometChat may count them in either.
    before: u32,
    sent: Sent,
}

/// Requests per second of the last minute.
struct Sent {
    buckets: [u32; BUCKETS],
    /// The second of the newest bucket.
    second: u64,
}

impl Limiter {
    pub const fn new() -> Self {
        const WINDOW: Window = Window {
            announced: false,
            limit: FIRST_LIMIT,
            lowest: 0,
            ends: 0,
            announced_end: 0,
            looking: false,
            in_flight: 0,
            before: 0,
            sent: Sent::NONE,
        };
        let (core, standard, import) = (WINDOW, WINDOW, WINDOW);
        Limiter { not_before: 0, latest: 0, sent: Sent::NONE, core, standard, import }
    }

    /// Takes one request, or says when to ask again.
    pub fn take(&mut self, class: RateClass, asker: Asker, cap: Cap, now: u64) -> Result<(), u64> {
        self.follow_clock(now);
        if now < self.not_before {
            return Err(self.not_before);
        }
        if let Cap::Hard(cap) = cap {
            self.sent.fewer_than(cap, now)?;
        }
        let window = self.window(class);
        match cap {
            Cap::Unlimited | Cap::Hard(_) => {}
            Cap::Follow if !window.announced => window.sent.fewer_than(window.limit, now)?,
            Cap::Follow => window.following(asker, now)?,
        }
        window.sent.count(now);
        window.in_flight += 1;
        self.sent.count(now);
        Ok(())
    }

    /// When the worker may create the next user, as far as can be told; `now` if it may now.
    pub fn earliest(&mut self, cap: Cap, now: u64) -> u64 {
        self.follow_clock(now);
        if now < self.not_before {
            return self.not_before;
        }
        let window = &mut self.core;
        let may = match cap {
            Cap::Unlimited => Ok(()),
            Cap::Hard(cap) => self.sent.fewer_than(cap, now),
            Cap::Follow if !window.announced => window.sent.fewer_than(window.limit, now),
            Cap::Follow if now >= window.ends || window.left() > window.reserve(Asker::Worker) => {
                Ok(())
            }
            Cap::Follow => Err(window.ends),
        };
        may.err().unwrap_or(now)
    }

    /// Hears of a request that ended, however it did.
    pub fn heard(&mut self, class: RateClass, limits: Option<Limits>, now: u64) {
        self.follow_clock(now);
        let window = self.window(class);
        let announced = limits.and_then(|l| Some((l.limit?, l.remaining?, l.reset_unix)));
        let Some((limit, left, end)) = announced else {
            window.has_landed(false);
            window.lowest -= 1; // CometChat may have counted it
            return;
        };
        let end = end.unwrap_or(0);
        // Rounding may move the announced end of one and the same window by a second.
        let of_before = window.announced && end.saturating_add(1) < window.announced_end;
        window.has_landed(of_before);
        if of_before {
            return; // an answer from the window before
        }
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        let is_another = end > window.announced_end.saturating_add(1);
        let is_new = !window.announced
            || is_another
            || (window.looking && (end > window.announced_end || end == 0));
        if window.announced && (is_another || (is_new && end == 0)) {
            // Whoever has died without telling is forgotten with the window after.
            window.before = std::mem::take(&mut window.in_flight);
        }
        window.limit = u32::try_from(limit).unwrap_or(u32::MAX);
        window.lowest = if is_new { left } else { window.lowest.min(left) };
        if is_new || window.ends <= now {
            window.announced = true;
            window.looking = false;
            window.announced_end = end;
            window.ends = match end.saturating_mul(1000) {
                0 => now + LONGEST_WINDOW_MS / 2,
                end => end.clamp(now + LOOK_AGAIN_MS, now + LONGEST_WINDOW_MS),
            };
        }
    }

    /// CometChat refused: nothing is sent for `wait` milliseconds.
    pub fn refused(&mut self, wait: u64, now: u64) {
        self.follow_clock(now);
        self.not_before = self.not_before.max(now + wait.min(24 * 3_600_000));
    }

    /// The limit in force, per window.
    pub fn limit(&self, cap: Cap) -> Option<u32> {
        match cap {
            Cap::Unlimited => None,
            Cap::Hard(cap) => Some(cap),
            Cap::Follow => Some(self.core.limit),
        }
    }

    /// Where the wall clock was set back, what lay ahead lies as far ahead as before. (By more than a
    /// minute: callers who read it one after the other may come here in another order.)
    fn follow_clock(&mut self, now: u64) {
        let back = self.latest.saturating_sub(now);
        if back <= 60_000 {
            self.latest = self.latest.max(now);
            return;
        }
        self.latest = now;
        self.not_before = self.not_before.saturating_sub(back);
        self.sent = Sent::NONE;
        for window in [&mut self.core, &mut self.standard, &mut self.import] {
            window.ends = window.ends.saturating_sub(back);
            window.sent = Sent::NONE;
        }
    }

    fn window(&mut self, class: RateClass) -> &mut Window {
        match class {
            RateClass::Core => &mut self.core,
            RateClass::Standard => &mut self.standard,
            RateClass::Import => &mut self.import,
        }
    }
}

impl Window {
    /// What the answers said is left.
    fn following(&mut self, asker: Asker, now: u64) -> Result<(), u64> {
        if now >= self.ends {
            // The window should be over: one request goes ahead to see.
            self.ends = now + LOOK_AGAIN_MS;
            self.looking = true;
            self.lowest = 0;
            return Ok(());
        }
        if self.left() <= self.reserve(asker) {
            return Err(self.ends);
        }
        Ok(())
    }

    /// A request is not under way any more: one of the window before, or most likely of this one.
    fn has_landed(&mut self, of_before: bool) {
        let (its, other) = match of_before {
            true => (&mut self.before, &mut self.in_flight),
            false => (&mut self.in_flight, &mut self.before),
        };
        match its.checked_sub(1) {
            Some(rest) => *its = rest,
            None => *other = other.saturating_sub(1),
        }
    }

    /// What is left for sure.
    fn left(&self) -> i64 {
        self.lowest - i64::from(self.in_flight) - i64::from(self.before)
    }

    /// What this asker leaves.
    fn reserve(&self, asker: Asker) -> i64 {
        match asker {
            Asker::Interactive => 0,
            Asker::Worker => i64::from((self.limit / 100 * RESERVE_PERCENT).max(2)),
        }
    }
}

impl Sent {
    const NONE: Sent = Sent { buckets: [0; BUCKETS], second: 0 };

    /// Whether there were fewer than `limit` in the last minute; else, when there will be.
    fn fewer_than(&mut self, limit: u32, now: u64) -> Result<(), u64> {
        self.slide(now);
        let sent: u32 = self.buckets.iter().sum();
        if sent < limit {
            return Ok(());
        }
        // Until the oldest second with requests in it is a minute ago.
        let oldest = (0..BUCKETS as u64)
            .rev()
            .find(|age| self.buckets[self.bucket(self.second.saturating_sub(*age))] > 0)
            .unwrap_or(0);
        Err((self.second.saturating_sub(oldest) + BUCKETS as u64) * 1000)
    }

    fn count(&mut self, now: u64) {
        self.slide(now);
        let bucket = self.bucket(self.second);
        self.buckets[bucket] += 1;
    }

    fn slide(&mut self, now: u64) {
        let second = now / 1000;
        let gone = second.saturating_sub(self.second).min(BUCKETS as u64);
        for age in 0..gone {
            let bucket = self.bucket(second - age);
            self.buckets[bucket] = 0;
        }
        self.second = self.second.max(second);
    }

    fn bucket(&self, second: u64) -> usize {
        (second % BUCKETS as u64) as usize
    }
}

#[cfg(any(test, feature = "pg_test"))]
mod test;
