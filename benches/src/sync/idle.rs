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

/// What each look at the queue asks (`queue_state.sql`).
const LOOK: &str = "AS backlog_due_in_ms";

/// A server that is being watched.
pub struct Idle {
    at_rest: Option<JoinHandle<Option<(Fixture, Mark)>>>,
    stop: Arc<AtomicBool>,
    at_least: Duration,
}

/// How things stood at a time.
struct Mark {
    at: Instant,
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
        let statements = statements(&fixture);
        let is_look = |(query, _): &&(String, i64)| query.contains(LOOK);
        let calls = |(_, calls): &(String, i64)| *calls;
        let minutes = (after.at - before.at).as_secs_f64() / 60.0;
        // At most one in each minute, the last of which may have just begun.
        let what = format!("looks at the queue in {minutes:.1} minutes");
        report.at_most(
            &what,
            statements.iter().filter(is_look).map(calls).sum::<i64>() as f64,
            minutes.ceil(),
        );
        // A look that finds nothing would be one statement, were it not for the sample of users that is
        // compared each minute, and for what may have changed: version, settings, pause, whose copy it is.
        let what = format!("statements in {minutes:.1} minutes");
        report.at_most(&what, statements.iter().map(calls).sum::<i64>() as f64, minutes.ceil());
        for (query, calls) in &statements {
            report.note(&format!("{calls} times: {}", abridged(query)));
        }
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
    at_rest(&fixture, stop)?;
    assert!(
        statements(&fixture).iter().any(|(query, _)| query.contains(LOOK)),
        "the worker's statements are not counted"
    );
    watcher(&fixture).execute("SELECT extensions.pg_stat_statements_reset()", &[]).expect("reset");
    // Whatever that has touched comes to rest, too.
    let mark = at_rest(&fixture, stop)?;
    Some((fixture, mark))
}

/// How things stand once the log has not moved for a while; `None` when stopped before that.
fn at_rest(fixture: &Fixture, stop: &AtomicBool) -> Option<Mark> {
    let mut last = Mark::of(fixture);
    let give_up = Instant::now() + Duration::from_secs(300);
    while last.at.elapsed() < REST {
        assert!(Instant::now() < give_up, "the server does not come to rest");
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        thread::sleep(Duration::from_secs(1));
        if log_position(&mut watcher(fixture)) != last.log {
            last = Mark::of(fixture);
        }
    }
    Some(last)
}

impl Mark {
    fn of(fixture: &Fixture) -> Mark {
        Mark { at: Instant::now(), log: log_position(&mut watcher(fixture)) }
    }
}

/// What ran in the database since the counters were reset, and how often.
fn statements(fixture: &Fixture) -> Vec<(String, i64)> {
    let sql = "SELECT query, calls FROM extensions.pg_stat_statements AS s
               JOIN pg_database AS d ON d.oid = s.dbid WHERE d.datname = $1 ORDER BY calls DESC, query";
    let rows = watcher(fixture).query(sql, &[&fixture.stack.db.name()]).expect(sql);
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The beginning of a statement, without its comments.
fn abridged(query: &str) -> String {
    let words =
        query.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>();
    words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect()
}

/// A session in another database, which is not counted.
fn watcher(fixture: &Fixture) -> Client {
    fixture.stack.db.cluster().admin("like_supabase")
}

fn log_position(client: &mut Client) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    client.query_one(sql, &[]).expect(sql).get(0)
}
