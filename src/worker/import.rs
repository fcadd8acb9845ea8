//! When the backlog is created together, and what comes of it.

use std::time::{Duration, Instant};

use sync::error;
use sync::import::{Imported, Verdict, MAX_IMPORT_USERS};
use sync::pacing::{Room, ThrottledFor};
use sync::policy::{self, IMPORT_PATIENCE};

use super::dispatch::is_without_room;
use super::notice;
use super::run::Worker;
use crate::{config, http, shmem};

impl Worker {
    /// How many users may be claimed to be created together. One thread at the most does that: people have
    /// the others.
    pub(super) fn import_room(&self, now: Instant) -> usize {
        let slot = shmem::slot();
        let may = config::bulk_import()
            && config::concurrency() > 1
            && self.import_since.is_none()
            && !self.ready.has_import()
            && self.pacing.breaker.open_until().is_none()
            && !self.pacing.import_rests(now)
            && !slot.import.with(|import| import.rests(policy::unix_ms()))
            && !slot.quota.with(|quota| quota.is_used_up());
        if may {
            MAX_IMPORT_USERS
        } else {
            0
        }
    }

    /// For how long the limits leave nothing to send. Where single requests are scarce, the backlog leaves
    /// them to people as long as it gets on together.
    pub(super) fn throttled_for(&self, now: Instant) -> ThrottledFor {
        let slot = shmem::slot();
        let mut throttled = http::throttled_for(slot);
        let wait = match self.import_since {
            Some(since) => (since + IMPORT_PATIENCE).saturating_duration_since(now),
            None if self.ready.has_import() => IMPORT_PATIENCE,
            None if throttled.import.is_zero() && self.import_room(now) > 0 => IMPORT_PATIENCE,
            None => Duration::ZERO,
        };
        if !wait.is_zero() && http::is_scarce(slot) {
            throttled.backlog = throttled.backlog.max(wait);
        }
        throttled
    }

    /// The room that the limits leave now.
    pub(super) fn room_now(&self, now: Instant) -> Room {
        let (mut room, throttled) = (self.room(now), self.throttled_for(now));
        if !throttled.backlog.is_zero() {
            room.backlog = 0;
        }
        if !throttled.import.is_zero() {
            room.import = 0;
        }
        room
    }

    /// Takes the results of users who were created together.
    pub(super) fn take_import(&mut self, imported: Imported) {
        self.import_since = None;
        let (slot, now) = (shmem::slot(), policy::unix_ms());
        if slot.import.with(|import| import.note(imported.verdict, now)) {
            let why = imported.reason.unwrap_or_else(|| error::INTERNAL.to_owned());
            notice::tell(&format!(
                "users of the backlog are created singly in database \"{}\", since the import failed: \
                 {why}",
                self.database
            ));
        }
        if imported.verdict == Verdict::Worked {
            let no_room = imported.results.iter().any(is_without_room);
            slot.quota.with(|quota| if no_room { quota.refused(now) } else { quota.created() });
        }
        imported.results.into_iter().for_each(|result| self.take_result(result));
    }
}
