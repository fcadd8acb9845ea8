//! The launcher: one for the server, connected to no database, so that it blocks nobody's DROP.
//!
//! At its start it sends a worker to every database to look for the extension; those that do not
//! find it leave again. After that it acts when asked: a commit that has work and finds no worker,
//! a worker that ended, or a database without one whose look is due. Where `max_worker_processes`
//! leaves too few processes, databases are served in the order in which they asked, and workers
//! that are idle, or have been busy for a while, make room.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::bgworker::{self, Database, Started};
use crate::shmem::{self, Shared, Slot};

/// How many new workers are sent to look at the same time at the start.
const MAX_CONCURRENT_STARTS: usize = 4;

/// A worker that ended is not started again sooner than this. One that could not even begin is
/// waited for twice as long each time, this many times.
const RESTART_BACKOFF: Duration = Duration::from_millis(500);
const DOUBLINGS: u32 = 6;

/// While databases wait for a process, whether a worker can make room is looked at this often; and
/// whether others have given one back, which nobody tells, twice as late each time.
const WHILE_WAITING: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A process that is not free for a moment only is not worth a line in the log.
const WORTH_SAYING: Duration = Duration::from_secs(3);

/// A database that cannot be connected to now is thought of again after this.
const OUT_OF_REACH: Duration = Duration::from_secs(60);

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_launcher_main(_arg: pg_sys::Datum) {
    bgworker::accept_signals();
    bgworker::connect(None);
    bgworker::claim_launcher_slot();
    bgworker::show_activity(c"");
    let Some(shared) = shmem::get() else { return };
    let mut launcher = Launcher::default();
    launcher.queue.extend(bgworker::databases().iter().filter(|d| d.open).map(|d| d.oid));
    loop {
        bgworker::reload_if_asked();
        let nap = launcher.round(shared);
        bgworker::wait(None, nap);
    }
}

#[derive(Default)]
struct Launcher {
    /// Databases that are to have a worker, in the order in which they asked.
    queue: VecDeque<u32>,
    started: HashMap<u32, Start>,
    /// While there is no free process: since when, and how long the next wait is.
    short: Option<(Instant, Duration)>,
    told_of_processes: bool,
    told_of_places: bool,
}

/// The last start of a database's worker.
struct Start {
    at: Instant,
    worker: Started,
    /// Starts in a row that came to nothing.
    failures: u32,
}

impl Start {
    /// Whether it is too soon for the next.
    fn is_recent(&self) -> bool {
        // One that is slow to start, on a machine that is busy or recovering, is waited for.
        !self.worker.has_ended()
            || self.at.elapsed() < RESTART_BACKOFF * 2_u32.pow(self.failures.min(DOUBLINGS))
    }
}

impl Launcher {
    /// Starts whom it can. Returns how long nothing need be done.
    fn round(&mut self, shared: &Shared) -> Duration {
        let mut nap = self.ask_around(shared);
        let (mut looking, mut too_soon, mut none_free) = (MAX_CONCURRENT_STARTS, false, false);
        let Launcher { queue, started, .. } = self;
        queue.retain(|&database| {
            if started.get(&database).is_some_and(Start::is_recent) {
                too_soon = true;
                return false; // it asks again, if it still wants to
            }
            if none_free || looking == 0 {
                return true;
            }
            looking -= 1;
            let Some(worker) = bgworker::start_worker(database) else {
                none_free = true;
                return true;
            };
            let served = shared.known_slot(database).is_none_or(|slot| slot.turn.has_served());
            let failures = started.get(&database).map_or(0, |start| start.failures + 1);
            let failures = if served { 0 } else { failures };
            started.insert(database, Start { at: Instant::now(), worker, failures });
            false // it says itself that it is no longer wanted
        });
        let waiting = if none_free { self.queue.len() } else { 0 };
        shared.waiting.store(u32::try_from(waiting).unwrap_or(u32::MAX), Ordering::Release);
        for slot in shared.slots() {
            slot.turn.set_waiting(none_free && self.queue.contains(&slot.database()));
        }
        if too_soon || !self.queue.is_empty() {
            nap = nap.min(RESTART_BACKOFF);
        }
        if none_free {
            nap.min(self.wait_for_room(shared))
        } else {
            self.short = None;
            nap
        }
    }

    /// Queues the databases that want a worker and have none. Returns the time until the next will.
    fn ask_around(&mut self, shared: &Shared) -> Duration {
        let mut next = Duration::from_secs(3600);
        for slot in shared.slots().filter(|slot| slot.pid.load(Ordering::Acquire) == 0) {
            let due = slot.turn.look_due_in();
            if slot.pending_wakeup.load(Ordering::Acquire) || due == Some(Duration::ZERO) {
                next = next.min(OUT_OF_REACH); // in case that it is
                self.push(slot.database());
            } else if let Some(due) = due {
                next = next.min(due);
            }
        }
        let full = shared.is_full();
        if full || !self.queue.is_empty() {
            let seen: Vec<u32> = shared.slots().map(Slot::database).collect();
            let there = bgworker::databases();
            let existing: Vec<u32> = there.iter().map(|database| database.oid).collect();
            shared.free_dropped_databases(&seen, &existing);
            let open = |oid: &u32| there.iter().any(|d: &Database| d.oid == *oid && d.open);
            self.queue.retain(open);
            if full && !shared.is_full() {
                // Whoever found no slot could not say which database it is.
                there.iter().filter(|d| d.open).for_each(|d| self.push(d.oid));
            } else if full && !self.told_of_places {
                self.told_of_places = true;
                say(
                    format!("cometchat: {} databases are served, no more can be", shmem::SLOTS),
                    "Have pg_cron call cometchat.process_queue() in the others.",
                );
            }
        }
        next
    }

    fn push(&mut self, database: u32) {
        if !self.queue.contains(&database) {
            self.queue.push_back(database);
        }
    }

    /// Has workers make room for those that wait. Returns how long to wait for it.
    fn wait_for_room(&mut self, shared: &Shared) -> Duration {
        let (since, wait) = self.short.unwrap_or((Instant::now(), WHILE_WAITING));
        let at_work = || shared.slots().filter(|slot| slot.pid.load(Ordering::Acquire) != 0);
        let leaving = at_work().filter(|slot| slot.turn.must_make_room()).count();
        let mut may_leave: Vec<_> = at_work()
            .filter(|slot| !slot.turn.must_make_room())
            .filter_map(|slot| slot.turn.rank().map(|rank| (rank, slot)))
            .collect();
        may_leave.sort_by_key(|(rank, _)| *rank);
        let places = self.queue.len().saturating_sub(leaving);
        for (_, slot) in may_leave.iter().take(places) {
            slot.turn.ask_for_room();
            bgworker::wake(slot);
        }
        let shortage = leaving > 0 || !may_leave.is_empty() || since.elapsed() > WORTH_SAYING;
        if shortage && !std::mem::replace(&mut self.told_of_processes, true) {
            let most = bgworker::max_worker_processes();
            let count = self.queue.len();
            say(
                format!(
                    "cometchat: no background process is free for {count} databases, they have to \
                     take turns (max_worker_processes = {most})"
                ),
                "Raise max_worker_processes; that needs a restart of the server.",
            );
        }
        let next = if at_work().next().is_some() { WHILE_WAITING } else { wait * 2 };
        self.short = Some((since, next.min(LONGEST_WAIT)));
        wait
    }
}

/// Writes to the server's log.
fn say(message: String, hint: &str) {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        message,
        function_name!(),
    )
    .set_hint(hint)
    .report(PgLogLevel::LOG);
}
