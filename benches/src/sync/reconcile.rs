//! `cometchat.reconcile()` of many users: our own time and the session's memory, without differences and
//! with many of each kind; and that all of those are mended, and nobody else is touched.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::blocked_session::BlockedSession;
use scenarios::population::Population;
use scenarios::{Cluster, Database, Process, Stack};
use simulator::{RecordMode, Simulator};

use crate::report::Report;
use crate::scale::Scale;

/// Anonymous memory of the session, in kilobytes, beyond what it has anyway.
const MEMORY: f64 = 32.0 * 1024.0;

/// Of our own time, for a million users.
const SECONDS_FOR_A_MILLION: f64 = 60.0;

/// What one call took.
struct Cost {
    wall: Duration,
    /// From each request to the end of its answer, as `cometchat.stats` has it.
    requests: f64,
    /// Processor time of the session.
    processor: f64,
    memory: u64,
}

impl Cost {
    /// Without what CometChat took to answer.
    fn own(&self) -> f64 {
        self.wall.as_secs_f64() - self.requests
    }
}

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading(&format!("reconcile(), {} users", scale.users));
    let conf = [
        "shared_preload_libraries = 'cometchat_ext'",
        "fsync = on",
        "checkpoint_timeout = 1h",
        "max_wal_size = 4GB",
    ];
    let chat = Simulator::builder().record(RecordMode::Counts).start().expect("a simulator");
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), chat);
    let population = Population::settle(&stack, scale.users);
    stack.execute("SELECT cometchat.enable_auth_trigger(); CHECKPOINT");
    let (found, cost) = call(&stack, "reconcile()");
    assert_eq!(found, 0, "they all agree");
    judge("no difference", &cost, scale, report);

    let (expected, touched) = population.disturb(&stack, scale.differences);
    let others = Population::others(&stack, &touched);
    let (found, cost) = call(&stack, "reconcile()");
    assert_eq!(found, expected.len());
    judge(&format!("{found} differences"), &cost, scale, report);
    assert_eq!(Population::findings(&stack, "reconcile(true)"), expected);
    stack.execute("SELECT cometchat.resume()");
    let give_up = Instant::now() + Duration::from_secs(300);
    while stack.value("SELECT pending FROM cometchat.progress").as_deref() != Some("0") {
        assert!(Instant::now() < give_up, "all is sent");
        thread::sleep(Duration::from_millis(100));
    }
    let left = expected.iter().filter(|(_, whom, _)| !touched.contains(whom)).cloned();
    assert_eq!(Population::findings(&stack, "reconcile()"), left.collect());
    assert!(others == Population::others(&stack, &touched), "nobody else has changed");
    report.note("all of them found, and mended but for those that are others' to decide");
}

fn judge(what: &str, cost: &Cost, scale: &Scale, report: &mut Report) {
    let millions = scale.users as f64 / 1e6;
    let at_most = SECONDS_FOR_A_MILLION * millions.max(0.1);
    report.at_most(&format!("{what}: our own time, s"), cost.own(), at_most);
    report.at_most(&format!("{what}: memory, kB"), cost.memory as f64, MEMORY);
    report.note(&format!(
        "{:.1} s in all, of which {:.1} s of requests; {:.1} s of processor time",
        cost.wall.as_secs_f64(),
        cost.requests,
        cost.processor
    ));
}

/// The number of findings, and what it took to find them.
fn call(stack: &Stack, call: &str) -> (usize, Cost) {
    let mut admin = stack.db.admin();
    let mut client = stack.db.admin();
    client.batch_execute("SELECT cometchat.configuration()").expect("the library is loaded");
    let process = Process::of(&mut client);
    let (memory, ticks) = (process.rss_anon(), process.cpu_ticks());
    let requests = seconds_of_requests(&mut admin);
    let started = Instant::now();
    let sql = format!("SELECT count(*) FROM cometchat.{call}");
    let session = BlockedSession::with(client, &sql);
    let mut most = memory;
    let done = loop {
        match session.try_done(Duration::from_millis(50)) {
            Some(done) => break done,
            None => most = most.max(process.rss_anon()),
        }
    };
    let wall = done.at - started;
    let found = done.result.expect(&sql).and_then(|count| count.parse().ok()).expect("a number");
    let cost = Cost {
        wall,
        requests: seconds_of_requests(&mut admin) - requests,
        processor: (process.cpu_ticks() - ticks) as f64 / 100.0,
        memory: most - memory,
    };
    (found, cost)
}

fn seconds_of_requests(admin: &mut Client) -> f64 {
    let sql = "SELECT COALESCE(requests * average_ms / 1000, 0) FROM cometchat.stats";
    admin.query_one(sql, &[]).expect(sql).get(0)
}
