//! CometChat is out of the worker's reach in the ways that answer nothing: a dead name server, a
//! TLS handshake or an answer that never ends. Sign-ups commit, operators are obeyed, and everybody
//! arrives when it is over.
//!
//! (Name servers need root, see resolver.rs. How long operations take: worker_hanging_request.rs.)

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use scenarios::blocked_session::fast_shutdown;
use scenarios::environment::{is_running, may_mount, Environment};
use scenarios::{
    eventually, within, Cluster, Database, FaultServer, NameServer, Names, Stack, Stage,
};
use simulator::Simulator;
use uuid::Uuid;

const CONF: [&str; 1] = ["shared_preload_libraries = 'cometchat_ext'"];
/// A fraction of the hang, and ample on a busy machine.
const SANE: Duration = Duration::from_secs(10);
const WORKER: &str = "SELECT max(pid) FROM pg_stat_activity
                      WHERE backend_type = 'cometchat worker' AND datname = current_database()";
const SENDS: &str = "SELECT max(pid) FROM pg_stat_activity WHERE query = 'sending'
                     AND backend_type = 'cometchat worker' AND datname = current_database()";

/// A server whose name server keeps silent, and a CometChat at the name `chat.test`.
fn with_a_dead_name_server() -> Option<(NameServer, Environment, Stack)> {
    let Some(names) = NameServer::start(Names::Hang).filter(|_| may_mount()) else {
        println!("skipped: it takes root to give a server a resolver of its own");
        return None;
    };
    let environment = Environment::default().name_server(&names.address());
    let cluster = Cluster::start(&CONF);
    cluster.restart_in(&environment);
    let chat = Simulator::builder().https_names(&["chat.test"]).start().expect("a simulator");
    let stack = Stack::on(Database::like_supabase(cluster), chat);
    let url = format!("https://chat.test:{}/v3", stack.chat.port());
    stack.db.set("cometchat.api_base_url", Some(&url));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    Some((names, environment, stack))
}

#[test]
fn a_sign_up_commits_at_once_with_the_name_server_dead_and_arrives_when_it_answers() {
    let Some((names, _, stack)) = with_a_dead_name_server() else { return };

    let mut users: Vec<Uuid> = Vec::new();
    for n in 0..5 {
        let started = Instant::now();
        users.push(stack.sign_up(&format!("User {n}")));
        assert!(started.elapsed() < SANE, "a sign-up took {:?}", started.elapsed());
        eventually("the worker asks for the name", || names.questions() > 0);
    }
    let failures = "SELECT is_called FROM cometchat.trigger_failures";
    assert_eq!(stack.value(failures).as_deref(), Some("false"));
    let mut session = stack.session(users[0]);
    session.client.batch_execute("SET cometchat.request_timeout = '300ms'").expect("set");
    let answer = session.ensure(None, None, None);
    assert!(["TIMEOUT", "NETWORK"].contains(&answer.code()) && answer.queued(), "{answer:?}");

    names.set(Names::Are(Ipv4Addr::LOCALHOST));
    let started = Instant::now();
    // The question that hangs is given up after half a minute (the resolver's own setting).
    within(Duration::from_secs(90), "all have arrived", || {
        users.iter().all(|user| stack.stored(*user).token.is_some())
    });
    println!("all arrived {:.1?} after the name server came back", started.elapsed());
    let failed = "SELECT count(*) FROM cometchat.failed_users";
    assert_eq!(stack.value(failed).as_deref(), Some("0"));
}

#[test]
fn a_worker_with_a_hanging_lookup_obeys_terminate_pause_and_shutdown() {
    let Some((names, environment, stack)) = with_a_dead_name_server() else { return };
    give(&stack, "60s");
    stack.sign_up("Ada Lovelace");
    let hang = || {
        let before = names.questions();
        stack.execute("SELECT cometchat.enqueue(id) FROM auth.users; SELECT pg_reload_conf()");
        eventually("it asks for the name", || names.questions() > before);
        eventually("it says so", || stack.value(SENDS).is_some());
        stack.value(SENDS).and_then(|pid| pid.parse::<i32>().ok()).expect("a process")
    };

    let pid = hang();
    let started = Instant::now();
    stack.execute(&format!("SELECT pg_terminate_backend({pid})"));
    eventually("it has ended", || !is_running(pid));
    println!("pg_terminate_backend Dns: {:.2?}", started.elapsed());
    assert!(started.elapsed() < SANE);

    hang();
    give(&stack, "2s"); // the next worker
    let took = fast_shutdown(stack.db.cluster());
    println!("fast shutdown        Dns: {took:.2?}");
    assert!(took < SANE);
    stack.db.cluster().restart_in(&environment);

    stack.execute("SELECT cometchat.pause()");
    eventually("the worker leaves", || stack.value(WORKER).is_none());
}

/// Gives a request of workers that start from now on so much time.
fn give(stack: &Stack, timeout: &str) {
    for name in ["cometchat.request_timeout", "cometchat.connect_timeout"] {
        stack.db.set(name, Some(timeout));
    }
}

/// A worker whose request hangs there, for so long at a time.
fn hanging(stage: Stage, timeout: &str) -> (Stack, FaultServer, Uuid) {
    let stack = Stack::syncing();
    let server = FaultServer::hanging(stage);
    give(&stack, timeout);
    stack.db.set("cometchat.api_base_url", Some(&server.base_url()));
    let ada = stack.sign_up("Ada Lovelace");
    eventually("a request hangs", || stack.value(SENDS).is_some());
    server.wait_until_busy(0);
    (stack, server, ada)
}

fn mend(stack: &Stack) {
    stack.db.set("cometchat.api_base_url", Some(&stack.chat.base_url()));
    stack.db.set("cometchat.ca_file", None);
}

#[track_caller]
fn pause_and_resume(stage: Stage) {
    let (stack, server, ada) = hanging(stage, "2s");
    stack.execute("SELECT cometchat.pause()");
    let bob = stack.sign_up("Bob Marley");
    eventually("the worker leaves", || stack.value(WORKER).is_none());
    let tried = server.connections();
    let claimed = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    assert_eq!(stack.value(claimed).as_deref(), Some("0"), "nobody is left in flight");
    let pending = "SELECT concat_ws(' ', paused_reason, pending, failed) FROM cometchat.progress";
    assert_eq!(stack.value(pending).as_deref(), Some("OPERATOR 2 0"));

    // Resumed and paused and resumed: the last word counts.
    stack.execute("SELECT cometchat.resume()");
    eventually("there is a worker again", || stack.value(WORKER).is_some());
    eventually("it tries again", || server.connections() > tried || stage == Stage::Connect);
    stack.execute("SELECT cometchat.pause()");
    mend(&stack);
    stack.execute("SELECT cometchat.resume()");
    for user in [ada, bob] {
        eventually("they arrive", || stack.stored(user).token.is_some());
    }
    assert_eq!(stack.app().user_count(), 2);
}

#[test]
fn pause_and_resume_are_obeyed_while_a_tls_handshake_hangs() {
    pause_and_resume(Stage::Handshake);
}

#[test]
fn pause_and_resume_are_obeyed_while_connecting_or_an_answer_hangs() {
    pause_and_resume(Stage::Connect);
    pause_and_resume(Stage::Header);
    pause_and_resume(Stage::Body);
}

#[test]
fn reloads_do_not_repeat_a_hanging_request_or_lose_the_user() {
    for stage in [Stage::Handshake, Stage::Header, Stage::Body] {
        let (stack, server, ada) = hanging(stage, "8s");
        let worker = stack.value(WORKER);
        for _ in 0..20 {
            stack.execute("SELECT pg_reload_conf()");
        }
        assert_eq!(server.connections(), 1, "in {stage:?}");
        assert_eq!(stack.value(WORKER), worker, "it is the same process");

        mend(&stack);
        stack.execute("SELECT pg_reload_conf()");
        eventually("she arrives by the new settings", || stack.stored(ada).token.is_some());
        assert_eq!(stack.asked(), ["create_user"]);
    }
}
