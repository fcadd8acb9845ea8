//! Whatever comes back, a call ends with an answer object, in time and in bounded memory.

use std::io::Write;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::{Answer, FaultServer, Process, Stack};
use simulator::{Fault, FaultKind};

/// What a call may take that is to use it up.
const BUDGET: Duration = Duration::from_millis(600);

/// What any other call may take: nothing that ends by itself needs it, on the busiest machine.
const ENDLESS: Duration = Duration::from_secs(20);

/// Anonymous memory that a session may gain from all of a test's answers, in kilobytes.
const MEMORY: u64 = 8 * 1024;

/// A superuser's session that has made a call.
fn session(stack: &Stack) -> Client {
    let mut client = stack.db.admin();
    give(&mut client, ENDLESS);
    assert!(call(&mut client).success());
    client
}

/// Gives the session's calls so much time.
fn give(client: &mut Client, budget: Duration) {
    for name in ["request_timeout", "connect_timeout"] {
        let sql = format!("SET cometchat.{name} = '{}ms'", budget.as_millis());
        client.batch_execute(&sql).expect("set");
    }
}

fn call(client: &mut Client) -> Answer {
    let sql = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";
    Answer(client.query_one(sql, &[]).expect("an answer, not an error").get(0))
}

#[track_caller]
fn expect(client: &mut Client, what: &str, code: &str) {
    give(client, if code == "TIMEOUT" { BUDGET } else { ENDLESS });
    let started = Instant::now();
    let answer = call(client);
    let took = started.elapsed();
    println!("{what:<40} {code:<10} {took:>9.2?}  {}", answer.error());
    assert_eq!(answer.code(), code, "{what}: {}", answer.error());
    assert!(took < ENDLESS / 2, "{what}: {took:?}");
}

#[test]
fn every_fault_of_the_network_ends_in_an_answer() {
    use FaultKind::*;
    let stack = Stack::plain();
    let mut client = session(&stack);
    let process = Process::of(&mut client);
    let before = (process.rss_anon(), process.descriptors());
    let tight = EndlessChunked { bytes: 64 * 1024, interval_ms: 0 };
    let slow = EndlessChunked { bytes: 8, interval_ms: 20 };
    for (what, kind, code) in [
        ("silence", HangBeforeHeader, "TIMEOUT"),
        ("silence after the header", HangAfterHeader, "TIMEOUT"),
        ("a slow drip", Drip { bytes: 1, interval_ms: 20 }, "TIMEOUT"),
        ("a close", Close, "NETWORK"),
        ("a reset", Reset, "NETWORK"),
        ("half of the JSON", TruncatedJson, "API_ERROR"),
        ("less than its Content-Length", TruncatedBody, "NETWORK"),
        ("more than its Content-Length", ShortLength, "API_ERROR"),
        ("endless chunks", tight, "API_ERROR"),
        ("endless chunks, slowly", slow, "TIMEOUT"),
        ("10 GB", HugeBody { bytes: 10 << 30 }, "API_ERROR"),
        ("64 KB and a bit", HugeBody { bytes: (64 << 10) + 1 }, "API_ERROR"),
        ("garbage", Garbage { bytes: "\u{1}\u{2}not http\0\n".into() }, "API_ERROR"),
        ("204", NoContent, "API_ERROR"),
        ("gzip", Gzip, "API_ERROR"),
    ] {
        stack.chat.set_fault(Fault::new(kind));
        expect(&mut client, what, code);
        stack.chat.clear_faults();
    }
    stack.chat.set_fault(Fault::raw(200, "text/html", "<html>It works!</html>"));
    expect(&mut client, "a web page", "API_ERROR");
    stack.chat.clear_faults();

    assert!(call(&mut client).success(), "the session goes on");
    let after = (process.rss_anon(), process.descriptors());
    println!("RssAnon {} kB before, {} kB after", before.0, after.0);
    assert!(after.0 < before.0 + MEMORY, "{} kB, before {} kB", after.0, before.0);
    assert_eq!(after.1, before.1, "sockets and the like");
}

fn talk_to(client: &mut Client, server: &FaultServer) {
    let url = format!("SET cometchat.api_base_url = '{}'", server.base_url());
    client.batch_execute(&url).expect("set");
}

#[test]
fn every_violation_of_http_ends_in_an_answer() {
    let head = "HTTP/1.1 200 OK\r\n";
    let of = |headers: &str, body: &str| format!("{head}{headers}\r\n{body}");
    let long = |n: usize| "x".repeat(n);
    let stack = Stack::plain();
    let mut client = session(&stack);
    let process = Process::of(&mut client);
    let before = process.rss_anon();
    for (what, bytes, code) in [
        ("a header of 70 KB", of(&format!("X: {}\r\n", long(70 << 10)), "{}"), "API_ERROR"),
        ("1,000 headers", of(&"X: y\r\n".repeat(1000), "{}"), "API_ERROR"),
        ("a header without an end", format!("{head}X: {}", long(60 << 10)), "TIMEOUT"),
        ("1 MB of header", format!("{head}X: {}", long(1 << 20)), "API_ERROR"),
        ("a negative length", of("Content-Length: -1\r\n", "{}"), "API_ERROR"),
        ("a length that is no number", of("Content-Length: many\r\n", "{}"), "API_ERROR"),
        (
            "an impossible length",
            of(&format!("Content-Length: {}0\r\n", u64::MAX), ""),
            "API_ERROR",
        ),
        ("the largest length", of(&format!("Content-Length: {}\r\n", u64::MAX), ""), "API_ERROR"),
        ("two lengths", of("Content-Length: 2\r\nContent-Length: 9999\r\n", "{}"), "API_ERROR"),
        ("a chunk of no size", of("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n"), "API_ERROR"),
        (
            "a chunk of every size",
            of("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"),
            "API_ERROR",
        ),
        (
            "a chunk size without an end",
            of("Transfer-Encoding: chunked\r\n", &"0".repeat(300 << 10)),
            "NETWORK",
        ),
        (
            "endless trailers",
            of("Transfer-Encoding: chunked\r\n", &format!("0\r\nX: {}", long(300 << 10))),
            "NETWORK",
        ),
        ("status 0", "HTTP/1.1 000 ?\r\n\r\n".to_owned(), "API_ERROR"),
        ("status 99999", "HTTP/1.1 99999 ?\r\n\r\n".to_owned(), "API_ERROR"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "API_ERROR"),
        ("an old HTTP", "HTTP/0.9 200 OK\r\n\r\n{}".to_owned(), "API_ERROR"),
        ("101", "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(), "API_ERROR"),
        ("NUL in a header", of("X: a\0b\r\n", "{}"), "API_ERROR"),
        (
            "brackets without an end",
            of("Content-Length: 65000\r\n", &"[".repeat(65_000)),
            "API_ERROR",
        ),
    ] {
        let server = FaultServer::answering(move |_| bytes.clone().into_bytes());
        talk_to(&mut client, &server);
        expect(&mut client, what, code);
    }
    // As many as it takes: those that come one by one are passed over, like a proxy's single one.
    let server = FaultServer::serving(|mut stream| {
        let continues = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
        let _ = scenarios::read_request(&mut stream);
        while stream.write_all(continues.as_bytes()).is_ok() {}
    });
    talk_to(&mut client, &server);
    expect(&mut client, "100 for ever", "API_ERROR");
    let after = process.rss_anon();
    println!("RssAnon {before} kB before, {after} kB after");
    assert!(after < before + MEMORY, "{after} kB, before {before} kB");
}

fn answer(json: &str) -> String {
    let length = json.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}")
}

#[test]
fn connections_are_kept_from_call_to_call() {
    let stack = Stack::plain();
    let mut client = session(&stack);
    for _ in 0..9 {
        assert!(call(&mut client).success());
    }
    let requests = stack.chat.requests();
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|r| r.connection == requests[0].connection), "{requests:?}");
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let stack = Stack::plain();
    let mut client = session(&stack);
    stack.chat.set_fault(Fault::new(FaultKind::CloseAfter));
    for _ in 0..5 {
        assert!(call(&mut client).success());
    }
}

/// Answers the first request of a connection and breaks off at the second: what an idle
/// connection does that is closed while a request is under way to it.
fn going_stale() -> FaultServer {
    FaultServer::serving(|mut stream| {
        let Some(request) = scenarios::read_request(&mut stream) else { return };
        let uid = request.split("\"uid\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let uid = uid.unwrap_or_default();
        let json = format!(r#"{{"data":{{"uid":"{uid}","name":"Ada","authToken":"t_{uid}"}}}}"#);
        let _ = stream.write_all(answer(&json).as_bytes());
        let _ = scenarios::read_request(&mut stream);
    })
}

#[test]
fn a_request_on_a_stale_connection_is_sent_once_more() {
    let stack = Stack::plain();
    let server = going_stale();
    stack.db.set("cometchat.api_base_url", Some(&server.base_url()));
    let mut client = stack.db.admin();
    for calls in 1..=5 {
        let answer = call(&mut client);
        assert!(answer.success(), "call {calls}: {}", answer.error());
        assert_eq!(server.connections(), calls);
    }
}

#[test]
fn a_fresh_connection_that_breaks_is_not_tried_again() {
    let stack = Stack::plain();
    let mut client = session(&stack);
    let server = FaultServer::serving(|mut stream| drop(scenarios::read_request(&mut stream)));
    let url = format!("SET cometchat.api_base_url = '{}'", server.base_url());
    client.batch_execute(&url).expect("set");
    expect(&mut client, "a close on a fresh connection", "NETWORK");
    assert_eq!(server.connections(), 1);
}
