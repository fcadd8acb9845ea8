//! Holds sending back while nobody has a chance, and lets one at a time go ahead to see.

use std::time::Instant;

use super::retry;

/// On while CometChat is out of reach, or refuses everybody.
#[derive(Default)]
pub struct Brake {
    held: Option<Held>,
    /// Failures in a row without a success between them.
    failures: usize,
}

struct Held {
    code: String,
    until: Instant,
    probes: u32,
}

/// What pulling the brake did.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// It was off.
    First,
    /// A probe failed: the next one comes later.
    Again,
    /// It was on, and this was one of those that were under way.
    Already,
}

impl Brake {
    /// Holds everybody back because of `code`.
    pub fn pull(&mut self, code: &str, now: Instant) -> Pulled {
        let (pulled, probes) = match &self.held {
            None => (Pulled::First, 0),
            Some(held) if now < held.until => return Pulled::Already,
            Some(held) => (Pulled::Again, held.probes + 1),
        };
        let until = now + retry::probe_delay(probes);
        self.held = Some(Held { code: code.to_owned(), until, probes });
        pulled
    }

    /// Counts a failure that concerns one user. `true`: there have been so many in a row that it
    /// concerns everybody.
    pub fn one_failed(&mut self, limit: usize) -> bool {
        self.failures += 1;
        self.failures > limit || self.held.is_some()
    }

    /// CometChat answers. The code that sending was held back for, if it was.
    pub fn release(&mut self) -> Option<String> {
        self.failures = 0;
        self.held.take().map(|held| held.code)
    }

    /// Looks again at once: something was mended, perhaps.
    pub fn look_now(&mut self, now: Instant) {
        if let Some(held) = &mut self.held {
            held.until = now;
        }
    }

    /// Until when nobody goes; `None` when the brake is off.
    pub fn until(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }
}
