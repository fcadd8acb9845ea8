//! How many requests CometChat allows, followed from what its answers announce.
//!
//! Pure arithmetic on milliseconds that the caller gives; it is shared by the worker's threads and
//! all sessions. Per class of operation: while nothing was announced, `FIRST_LIMIT` in any minute;
//! once answers carry the limit's headers, what they say is left, less what is under way. (A hard
//! cap is the operator's, who does not ask for classes: it counts all together.) When the window
//! should be over, one request goes ahead and its answer says whether it is: the last
//! percents of a window are never used up by the worker, so that this request is not refused.
//!
//! A 429 silences everybody for a while, see [`Throttled`]; one of the import silences the import alone,
//! whose limit is its own.

mod clock; // when a window ends, by our clock
mod priority; // which requests go first
mod recent; // requests of the last minute
mod silence; // after a 429
mod window; // what is left of the announced window

use clock::Clock;
use cometchat::{Limits, RateClass};
pub use priority::Priority;
use priority::{FIRST_IMPORT_LIMIT, FIRST_LIMIT};
use recent::Recent;
use silence::Silence;
pub use silence::{RefusedBy, Throttled};
use window::Window;

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
    silence: Silence,
    /// Of the import.
    import_silence: Silence,
    clock: Clock,
    /// The latest moment seen.
    latest: u64,
    /// Requests of all classes.
    recent: Recent,
    core: Window,
    standard: Window,
    import: Window,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter::new()
    }
}

impl Limiter {
    /// One that knows nothing yet.
    pub const fn new() -> Self {
        let (core, standard) = (Window::of(FIRST_LIMIT), Window::of(FIRST_LIMIT));
        let import = Window::of(FIRST_IMPORT_LIMIT);
        Limiter {
            silence: Silence::NONE,
            import_silence: Silence::NONE,
            clock: Clock::UNKNOWN,
            latest: 0,
            recent: Recent::NONE,
            core,
            standard,
            import,
        }
    }

    /// Takes one request, or says when to ask again.
    ///
    /// # Errors
    /// The moment to ask again, in Unix milliseconds.
    pub fn take(
        &mut self,
        class: RateClass,
        priority: Priority,
        cap: Cap,
        now: u64,
    ) -> Result<(), u64> {
        self.follow_clock(now);
        self.silence.check(now)?;
        if let Cap::Hard(cap) = cap {
            self.recent.room(cap, priority, now)?;
        }
        if class == RateClass::Import {
            return self.take_import(cap, now);
        }
        let window = self.window(class);
        match cap {
            Cap::Unlimited | Cap::Hard(_) => {}
            Cap::Follow if !window.announced => {
                window.recent.room(window.limit, priority, now)?;
            }
            Cap::Follow => window.take_announced(priority, now)?,
        }
        window.sending(now);
        self.recent.count(now);
        self.silence.sending(now);
        Ok(())
    }

    /// Of the import's own limit nothing is kept for people, who never use it. A hard cap says nothing of
    /// it.
    fn take_import(&mut self, cap: Cap, now: u64) -> Result<(), u64> {
        self.import_silence.check(now)?;
        let window = &mut self.import;
        match cap {
            Cap::Unlimited => {}
            Cap::Follow | Cap::Hard(_) if !window.announced => {
                window.recent.room(window.limit, Priority::Worker, now)?;
            }
            Cap::Follow | Cap::Hard(_) => window.take_announced(Priority::Worker, now)?,
        }
        window.sending(now);
        self.recent.count(now);
        self.import_silence.sending(now);
        Ok(())
    }

    /// Whether an import may be sent now, as far as can be told.
    ///
    /// # Errors
    /// The moment to ask again, in Unix milliseconds.
    pub fn import_room(&mut self, cap: Cap, now: u64) -> Result<(), u64> {
        self.follow_clock(now);
        self.silence.check(now)?;
        self.import_silence.check(now)?;
        if let Cap::Hard(cap) = cap {
            self.recent.room(cap, Priority::Backlog, now)?;
        }
        match cap {
            Cap::Unlimited => Ok(()),
            Cap::Follow | Cap::Hard(_) => self.import.room(Priority::Worker, now).map(drop),
        }
    }

    /// How many users the worker may create now, as far as can be told.
    ///
    /// # Errors
    /// None: the moment to ask again, in Unix milliseconds.
    pub fn room(&mut self, priority: Priority, cap: Cap, now: u64) -> Result<u32, u64> {
        self.follow_clock(now);
        self.silence.check(now)?;
        match cap {
            Cap::Unlimited => Ok(u32::MAX),
            Cap::Hard(cap) => self.recent.room(cap, priority, now),
            Cap::Follow => self.core.room(priority, now),
        }
    }

    /// Hears of a request that ended, however it did.
    pub fn on_response(&mut self, class: RateClass, limits: Option<Limits>, now: u64) {
        self.follow_clock(now);
        let Limiter { clock, core, standard, import, .. } = self;
        if let Some(date) = limits.and_then(|limits| limits.date_unix) {
            clock.seen(date, now);
        }
        let window = match class {
            RateClass::Core => core,
            RateClass::Standard => standard,
            RateClass::Import => import,
        };
        window.on_response(limits, clock, now);
    }

    /// A request was refused: nothing is sent for a while, of as many milliseconds as were asked for,
    /// within reason.
    pub fn block_for(&mut self, class: RateClass, asked: Option<u64>, by: RefusedBy, now: u64) {
        self.follow_clock(now);
        self.silence_of(class).begin(asked, by, now);
    }

    /// A request was answered, and not refused.
    pub fn went_through(&mut self, class: RateClass) {
        self.silence_of(class).went_through();
    }

    fn silence_of(&mut self, class: RateClass) -> &mut Silence {
        match class {
            RateClass::Core | RateClass::Standard => &mut self.silence,
            RateClass::Import => &mut self.import_silence,
        }
    }

    /// Whoever changed something wants to know whether it helped: the silence, if there is one, ends
    /// with the next request, unless that is refused too.
    pub fn try_again(&mut self) {
        self.silence.end();
        self.import_silence.end();
    }

    /// Why nothing is sent now, if somebody refused.
    pub fn throttled(&self, now: u64) -> Option<Throttled> {
        self.silence.throttled(now)
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
        self.silence.set_back(back);
        self.import_silence.set_back(back);
        self.clock.set_back(back);
        self.recent = Recent::NONE;
        for window in [&mut self.core, &mut self.standard, &mut self.import] {
            window.ends = window.ends.saturating_sub(back);
            window.recent = Recent::NONE;
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

#[cfg(test)]
mod import;
#[cfg(test)]
mod model;
#[cfg(test)]
mod people_first;
#[cfg(test)]
mod test;
