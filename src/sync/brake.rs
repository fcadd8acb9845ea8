//! Holds sending back while nobody has a chance, and lets one at a time go ahead to see.

use std::collections::HashSet;
use std::time::Instant;

use pgrx::Uuid;

use super::retry;
use crate::pg::turn;

/// On while CometChat is out of reach, or refuses everybody.
#[derive(Default)]
pub struct Brake {
    held: Option<Held>,
    /// Failures in a row without a success between them, and whose they were.
    failures: usize,
    failing: HashSet<Uuid>,
}

struct Held {
    code: String,
    until: Instant,
    probes: u32,
}

/// The longest code of CometChat's that is kept whole.
const CODE: usize = 64;

/// A brake as it lies in shared memory between two workers of a database.
#[derive(Clone, Copy, Debug)]
pub struct KeptBrake {
    code: [u8; CODE],
    length: usize,
    probes: u32,
    /// In Postgres's time, which all processes share.
    until: i64,
    /// What callers are told meanwhile: an index into the failure codes.
    pub pause: u32,
}

/// The brake that a worker left to the next, if it was on.
pub type Kept = Option<KeptBrake>;

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
    /// Holds everybody back because of `code`. Unless it is `sure` that this concerns everybody, the
    /// next one goes ahead as soon as may be.
    pub fn pull(&mut self, code: &str, now: Instant, sure: bool) -> Pulled {
        let (pulled, probes) = match &self.held {
            None => (Pulled::First, 0),
            Some(held) if now < held.until => return Pulled::Already,
            Some(held) => (Pulled::Again, if sure { held.probes + 1 } else { 0 }),
        };
        let until = now + retry::probe_delay(probes);
        self.held = Some(Held { code: code.to_owned(), until, probes });
        pulled
    }

    /// Counts a failure that concerns one user. `true`: there have been so many in a row, of
    /// more than one user, that it concerns everybody.
    pub fn one_failed(&mut self, user: Uuid, limit: usize) -> bool {
        self.failures += 1;
        if self.failing.len() <= limit {
            self.failing.insert(user);
        }
        self.failures > limit && self.failing.len() > 1 || self.held.is_some()
    }

    /// CometChat answers. The code that sending was held back for, if it was.
    pub fn release(&mut self) -> Option<String> {
        self.failures = 0;
        self.failing.clear();
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

    /// What the database's next worker has to know of it.
    pub fn keep(&self, now: Instant, pause: u32) -> Option<KeptBrake> {
        let held = self.held.as_ref()?;
        let (mut code, bytes) = ([0; CODE], held.code.as_bytes());
        let length = bytes.len().min(CODE);
        code[..length].copy_from_slice(&bytes[..length]);
        let until = turn::moment_in(held.until.saturating_duration_since(now));
        Some(KeptBrake { code, length, probes: held.probes, until, pause })
    }

    /// Goes on with what an earlier worker kept.
    pub fn take_over(kept: &KeptBrake, now: Instant) -> Self {
        let code = String::from_utf8_lossy(&kept.code[..kept.length]).into_owned();
        let left = turn::until(kept.until).min(retry::probe_delay(u32::MAX));
        let held = Held { code, until: now + left, probes: kept.probes };
        Brake { held: Some(held), ..Brake::default() }
    }
}
