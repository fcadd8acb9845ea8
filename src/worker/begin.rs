//! How a worker begins: whether there is anything to serve in the database that it was sent to.

use std::time::Duration;

use pgrx::prelude::*;

use super::run::Worker;
use super::{bgworker, notice, threads};
use crate::pg::wait_event::WaitEvent;
use crate::pg::{background, transaction};
use crate::store;

/// While others wait for a process, one that cannot begin gives up after so many tries.
const TRIES: u32 = 5;

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cometchat_worker_main(arg: pg_sys::Datum) {
    background::accept_signals();
    // The argument is the database's oid, as `start_worker` gave it.
    background::connect(Some(pg_sys::Oid::from(arg.value() as u32)));
    let (mut told, mut tries) = (false, 0);
    loop {
        bgworker::clear_pending_wakeup();
        let ready = transaction::run(|| {
            store::prepare_session();
            let database = store::database();
            database.version?;
            (!database.is_template).then(|| {
                let settings = store::take_on_database_settings().then_some(database.settings);
                (database.name, settings)
            })
        });
        match ready {
            Ok(Some((database, settings))) => {
                if bgworker::register_worker(threads::stop) {
                    Worker::new(database, settings).run();
                }
                return;
            }
            Ok(None) if bgworker::has_pending_wakeup() => {} // created this moment
            Ok(None) => {
                bgworker::cancel_restart();
                return;
            }
            // A catalog is locked, say: that passes. Anything else is for an operator to mend.
            Err(failed) => {
                if !failed.will_pass() && !std::mem::replace(&mut told, true) {
                    let transaction::Failed { sqlstate, message } = failed;
                    notice::tell(&format!("a worker cannot start: {sqlstate} {message}"));
                }
                bgworker::set_pending_wakeup();
                tries += 1;
                if tries >= TRIES && bgworker::others_wait() {
                    return; // it is started again
                }
                background::wait(None, Duration::from_secs(1), WaitEvent::WorkerMain);
            }
        }
    }
}
