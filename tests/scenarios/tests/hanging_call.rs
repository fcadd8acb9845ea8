//! A call that hangs gives way at once, wherever it hangs: to cancel, terminate, the statement's
//! own deadline, shutdown, and to `DROP DATABASE` of somebody else's database.
//!
//! Each operation is timed beside the same one on a session in `pg_sleep`, and the figures are
//! printed. Here they only have to be sane; `make bench` holds them against the real targets.
//! (Hanging in name resolution: resolver.rs.)

use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use scenarios::blocked_session::{drop_another_database, fast_shutdown, BlockedSession, Times};
use scenarios::environment::Environment;
use scenarios::{in_tries, Answer, Cluster, Database, FaultServer, Process, Stack, Stage};
use simulator::Simulator;

const TRIES: usize = 5;

/// What every operation may take beyond the idle one: a fraction of the hang, and ample on a busy
/// machine.
const SANE: Duration = Duration::from_secs(10);

const CALL: &str = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";
const SLEEP: &str = "SELECT pg_sleep(60)";

/// A superuser's session whose calls go to `url` and have a minute for it.
fn session(db: &Database, url: &str) -> Client {
    let mut client = db.admin();
    go_to(&mut client, url);
    client
        .batch_execute(
            "SET cometchat.request_timeout = '60s'; SET cometchat.connect_timeout = '60s'",
        )
        .expect("set");
    client
}

fn go_to(client: &mut Client, url: &str) {
    client.batch_execute(&format!("SET cometchat.api_base_url = '{url}'")).expect("set");
}

/// A session that hangs there.
fn hang(db: &Database, server: &FaultServer) -> BlockedSession {
    let before = server.connections();
    let busy = BlockedSession::with(session(db, &server.base_url()), CALL);
    server.wait_until_busy(before);
    busy
}

/// A session that sleeps in Postgres's own code.
fn sleep(db: &Database) -> BlockedSession {
    let busy = BlockedSession::with(db.admin(), SLEEP);
    std::thread::sleep(Duration::from_millis(15));
    busy
}

/// Makes a call under a deadline of the server's own.
fn try_call(client: &mut Client) -> Result<Answer, postgres::Error> {
    let messages = match client.simple_query(CALL) {
        Err(e) if e.code() != Some(&SqlState::QUERY_CANCELED) => panic!("{e}"),
        messages => messages?,
    };
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(Answer(serde_json::from_str(text.expect("a value")).expect("JSON")))
}

#[track_caller]
fn compare(what: &str, stage: Stage, hanging: &Times, idle: &Times) {
    println!(
        "{what:<10} {:<10} median {:>9.2?} (idle {:>9.2?})  worst {:>9.2?} (idle {:>9.2?})",
        format!("{stage:?}"),
        hanging.median(),
        idle.median(),
        hanging.worst(),
        idle.worst()
    );
    assert!(hanging.worst() < idle.worst() + SANE, "{what} {stage:?}: {hanging:?}, idle: {idle:?}");
}

#[test]
fn cancel_ends_it_and_the_session_goes_on() {
    let stack = Stack::plain();
    let (db, mut admin) = (&stack.db, stack.db.admin());
    let idle = Times::of(TRIES, || sleep(db).cancel(&mut admin).0);
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let mut client = session(db, &stack.chat.base_url());
        let call = |client: &mut Client| Answer(client.query_one(CALL, &[]).unwrap().get(0));
        assert!(call(&mut client).success());
        let process = Process::of(&mut client);
        let descriptors = process.descriptors();

        let mut times = Times::default();
        for _ in 0..TRIES {
            go_to(&mut client, &server.base_url());
            let before = server.connections();
            let busy = BlockedSession::with(client, CALL);
            server.wait_until_busy(before);
            let (time, back) = busy.cancel(&mut admin);
            client = back;
            times.push(time);

            go_to(&mut client, &stack.chat.base_url());
            assert!(call(&mut client).success(), "the next call after a cancel in {stage:?}");
        }
        compare("cancel", stage, &times, &idle);
        assert_eq!(process.descriptors(), descriptors, "descriptors after {stage:?}");
        assert_eq!(process.threads(), 1);
    }
    // One for each session, and one for each change from https back to http, which makes a new
    // agent: no cancel cost a connection that it did not concern.
    let connections = stack.chat.counters().connections;
    assert_eq!(connections, (Stage::ALL.len() + TRIES) as u64);
}

#[test]
fn terminate_ends_it() {
    let stack = Stack::plain();
    let (db, mut admin) = (&stack.db, stack.db.admin());
    let idle = Times::of(TRIES, || sleep(db).terminate(&mut admin));
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let times = Times::of(TRIES, || hang(db, &server).terminate(&mut admin));
        compare("terminate", stage, &times, &idle);
    }
}

#[test]
fn dropping_another_database_does_not_wait_for_it() {
    // Of its own: it writes out what all databases of the cluster have changed.
    let stack = Stack::on(Database::plain(Cluster::start(&[])), Simulator::start());
    let (db, mut admin) = (&stack.db, stack.db.admin());
    let sleeper = sleep(db);
    let idle = Times::of(TRIES, || drop_another_database(&mut admin));
    sleeper.cancel(&mut admin);
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let busy = hang(db, &server);
        let times = Times::of(TRIES, || drop_another_database(&mut admin));
        compare("drop", stage, &times, &idle);
        busy.cancel(&mut admin);
    }
}

#[test]
fn a_fast_shutdown_does_not_wait_for_it() {
    let cluster = Cluster::start(&[]);
    let stack = Stack::on(Database::plain(cluster), Simulator::start());
    let db = &stack.db;
    let down_and_up = |busy: BlockedSession| {
        let time = fast_shutdown(db.cluster());
        drop(busy);
        db.cluster().restart_in(&Environment::default());
        time
    };
    let idle = Times::of(TRIES, || down_and_up(sleep(db)));
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let times = Times::of(TRIES, || down_and_up(hang(db, &server)));
        compare("shutdown", stage, &times, &idle);
    }
}

#[test]
fn the_answer_comes_a_quarter_of_a_second_before_the_statement_would_be_cancelled() {
    let stack = Stack::plain();
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let mut client = session(&stack.db, &server.base_url());
        client.batch_execute("SET statement_timeout = '600ms'").expect("set");
        // Without that quarter every try would be cancelled; a busy machine may spoil a few.
        let (answer, took) = in_tries(10, || {
            let started = Instant::now();
            try_call(&mut client).map(|answer| (answer, started.elapsed()))
        });
        println!("statement_timeout 600 ms  {:<10} {took:>9.2?}", format!("{stage:?}"));
        assert_eq!(answer.code(), "TIMEOUT", "{stage:?}");
        let wanted = Duration::from_millis(350);
        assert!(took >= wanted && took < wanted + SANE, "{stage:?}: {took:?}");
    }
}

#[test]
fn a_statement_without_time_to_spare_is_answered_at_once_and_nothing_is_sent() {
    let stack = Stack::plain();
    let server = FaultServer::hanging(Stage::Header);
    for timeout in ["1ms", "100ms", "250ms"] {
        let mut client = session(&stack.db, &stack.chat.base_url());
        client.batch_execute(CALL).expect("the first call of a session takes longer");
        go_to(&mut client, &server.base_url());
        client.batch_execute(&format!("SET statement_timeout = '{timeout}'")).expect("set");
        // A millisecond may be over before the call has begun, and so may more on a busy machine.
        let mut once = || {
            let started = Instant::now();
            let answer = try_call(&mut client);
            assert!(started.elapsed() < SANE);
            answer.is_ok_and(|answer| answer.code() == "TIMEOUT")
        };
        assert!((0..50).any(|_| once()) || timeout == "1ms", "cancelled under {timeout}");
        assert_eq!(server.connections(), 0, "{timeout}");
    }
}

#[test]
fn a_functions_own_statement_timeout_counts_too() {
    let stack = Stack::plain();
    let server = FaultServer::hanging(Stage::Header);
    let mut client = session(&stack.db, &server.base_url());
    client
        .batch_execute(
            "CREATE FUNCTION quick() RETURNS jsonb LANGUAGE sql SET statement_timeout = '500ms'
             AS $$ SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada') $$",
        )
        .expect("create a function");
    let started = Instant::now();
    let done = BlockedSession::with(client, "SELECT quick()").done();
    assert_eq!(done.answer().code(), "TIMEOUT");
    assert!(done.at - started < Duration::from_millis(250) + SANE);
}

#[test]
fn request_timeout_is_the_budget_of_the_whole_call() {
    let stack = Stack::plain();
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let mut client = session(&stack.db, &server.base_url());
        client.batch_execute("SET cometchat.request_timeout = '300ms'").expect("set");
        let started = Instant::now();
        let done = BlockedSession::with(client, CALL).done();
        let took = done.at - started;
        println!("request_timeout 300 ms  {:<10} {took:>9.2?}", format!("{stage:?}"));
        assert_eq!(done.answer().code(), "TIMEOUT", "{stage:?}");
        assert!(took >= Duration::from_millis(300) && took < SANE, "{stage:?}: {took:?}");
    }
}
