//! The launcher: one for the server, connected to no database, so that it blocks nobody's DROP.
//!
//! At its start it sends a worker to every database to look for the extension; those that do not
//! find it leave again. After that it acts when asked: a commit that has work and finds no worker,
//! or a worker that ended.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;

use crate::pg::bgworker::Started;
use crate::pg::shared::Slot;
use crate::pg::{bgworker, shared};

/// How many new workers are sent to look at the same time at the start.
const LOOKERS: usize = 4;

/// A worker that ended is not started again sooner than this.
const BETWEEN_STARTS: Duration = Duration::from_millis(500);

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_launcher_main(_arg: pg_sys::Datum) {
    bgworker::accept_signals();
    bgworker::connect(None);
    bgworker::be_the_launcher();
    bgworker::show_activity(c"");
    let Some(shared) = shared::get() else { return };

    let mut to_look: Vec<u32> = bgworker::databases();
    let mut started: HashMap<u32, (Instant, Started)> = HashMap::new();
    loop {
        bgworker::reload_if_asked();
        for slot in shared.slots() {
            if slot.wanted.load(Ordering::Acquire) && slot.pid.load(Ordering::Acquire) == 0 {
                to_look.push(slot.database());
            }
        }
        let full = shared.is_full();
        if full || !to_look.is_empty() {
            let seen: Vec<u32> = shared.slots().map(Slot::database).collect();
            let there = bgworker::databases();
            shared.free_slots_but(&seen, &there);
            to_look.retain(|database| there.contains(database));
            if full && !shared.is_full() {
                to_look = there; // whoever found no slot could not say which database it is
            }
        }
        to_look.sort_unstable();
        to_look.dedup();
        let now = Instant::now();
        let mut budget = LOOKERS;
        let mut look_again = false;
        to_look.retain(|&database| {
            // One that is slow to start, on a machine that is busy or recovering, is waited for.
            let wait = started.get(&database).is_some_and(|(at, worker)| {
                now.duration_since(*at) < BETWEEN_STARTS || !worker.has_ended()
            });
            if wait {
                look_again = true;
                return false; // it is still there next time, or is wanted no longer
            }
            if budget == 0 {
                return true;
            }
            budget -= 1;
            match bgworker::start_worker(database) {
                Some(worker) => {
                    started.insert(database, (now, worker));
                    false // it says itself that it is no longer wanted
                }
                None => true, // no free process: try again later
            }
        });
        // With nothing to do it sleeps until somebody wakes it.
        let idle = to_look.is_empty() && !look_again;
        let nap = if idle { Duration::from_secs(3600) } else { BETWEEN_STARTS };
        bgworker::wait(None, nap);
    }
}
