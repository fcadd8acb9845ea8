//! One class of operations: what is left of the window that CometChat announces.

use super::clock::{Clock, LOOK_AGAIN_MS, WINDOW_MS};
use super::priority::{reserve, Priority, BACKLOG_RESERVE_PERCENT};
use super::recent::Recent;
use cometchat::Limits;

/// The announced end of one and the same window may be rounded now up and now down.
const ROUNDING_MS: u64 = 1_000;

/// Where somebody else uses the limit too, what was said longer ago is asked for again before
/// several requests go at once.
const FRESH_MS: u64 = 250;

/// And so many more are left, at most one in twenty.
const OTHERS: u32 = 16;

/// What others have under way is not known; they are taken to have as many times more as CometChat
/// has counted more than we sent, up to this.
const MOST_SHARES: u32 = 8;

/// Ends are announced to the second, and looked for up to two later. So for this part of a window that
/// was waited for, 2.5 s of a minute, the queue takes no more than a quarter: others may be waiting too, and
/// would find it used up each time. Nothing is lost by it.
const FIRST_PART: u64 = 24;

/// When some of what is under way will have landed.
const SOON_MS: u64 = 20;

/// Which window an answer is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// The one before.
    Older,
    Same,
    /// Another one; `follows`: it has followed the one that is known.
    Newer {
        follows: bool,
    },
}

pub(super) struct Window {
    pub announced: bool,
    pub limit: u32,
    /// The least that an answer of this window said is left. Answers overtake each other: what is
    /// left for sure is this, less all that is under way.
    remaining: i64,
    /// When the window ends, by our clock.
    pub ends: u64,
    /// The announced end by CometChat's, to tell older answers from newer ones.
    announced_end: u64,
    /// A request is under way that probes whether the window is over.
    probing: bool,
    /// Looks at this window.
    probes: u32,
    /// Under way, taken in this window.
    in_flight: u32,
    /// Under way, taken in the window before: CometChat may count them in either.
    in_flight_previous: u32,
    /// Taken in this window, and those before that it may have counted.
    taken: u32,
    /// Until then three quarters of it are left to others.
    throttled_until: u64,
    /// When CometChat last said what is left.
    last_response: u64,
    /// How many times more CometChat counted than we sent, in this window and the one before: 1 where
    /// nobody else uses the limit.
    shares: u32,
    shares_before: u32,
    pub recent: Recent,
}

impl Window {
    /// One of which nothing is known but the limit that documents name.
    pub const fn of(limit: u32) -> Window {
        Window {
            announced: false,
            limit,
            remaining: 0,
            ends: 0,
            announced_end: 0,
            probing: false,
            probes: 0,
            in_flight: 0,
            in_flight_previous: 0,
            taken: 0,
            throttled_until: 0,
            last_response: 0,
            shares: 1,
            shares_before: 1,
            recent: Recent::NONE,
        }
    }

    /// Whether a request may go, by what the answers said is left; else, when to ask again.
    pub fn take_announced(&mut self, priority: Priority, now: u64) -> Result<(), u64> {
        if now >= self.ends {
            // The window should be over: one request goes ahead to see. Each look costs one of the
            // few that are left, so they come ever more rarely.
            self.ends = now + (LOOK_AGAIN_MS << (2 * self.probes.min(3)));
            self.probes += 1;
            self.probing = true;
            self.remaining = 0;
            return Ok(());
        }
        self.room_announced(priority, now)?;
        let is_stale = now.saturating_sub(self.last_response) > FRESH_MS;
        if priority != Priority::Interactive && self.is_shared() && is_stale && self.in_flight > 0 {
            return Err(now + SOON_MS);
        }
        Ok(())
    }

    /// A request is sent.
    pub fn sending(&mut self, now: u64) {
        self.recent.count(now);
        self.in_flight += 1;
        self.taken = self.taken.saturating_add(1);
    }

    /// How many requests the queue may send, as far as can be told; if none, when to ask again.
    pub fn room(&mut self, priority: Priority, now: u64) -> Result<u32, u64> {
        match self.announced {
            false => self.recent.room(self.limit, priority, now),
            true if now >= self.ends => Ok(1), // to look whether it is over
            true => self.room_announced(priority, now),
        }
    }

    /// How much is left of this window; if nothing, when to ask again.
    fn room_announced(&self, priority: Priority, now: u64) -> Result<u32, u64> {
        let under_way = i64::from(self.in_flight) + i64::from(self.in_flight_previous);
        let left = self.remaining - self.reserve(priority);
        if left <= under_way {
            return Err(self.ends);
        }
        if priority == Priority::Interactive {
            return Ok(number(left - under_way));
        }
        if now < self.throttled_until && self.taken >= self.limit / 4 {
            return Err(self.throttled_until);
        }
        let room = left - under_way * i64::from(self.shares());
        if room <= 0 {
            return Err(self.ends.min(now + SOON_MS)); // others have some under way too
        }
        if priority == Priority::Worker {
            return Ok(number(room));
        }
        let kept = self.kept_from_the_backlog(now);
        if room > kept {
            return Ok(number(room - kept));
        }
        Err(self.when_kept_is_below(room).max(now + SOON_MS).min(self.ends))
    }

    /// What the backlog leaves to people, besides the reserve: less, the less of the window is left.
    fn kept_from_the_backlog(&self, now: u64) -> i64 {
        let time_left = self.ends.saturating_sub(now).min(WINDOW_MS);
        let all = u64::from(self.limit) * u64::from(BACKLOG_RESERVE_PERCENT) / 100;
        number_of(all * time_left / WINDOW_MS)
    }

    /// When that is less than `room`.
    fn when_kept_is_below(&self, room: i64) -> u64 {
        let all = (u64::from(self.limit) * u64::from(BACKLOG_RESERVE_PERCENT) / 100).max(1);
        let below = u64::try_from(room - 1).unwrap_or(0);
        self.ends.saturating_sub(below * WINDOW_MS / all)
    }

    /// Hears of a request that ended, however it did.
    pub fn on_response(&mut self, limits: Option<Limits>, clock: &mut Clock, now: u64) {
        let announced = limits.and_then(|l| Some((l.limit?, l.remaining?, l.reset_unix)));
        let Some((limit, left, reset)) = announced else {
            self.on_complete(false);
            self.remaining -= 1; // CometChat may have counted it
            return;
        };
        let end = clock.announced(reset.unwrap_or(0), now);
        let window = self.classify(end);
        self.on_complete(window == Announced::Older);
        if window != Announced::Older {
            self.apply(window, limit, left, end, clock, now);
        }
    }

    /// Which window an answer is about.
    fn classify(&self, end: u64) -> Announced {
        if !self.announced {
            return Announced::Newer { follows: false };
        }
        if end != 0 && end.saturating_add(ROUNDING_MS) < self.announced_end {
            return Announced::Older;
        }
        let is_another = end > self.announced_end.saturating_add(ROUNDING_MS);
        let is_probed = self.probing && (end > self.announced_end || end == 0);
        match is_another || is_probed {
            true => Announced::Newer { follows: is_another || end == 0 },
            false => Announced::Same,
        }
    }

    /// Takes over what an answer says of this window, or of the next.
    fn apply(
        &mut self,
        window: Announced,
        limit: u64,
        left: u64,
        end: u64,
        clock: &mut Clock,
        now: u64,
    ) {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        let is_new = window != Announced::Same;
        if window == (Announced::Newer { follows: true }) {
            // A process that died without telling is forgotten with the window after.
            self.in_flight_previous = std::mem::take(&mut self.in_flight);
        }
        if !is_new && self.probing && end != 0 {
            clock.not_over(end, now);
        }
        self.limit = limit;
        self.remaining = if is_new { left } else { self.remaining.min(left) };
        self.last_response = now;
        if is_new && self.announced {
            self.taken = self.in_flight_previous.saturating_add(self.in_flight).saturating_add(1);
            self.shares_before = std::mem::replace(&mut self.shares, 1);
        }
        let used = u32::try_from(i64::from(limit) - left).unwrap_or(0);
        self.shares = used.div_ceil(self.taken.max(1)).clamp(1, MOST_SHARES);
        if is_new {
            self.announced = true;
            self.announced_end = end;
            self.ends = clock.ours(end, now);
            if std::mem::take(&mut self.probing) {
                self.throttled_until = now + (self.ends - now) / FIRST_PART;
            }
            self.probes = 0;
        }
    }

    /// A request is not under way any more: one of the window before, or most likely of this one.
    fn on_complete(&mut self, of_before: bool) {
        let (its, other) = match of_before {
            true => (&mut self.in_flight_previous, &mut self.in_flight),
            false => (&mut self.in_flight, &mut self.in_flight_previous),
        };
        match its.checked_sub(1) {
            Some(rest) => *its = rest,
            None => *other = other.saturating_sub(1),
        }
    }

    /// What this priority leaves.
    fn reserve(&self, priority: Priority) -> i64 {
        if priority == Priority::Interactive {
            return 0;
        }
        let to_look = reserve(self.limit);
        let of_others = if self.is_shared() { OTHERS.min(self.limit / 20) } else { 0 };
        i64::from(to_look) + i64::from(of_others)
    }

    /// Another database, or server, of the same app sends too.
    fn is_shared(&self) -> bool {
        self.shares() > 1
    }

    fn shares(&self) -> u32 {
        self.shares.max(self.shares_before)
    }
}

fn number(room: i64) -> u32 {
    u32::try_from(room).unwrap_or(u32::MAX)
}

fn number_of(requests: u64) -> i64 {
    i64::try_from(requests).unwrap_or(i64::MAX)
}
