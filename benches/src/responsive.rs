//! How soon a hanging call gives way, beside the same operation on a session in `pg_sleep`.

use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::Client;
use scenarios::blocked_session::{drop_another_database, fast_shutdown, BlockedSession, Times};
use scenarios::{FaultServer, Stage};

use crate::report::Report;
use crate::Bench;

const CALL: &str = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";
const SLEEP: &str = "SELECT pg_sleep(60)";

/// The statement timer that is waited for.
const TIMER: Duration = Duration::from_millis(100);

/// A place to hang at, and how to get there.
struct Place {
    name: &'static str,
    url: String,
    _server: Option<FaultServer>,
}

pub fn measure(bench: &Bench, report: &mut Report) {
    let mut places: Vec<Place> = Stage::ALL
        .into_iter()
        .map(|stage| {
            let name = match stage {
                Stage::Connect => "connect",
                Stage::Handshake => "handshake",
                Stage::Header => "header",
                Stage::Body => "body",
            };
            let server = FaultServer::hanging(stage);
            Place { name, url: server.base_url(), _server: Some(server) }
        })
        .collect();
    match &bench.names {
        Some(_) => {
            places.push(Place { name: "dns", url: "https://chat.test/v3".into(), _server: None })
        }
        None => println!("dns: skipped, it takes root to give a server a resolver of its own"),
    }
    report.heading(&format!("Giving way while a call hangs, {} tries each", bench.tries));
    let tries = bench.tries;
    let db = &bench.stack.db;
    let mut admin = db.admin();

    let idle = Times::of(tries, || sleep(bench).cancel(&mut admin).0);
    for place in &places {
        let times = Times::of(tries, || hang(bench, place).cancel(&mut admin).0);
        report.beyond_idle("cancel", place.name, &times, &idle);
    }
    let idle = Times::of(tries, || timer(db.admin(), SLEEP));
    for place in &places {
        // The function without a deadline of its own: a call would answer before the timer fires.
        let request = format!("SELECT cometchat_bench_get('{}', 1)", place.url);
        let times = Times::of(tries, || timer(db.admin(), &request));
        report.beyond_idle("statement timer", place.name, &times, &idle);
    }
    for place in &places {
        let times = Times::of(tries, || deadline(bench, place));
        report.beyond_idle("answer in time", place.name, &times, &Times::of(1, || Duration::ZERO));
    }
    let idle = Times::of(tries, || sleep(bench).terminate(&mut admin));
    for place in &places {
        let times = Times::of(tries, || hang(bench, place).terminate(&mut admin));
        report.beyond_idle("terminate", place.name, &times, &idle);
    }
    // What ends all sessions, or none, is tried with a call hanging at every place at once: the
    // slowest of them counts, and one by one would take five times as long. In turns with idle
    // ones, since the first databases of a server take longer to make and drop.
    let (mut times, mut idle) = (Times::default(), Times::default());
    for _ in 0..tries {
        let sleepers: Vec<BlockedSession> = places.iter().map(|_| sleep(bench)).collect();
        idle.push(drop_another_database(&mut admin));
        cancel_all(sleepers, &mut admin);
        let busy = hang_everywhere(bench, &places);
        times.push(drop_another_database(&mut admin));
        cancel_all(busy, &mut admin);
    }
    report.beyond_idle("drop database", "all places", &times, &idle);
    drop(admin);
    let (mut times, mut idle) = (Times::default(), Times::default());
    for _ in 0..tries {
        idle.push(shutdown(bench, places.iter().map(|_| sleep(bench)).collect()));
        times.push(shutdown(bench, hang_everywhere(bench, &places)));
    }
    report.beyond_idle("fast shutdown", "all places", &times, &idle);
}

fn hang_everywhere(bench: &Bench, places: &[Place]) -> Vec<BlockedSession> {
    let sessions =
        places.iter().map(|place| BlockedSession::with(session(bench, place), CALL)).collect();
    thread::sleep(Duration::from_millis(25));
    sessions
}

fn cancel_all(sessions: Vec<BlockedSession>, admin: &mut Client) {
    for session in sessions {
        session.cancel(admin);
    }
}

fn session(bench: &Bench, place: &Place) -> Client {
    let mut client = bench.stack.db.admin();
    client
        .batch_execute(&format!(
            "SET cometchat.api_base_url = '{}';
             SET cometchat.request_timeout = '60s'; SET cometchat.connect_timeout = '60s'",
            place.url
        ))
        .expect("set");
    client
}

fn hang(bench: &Bench, place: &Place) -> BlockedSession {
    let busy = BlockedSession::with(session(bench, place), CALL);
    thread::sleep(Duration::from_millis(25));
    busy
}

fn sleep(bench: &Bench) -> BlockedSession {
    let busy = BlockedSession::with(bench.stack.db.admin(), SLEEP);
    thread::sleep(Duration::from_millis(25));
    busy
}

/// How much later than the statement timer the session has its error.
fn timer(mut client: Client, sql: &str) -> Duration {
    let set = format!("SET statement_timeout = {}", TIMER.as_millis());
    client.batch_execute(&set).expect("set");
    let started = Instant::now();
    let done = BlockedSession::with(client, sql).done();
    let error = done.result.expect_err("the timer fires");
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{error}");
    (done.at - started).saturating_sub(TIMER)
}

/// How much later than a quarter of a second before the statement's deadline the answer is there.
fn deadline(bench: &Bench, place: &Place) -> Duration {
    let mut client = session(bench, place);
    client.batch_execute("SET statement_timeout = 300").expect("set");
    let started = Instant::now();
    let done = BlockedSession::with(client, CALL).done();
    assert_eq!(done.answer().code(), "TIMEOUT");
    (done.at - started).saturating_sub(Duration::from_millis(50))
}

fn shutdown(bench: &Bench, sessions: Vec<BlockedSession>) -> Duration {
    let cluster = bench.stack.db.cluster();
    let time = fast_shutdown(cluster);
    drop(sessions);
    cluster.restart_in(&bench.environment);
    time
}
