//! The launcher: one for the server, connected to no database, so that it blocks no DROP DATABASE.
//!
//! At its start it sends a worker to every database to look for the extension; a worker that does not
//! find it ends. After that it acts when asked: a commit that has work and finds no worker, a worker
//! that ended, or a database whose next worker is due. Where `max_worker_processes` leaves too few
//! processes, databases are served in the order in which they asked, and workers that are idle, or
//! have been busy for a while, make room.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::bgworker::{self, Started};
use crate::pg::background;
use crate::pg::databases::databases;
use crate::pg::wait_event::WaitEvent;
use crate::shmem::{self, Shared, Slot};

/// How many new workers are started at the same time.
const MAX_CONCURRENT_STARTS: usize = 4;

/// A worker that ended is not started again sooner than this. The time doubles with each start in a
/// row after which the worker could not even begin, at most this many times.
const RESTART_BACKOFF: Duration = Duration::from_millis(500);
const MAX_DOUBLINGS: u32 = 6;

/// While databases wait for a process: how often the launcher checks whether a worker can make room.
const MAKE_ROOM_INTERVAL: Duration = Duration::from_millis(250);

/// While there is no worker of ours that could: the checks for a process that another extension has
/// given back, of which nothing notifies us, become rarer, up to this.
const MAX_MAKE_ROOM_INTERVAL: Duration = Duration::from_secs(5);

/// A shortage of processes that is over sooner is not logged.
const SHORTAGE_LOG_DELAY: Duration = Duration::from_secs(3);

/// A database to which no connection is possible now is tried again after this.
const UNREACHABLE_RECHECK: Duration = Duration::from_secs(60);

/// The launcher wakes up after this at the latest.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_launcher_main(_arg: pg_sys::Datum) {
    background::accept_signals();
    background::connect(None);
    bgworker::claim_launcher_slot();
    background::show_activity(c"");
    let Some(shared) = shmem::get() else { return };
    let mut launcher = Launcher::default();
    launcher.pending.extend(databases().iter().filter(|d| d.open).map(|d| d.oid));
    loop {
        background::reload_if_asked();
        let timeout = launcher.start_workers(shared);
        background::wait(None, timeout, WaitEvent::LauncherMain);
    }
}

#[derive(Default)]
struct Launcher {
    /// Databases that are to have a worker, in the order in which they asked.
    pending: VecDeque<u32>,
    /// The last start of each database's worker.
    starts: HashMap<u32, Start>,
    /// While no process is free: since when, and how long the next wait is.
    shortage: Option<(Instant, Duration)>,
    logged_shortage: bool,
    logged_no_slot: bool,
}

/// A start of a database's worker.
struct Start {
    at: Instant,
    worker: Started,
    /// Starts in a row after which the worker could not begin.
    failures: u32,
}

impl Start {
    /// Whether it is too soon for the next.
    fn is_recent(&self) -> bool {
        // A worker that is slow to start, on a machine that is busy or recovering, is waited for.
        !self.worker.has_ended()
            || self.at.elapsed() < RESTART_BACKOFF * 2_u32.pow(self.failures.min(MAX_DOUBLINGS))
    }
}

/// What became of an attempt to start the pending workers.
#[derive(Default)]
struct Attempt {
    started: usize,
    /// A database was skipped because its last start was a moment ago.
    too_soon: bool,
    /// The server has no process left.
    no_process: bool,
}

impl Launcher {
    /// Starts the workers that are due, as far as there are processes. Returns how long the launcher
    /// may sleep.
    fn start_workers(&mut self, shared: &Shared) -> Duration {
        let mut timeout = self.add_due(shared);
        if shared.is_full() || !self.pending.is_empty() {
            self.forget_dropped(shared);
        }
        let attempt = self.try_starts(shared);
        let waiting = if attempt.no_process { self.pending.len() } else { 0 };
        shared.waiting.store(u32::try_from(waiting).unwrap_or(u32::MAX), Ordering::Release);
        for slot in shared.slots() {
            slot.turn.set_waiting(attempt.no_process && self.pending.contains(&slot.database()));
        }
        if attempt.too_soon || !self.pending.is_empty() {
            timeout = timeout.min(RESTART_BACKOFF);
        }
        if attempt.no_process {
            timeout.min(self.make_room(shared))
        } else {
            self.shortage = None;
            timeout
        }
    }

    fn try_starts(&mut self, shared: &Shared) -> Attempt {
        let mut attempt = Attempt::default();
        let Launcher { pending, starts, .. } = self;
        pending.retain(|&database| {
            let last = starts.get(&database);
            if last.is_some_and(Start::is_recent) {
                attempt.too_soon = true;
                return false; // it asks again, if it still has work
            }
            if attempt.no_process || attempt.started == MAX_CONCURRENT_STARTS {
                return true;
            }
            attempt.started += 1;
            let Some(worker) = bgworker::start_worker(database) else {
                attempt.no_process = true;
                return true;
            };
            let served = shared.known_slot(database).is_none_or(|slot| slot.turn.has_served());
            let failures = match last {
                Some(last) if !served => last.failures + 1,
                _ => 0,
            };
            starts.insert(database, Start { at: Instant::now(), worker, failures });
            false // the worker finds out by itself whether it is needed
        });
        attempt
    }

    /// Adds the databases that want a worker and have none. Returns the time until the next will.
    fn add_due(&mut self, shared: &Shared) -> Duration {
        let mut next = MAX_SLEEP;
        for slot in shared.slots().filter(|slot| slot.pid.load(Ordering::Acquire) == 0) {
            let due = slot.turn.restart_due_in();
            if slot.pending_wakeup.load(Ordering::Acquire) || due == Some(Duration::ZERO) {
                next = next.min(UNREACHABLE_RECHECK); // in case that it is
                self.add(slot.database());
            } else if let Some(due) = due {
                next = next.min(due);
            }
        }
        next
    }

    /// Frees the slots of dropped databases, and drops from the queue what cannot be connected to.
    fn forget_dropped(&mut self, shared: &Shared) {
        let was_full = shared.is_full();
        let seen: Vec<u32> = shared.slots().map(Slot::database).collect();
        let databases = databases();
        let existing: Vec<u32> = databases.iter().map(|database| database.oid).collect();
        shared.free_dropped_databases(&seen, &existing);
        self.pending.retain(|oid| databases.iter().any(|d| d.oid == *oid && d.open));
        if was_full && !shared.is_full() {
            // A session that found no slot could not say which database it is in.
            databases.iter().filter(|d| d.open).for_each(|d| self.add(d.oid));
        } else if was_full && !std::mem::replace(&mut self.logged_no_slot, true) {
            log_limit(
                format!("cometchat: {} databases are served, no more can be", shmem::SLOTS),
                "Have pg_cron call cometchat.process_queue() in the others.",
            );
        }
    }

    fn add(&mut self, database: u32) {
        if !self.pending.contains(&database) {
            self.pending.push_back(database);
        }
    }

    /// Asks workers to make room for the databases that wait. Returns how long to wait for it.
    fn make_room(&mut self, shared: &Shared) -> Duration {
        let (since, wait) = self.shortage.unwrap_or((Instant::now(), MAKE_ROOM_INTERVAL));
        let running = || shared.slots().filter(|slot| slot.pid.load(Ordering::Acquire) != 0);
        let leaving = running().filter(|slot| slot.turn.must_make_room()).count();
        let mut candidates: Vec<_> = running()
            .filter(|slot| !slot.turn.must_make_room())
            .filter_map(|slot| slot.turn.rank().map(|rank| (rank, slot)))
            .collect();
        candidates.sort_by_key(|(rank, _)| *rank);
        let needed = self.pending.len().saturating_sub(leaving);
        for (_, slot) in candidates.iter().take(needed) {
            slot.turn.ask_for_room();
            bgworker::wake(slot);
        }
        if leaving > 0 || !candidates.is_empty() || since.elapsed() > SHORTAGE_LOG_DELAY {
            self.log_shortage();
        }
        let next = if running().next().is_some() { MAKE_ROOM_INTERVAL } else { wait * 2 };
        self.shortage = Some((since, next.min(MAX_MAKE_ROOM_INTERVAL)));
        wait
    }

    fn log_shortage(&mut self) {
        if std::mem::replace(&mut self.logged_shortage, true) {
            return;
        }
        let (count, max) = (self.pending.len(), background::max_worker_processes());
        log_limit(
            format!(
                "cometchat: no background process is free for {count} databases, they have to take \
                 turns (max_worker_processes = {max})"
            ),
            "Raise max_worker_processes; that needs a restart of the server.",
        );
    }
}

/// Logs that a limit of the server or of ours is reached.
fn log_limit(message: String, hint: &str) {
    let code = PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    ErrorReport::new(code, message, function_name!()).set_hint(hint).report(PgLogLevel::LOG);
}
