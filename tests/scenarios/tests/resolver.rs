//! Looking a name up cannot hang a backend.
//!
//! The server gets a resolver of its own by a mount in a namespace, which takes root; elsewhere
//! these tests say so and do nothing (crates/transport/src/resolve/tests.rs has the same without DNS).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::blocked_session::{drop_another_database, fast_shutdown, BlockedSession, Times};
use scenarios::environment::{may_mount, Environment};
use scenarios::{eventually, Answer, Cluster, Database, NameServer, Names, Process, Stack};
use simulator::{Fault, FaultKind, Simulator};

const CALL: &str = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";
const TRIES: usize = 5;
const SANE: Duration = Duration::from_secs(10);

/// A server that asks a name server of the test's, and a CometChat at the name `chat.test`.
struct World {
    names: NameServer,
    environment: Environment,
    stack: Stack,
}

impl World {
    fn new(names: Names) -> Option<World> {
        let Some(names) = NameServer::start(names).filter(|_| may_mount()) else {
            println!("skipped: it takes root to give a server a resolver of its own");
            return None;
        };
        let environment = Environment::default().name_server(&names.address());
        let cluster = Cluster::start(&[]);
        cluster.restart_in(&environment);
        let chat = Simulator::builder().https_names(&["chat.test"]).start().expect("a simulator");
        let stack = Stack::on(Database::plain(cluster), chat);
        let url = format!("https://chat.test:{}/v3", stack.chat.port());
        stack.db.set("cometchat.api_base_url", Some(&url));
        Some(World { names, environment, stack })
    }

    /// A superuser's session.
    fn session(&self, timeout: &str) -> Client {
        let mut client = self.stack.db.admin();
        for name in ["request_timeout", "connect_timeout"] {
            client.batch_execute(&format!("SET cometchat.{name} = '{timeout}'")).expect("set");
        }
        client
    }

    /// A session that hangs in a look-up.
    fn hang(&self) -> BlockedSession {
        let before = self.names.questions();
        let busy = BlockedSession::with(self.session("60s"), CALL);
        eventually("it asks for the name", || self.names.questions() > before);
        busy
    }
}

fn call(client: &mut Client) -> Answer {
    Answer(client.query_one(CALL, &[]).expect("an answer").get(0))
}

fn sleep(db: &Database) -> BlockedSession {
    let busy = BlockedSession::with(db.admin(), "SELECT pg_sleep(60)");
    std::thread::sleep(Duration::from_millis(15));
    busy
}

#[track_caller]
fn compare(what: &str, hanging: &Times, idle: &Times) {
    let (median, worst) = (hanging.median(), hanging.worst());
    println!(
        "{what:<10} Dns        median {median:>9.2?} (idle {:>9.2?})  worst {worst:>9.2?} (idle {:>9.2?})",
        idle.median(),
        idle.worst()
    );
    assert!(worst < idle.worst() + SANE, "{what}: {hanging:?}, idle: {idle:?}");
}

#[test]
fn a_name_is_asked_for_once_and_then_remembered() {
    let Some(world) = World::new(Names::Are(Ipv4Addr::LOCALHOST)) else { return };
    let mut client = world.session("60s");
    world.stack.chat.set_fault(Fault::new(FaultKind::CloseAfter)); // each call connects anew
    for _ in 0..3 {
        assert!(call(&mut client).success());
    }
    assert_eq!(world.stack.chat.counters().connections, 3);
    assert!((1..=2).contains(&world.names.questions()), "A and AAAA: {}", world.names.questions());
    let process = Process::of(&mut client);
    eventually("the look-up's thread is gone", || process.threads() == 1);
}

#[test]
fn a_hanging_look_up_gives_way_to_everything() {
    let Some(world) = World::new(Names::Hang) else { return };
    let db = &world.stack.db;
    let mut admin = db.admin();

    let idle = Times::of(TRIES, || sleep(db).cancel(&mut admin).0);
    compare("cancel", &Times::of(TRIES, || world.hang().cancel(&mut admin).0), &idle);
    let idle = Times::of(TRIES, || sleep(db).terminate(&mut admin));
    compare("terminate", &Times::of(TRIES, || world.hang().terminate(&mut admin)), &idle);

    let sleeper = sleep(db);
    let idle = Times::of(TRIES, || drop_another_database(&mut admin));
    sleeper.cancel(&mut admin);
    let busy = world.hang();
    compare("drop", &Times::of(TRIES, || drop_another_database(&mut admin)), &idle);
    busy.cancel(&mut admin);
    drop(admin);

    let down_and_up = |busy: BlockedSession| {
        let time = fast_shutdown(db.cluster());
        drop(busy);
        db.cluster().restart_in(&world.environment);
        time
    };
    let idle = Times::of(TRIES, || down_and_up(sleep(db)));
    compare("shutdown", &Times::of(TRIES, || down_and_up(world.hang())), &idle);
}

#[test]
fn one_thread_looks_up_however_often_it_is_given_up() {
    let Some(world) = World::new(Names::Hang) else { return };
    // One agent throughout, and so one thread: connect_timeout belongs to it.
    let mut client = world.session("60s");
    client.batch_execute("SET cometchat.request_timeout = '100ms'").expect("set");
    let process = Process::of(&mut client);
    let mut descriptors = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        assert_eq!(call(&mut client).code(), "TIMEOUT");
        assert!(started.elapsed() < SANE);
        assert!(process.threads() <= 2, "{} threads", process.threads());
        eventually("a name server is asked", || world.names.questions() > 0);
        descriptors.push(process.descriptors());
    }
    assert_eq!(descriptors[1], descriptors[4], "{descriptors:?}");

    let mut admin = world.stack.db.admin();
    client.batch_execute("SET cometchat.request_timeout = '60s'").expect("set");
    let busy = BlockedSession::with(client, CALL);
    std::thread::sleep(Duration::from_millis(50));
    let (_, mut client) = busy.cancel(&mut admin);
    assert!(process.threads() <= 2);
    // Another address needs no name, and no thread.
    let url = format!("https://127.0.0.1:{}/v3", world.stack.chat.port());
    client.batch_execute(&format!("SET cometchat.api_base_url = '{url}'")).expect("set");
    assert_eq!(call(&mut client).code(), "NETWORK", "the certificate is for chat.test");
}

#[test]
fn a_resolver_that_fails_says_so_and_is_asked_again() {
    let Some(world) = World::new(Names::Fail) else { return };
    let mut client = world.session("60s");
    let answer = call(&mut client);
    assert_eq!(answer.code(), "NETWORK");
    assert_eq!(answer.error(), "CometChat could not be reached: name not found");
    world.names.set(Names::Are(Ipv4Addr::LOCALHOST));
    assert!(call(&mut client).success());
}
