//! A server with nothing to do: it asks the database nothing, and writes nothing to its log.
//!
//! Watched from a thread while other things are measured on other servers: nothing that they do
//! makes this one write or ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::Client;

use super::fixture::{wait_until, Fixture};
use crate::report::Report;

/// Users who are there, synced.
const USERS: usize = 100;

/// The log of a server that has come to rest does not move for so long: the background writer
/// notes the state of transactions every 15 seconds as long as something was written in between.
const REST: Duration = Duration::from_secs(20);

/// Counted by pg_stat_statements, which sees what a background worker runs at once; Postgres's own
/// counters are told when a process has something to write. Autovacuum would visit every minute.
const CONF: [&str; 2] =
    ["shared_preload_libraries = 'cometchat_ext, pg_stat_statements'", "autovacuum = off"];

/// Each look at the queue begins by asking whether it is paused.
const LOOK: &str = "%SELECT c.paused, %FROM cometchat.control%";

/// A server that is being watched.
pub struct Idle {
    at_rest: Option<JoinHandle<Option<(Fixture, Mark)>>>,
    stop: Arc<AtomicBool>,
    at_least: Duration,
}

/// How things stood at a time.
struct Mark {
    at: Instant,
    /// How often the worker looked.
    looks: i64,
    statements: i64,
    log: i64,
}

impl Idle {
    pub fn watch(at_least: Duration) -> Idle {
        let stop: Arc<AtomicBool> = Arc::default();
        let stopped = stop.clone();
        let at_rest = thread::spawn(move || come_to_rest(&stopped));
        Idle { at_rest: Some(at_rest), stop, at_least }
    }

    pub fn report(mut self, report: &mut Report) {
        report.heading("A server at rest, with the worker there and 100 users synced");
        let at_rest = self.at_rest.take().and_then(|thread| thread.join().ok().flatten());
        let (fixture, before) = at_rest.expect("the server comes to rest");
        thread::sleep(self.at_least.saturating_sub(before.at.elapsed()));
        let after = Mark::of(&fixture);
        let minutes = (after.at - before.at).as_secs_f64() / 60.0;
        // At most one in each minute, the last of which may have just begun.
        let what = format!("looks at the queue in {minutes:.1} minutes");
        report.at_most(&what, (after.looks - before.looks) as f64, minutes.ceil());
        // A look that finds nothing is one statement.
        let what = format!("statements in {minutes:.1} minutes");
        report.at_most(&what, (after.statements - before.statements) as f64, minutes.ceil());
        let what = format!("bytes of WAL in {minutes:.1} minutes");
        report.at_most(&what, (after.log - before.log) as f64, 0.0);
    }
}

/// Whatever ends the program early, the server goes with it.
impl Drop for Idle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.at_rest.take() {
            let _ = thread.join();
        }
    }
}

/// Starts a server and waits until it writes nothing any more; `None` when stopped before that.
fn come_to_rest(stop: &AtomicBool) -> Option<(Fixture, Mark)> {
    let fixture = Fixture::with(&CONF);
    fixture.fill(USERS);
    fixture.resume();
    wait_until("all are synced", || fixture.server.answered() >= USERS);
    fixture.stack.execute("CHECKPOINT");
    let mut last = Mark::of(&fixture);
    let give_up = Instant::now() + Duration::from_secs(300);
    while last.at.elapsed() < REST {
        assert!(Instant::now() < give_up, "the server does not come to rest");
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        thread::sleep(Duration::from_secs(1));
        if log_position(&mut watcher(&fixture)) != last.log {
            last = Mark::of(&fixture);
        }
    }
    let mark = Mark::of(&fixture);
    assert!(mark.looks > 0, "the worker's statements are not counted");
    Some((fixture, mark))
}

impl Mark {
    fn of(fixture: &Fixture) -> Mark {
        let mut client = watcher(fixture);
        let sql = "SELECT COALESCE(sum(calls) FILTER (WHERE query LIKE $2), 0)::bigint,
                          COALESCE(sum(calls), 0)::bigint
                   FROM extensions.pg_stat_statements AS s
                   JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = $1";
        let row = client.query_one(sql, &[&fixture.stack.db.name(), &LOOK]).expect(sql);
        let log = log_position(&mut client);
        Mark { at: Instant::now(), looks: row.get(0), statements: row.get(1), log }
    }
}

/// A session in another database, which is not counted.
fn watcher(fixture: &Fixture) -> Client {
    fixture.stack.db.cluster().admin("like_supabase")
}

fn log_position(client: &mut Client) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    client.query_one(sql, &[]).expect(sql).get(0)
}
