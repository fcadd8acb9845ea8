//! What calls leave behind in a session, and the library in a server: nothing.

use std::fs;
use std::process::Command;
use std::sync::Mutex;

use postgres::Client;
use scenarios::environment::Environment;
use scenarios::{Answer, Cluster, Database, FaultServer, Mutator, Process, Stack};
use simulator::{RecordMode, Simulator};
use uuid::Uuid;

/// Calls in one session; `make bench` makes ten thousand.
fn calls() -> usize {
    std::env::var("COMETCHAT_CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

const CALL: &str = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";

fn call(client: &mut Client, sql: &str) -> Answer {
    Answer(client.query_one(sql, &[]).expect("an answer, not an error").get(0))
}

/// For whoever looks at a session's memory: after many changes to others' tables, Postgres has every session
/// forget its catalog cache, and what reads it again takes new memory.
fn a_server_of_its_own() -> Cluster {
    Cluster::start(&["shared_preload_libraries = 'cometchat_ext'", "autovacuum = off"])
}

#[test]
fn thousands_of_calls_leave_nothing_behind() {
    let chat = Simulator::builder().record(RecordMode::Counts).start().expect("a simulator");
    let stack = Stack::on(Database::plain(a_server_of_its_own()), chat);
    let mut client = stack.db.admin();
    let user = Uuid::new_v4();
    let ensure = format!("SELECT public.cometchat_ensure_user('{user}', 'Ada')");
    let refresh = format!("SELECT public.cometchat_refresh_token('{user}')");
    assert!(call(&mut client, &ensure).success());
    let process = Process::of(&mut client);
    let calls = calls();
    let warm = calls / 10;
    let mut memory = Vec::new();
    for i in 0..calls {
        // The token API keeps a hundred for each user; nothing here depends on which.
        assert!(call(&mut client, &refresh).success(), "call {i}");
        if i >= warm && i % (calls / 10) == 0 {
            memory.push(process.rss_anon());
        }
    }
    let descriptors = process.descriptors();
    println!("{calls} calls: RssAnon {memory:?} kB, descriptors {}", descriptors.len());
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last <= first + 256, "RssAnon grows: {memory:?}");
    assert!(process.ip_sockets() <= 1, "{descriptors:?}");
    assert!(process.threads() <= 2);
    assert_eq!(stack.chat.counters().connections, 1);
}

#[test]
fn a_thousand_malformed_answers_are_a_thousand_answers() {
    let seed = std::env::var("SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0xc0ffee);
    println!("SEED={seed}");
    let json = |text: &str| {
        let length = text.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 500";
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{text}").into_bytes()
    };
    let uid = Uuid::new_v4();
    let real = vec![
        json(&format!(r#"{{"data":{{"uid":"{uid}","authToken":"{uid}_1a2b","createdAt":1}}}}"#)),
        json(r#"{"error":{"code":"ERR_UID_NOT_FOUND","message":"no","devMessage":"no","source":"x"}}"#),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"dat\r\n40\r\n{}\r\n0\r\n\r\n",
            format_args!("{:<64}", format!(r#"a":{{"authToken":"{uid}"}}}}"#))
        )
        .into_bytes(),
        b"HTTP/1.1 503 Too BlockedSession\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
    ];
    let mutator = Mutex::new(Mutator::new(seed, real));
    // It closes after each answer: what is short of its length must not take its whole budget.
    let server = FaultServer::serving(move |mut stream| {
        if scenarios::read_request(&mut stream).is_some() {
            let bytes = mutator.lock().expect("no panic while it is held").broken_answer();
            let _ = std::io::Write::write_all(&mut stream, &bytes);
        }
    });
    let stack = Stack::on(Database::plain(a_server_of_its_own()), Simulator::start());
    stack.db.set("cometchat.api_base_url", Some(&server.base_url()));
    let mut client = stack.db.admin();
    client.batch_execute("SET cometchat.request_timeout = '2s'").expect("set");
    let process = Process::of(&mut client);
    let refresh = format!("SELECT public.cometchat_refresh_token('{uid}')");
    let mut memory = 0;
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    for i in 0..1000 {
        let answer = call(&mut client, &refresh);
        let code = if answer.success() { "success" } else { answer.code() };
        *codes.entry(code.to_owned()).or_default() += 1;
        if i == 99 {
            memory = process.rss_anon();
        }
    }
    println!("{codes:?}, RssAnon {memory} kB after 100, {} kB at the end", process.rss_anon());
    assert!(process.rss_anon() <= memory + 512, "RssAnon grows");
    assert!(codes.len() >= 4, "a generator that breaks things in one way only: {codes:?}");
    assert!(process.ip_sockets() <= 1 && process.threads() == 1);
}

#[test]
fn the_postmaster_gets_neither_threads_nor_sockets() {
    let bare = Cluster::start(&[]);
    let preloaded = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let [bare, loaded] =
        [&bare, &preloaded].map(|cluster| Process(cluster.postmaster().expect("a postmaster")));
    assert_eq!(loaded.threads(), 1);
    assert_eq!(loaded.descriptors(), bare.descriptors());
    let maps = fs::read_to_string(format!("/proc/{}/maps", loaded.0)).expect("maps");
    assert!(maps.contains("cometchat_ext.so"), "it is preloaded");

    let stack = Stack::on(Database::plain(preloaded), Simulator::start());
    assert!(call(&mut stack.db.admin(), CALL).success());
    assert_eq!(loaded.threads(), 1);
}

#[test]
fn the_library_loads_in_single_user_mode() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    // What pg_upgrade starts.
    cluster.pg_ctl(&["-m", "fast", "stop"]);
    cluster.pg_ctl(&["-o", "-b -c synchronous_commit=off", "start"]);
    let shown: String =
        cluster.admin("postgres").query_one("SHOW cometchat.region", &[]).expect("show").get(0);
    assert_eq!(shown, "");
    cluster.pg_ctl(&["-m", "fast", "stop"]);

    let mut single: Command = cluster.program("postgres");
    single.arg("--single").arg("-D").arg(cluster.dir().join("data"));
    let script = cluster.secret_file("single.sql", "SHOW cometchat.request_timeout\n");
    single.arg("postgres").stdin(fs::File::open(script).expect("the script"));
    let output = single.output().expect("start postgres");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("\"5s\""), "{output:?}");
}

#[test]
fn errors_come_without_backtraces() {
    let cluster = Cluster::start(&["log_min_messages = debug1", "log_error_verbosity = verbose"]);
    let environment =
        Environment::default().variable("RUST_BACKTRACE", "1").variable("RUST_LIB_BACKTRACE", "1");
    cluster.restart_in(&environment);
    let stack = Stack::on(Database::plain(cluster), Simulator::start());
    let server = FaultServer::hanging(scenarios::Stage::Header);
    let mut client = stack.db.admin();
    assert!(call(&mut client, CALL).success());
    let url = format!("SET cometchat.api_base_url = '{}'", server.base_url());
    client.batch_execute(&url).expect("set");
    client.batch_execute("SET cometchat.request_timeout = '60s'").expect("set");

    // A cancel while a request is under way: an ERROR that passes through Rust.
    let busy = scenarios::blocked_session::BlockedSession::with(client, CALL);
    server.wait_until_busy(0);
    let (took, _) = busy.cancel(&mut stack.db.admin()); // checks that there is no DETAIL
    println!("cancelled after {took:?} with RUST_BACKTRACE=1");

    let log = stack.db.cluster().log();
    assert!(log.contains("canceling statement due to user request"));
    for trace in ["stack backtrace", "rust_begin_unwind", "/rustc/", ".cargo", "panicked"] {
        assert!(!log.contains(trace), "{trace:?} is in the log");
    }
}
