//! When users are looked for who can be created together.

use std::time::Instant;

use super::Pacing;
use crate::policy;

impl Pacing {
    /// Whether nothing is to be looked for now that could be created together.
    pub fn import_rests(&self, now: Instant) -> bool {
        now < self.import_not_before
    }

    /// Looked for users to create together, and found so many.
    pub fn found_for_import(&mut self, now: Instant, found: usize) {
        let wait = match found {
            0 => policy::IMPORT_RECHECK,
            _ if found < policy::MIN_IMPORT_USERS => policy::FEW_IMPORT_RECHECK,
            _ => return,
        };
        self.import_not_before = now + wait;
    }
}
