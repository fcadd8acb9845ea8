//! Every fault, seen by a client of raw sockets.

mod common;

use common::{eventually, exchange, request, Answer, End};
use serde_json::{json, Value};
use simulator::{Fault, FaultKind, Filter, Simulator, DEV_API_KEY};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// For what ends by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// For what goes on: who listens has to stop.
const SILENCE: Duration = Duration::from_secs(5);

/// A simulator with a user and one fault.
fn with(fault: Fault) -> Simulator {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    sim.set_fault(fault);
    sim
}

/// Asks for the user and listens to the end, or to at most `most` bytes.
fn listen(sim: &Simulator, most: usize) -> Answer {
    ask(sim, PATIENCE, most)
}

fn ask(sim: &Simulator, patience: Duration, most: usize) -> Answer {
    let text = request("GET", "/v3/users/ann", &[("apikey", DEV_API_KEY)], "");
    exchange(sim.port(), text.as_bytes(), patience, most)
}

fn observe(kind: FaultKind) -> (Simulator, Answer) {
    let sim = with(Fault::new(kind));
    let answer = listen(&sim, usize::MAX);
    (sim, answer)
}

/// The same of what leaves the connection open.
fn observe_for_a_while(kind: FaultKind) -> (Simulator, Answer) {
    let sim = with(Fault::new(kind));
    let answer = ask(&sim, SILENCE, usize::MAX);
    (sim, answer)
}

fn status_recorded(sim: &Simulator) -> Option<u16> {
    assert!(sim.wait_for(&Filter::default(), 1, PATIENCE), "no request came");
    sim.requests()[0].status
}

fn stated_length(answer: &Answer) -> usize {
    answer.header("content-length").unwrap().parse().unwrap()
}

#[test]
fn status_with_any_code_and_headers() {
    let sim = with(Fault::status(503, "ERR_OPERATION_FAILED").header("Retry-After", "7"));
    let answer = listen(&sim, usize::MAX);
    assert_eq!(answer.refusal(), (503, "ERR_OPERATION_FAILED".into()));
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(sim.requests()[0].fault.as_deref(), Some("status"));
}

#[test]
fn raw_body_of_a_gateway() {
    let sim = with(Fault::raw(502, "text/html", "<html><h1>Bad Gateway</h1></html>"));
    let answer = listen(&sim, usize::MAX);
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html")));
    assert_eq!(answer.text(), "<html><h1>Bad Gateway</h1></html>");
}

#[test]
fn delay_comes_before_the_normal_answer_and_before_other_faults() {
    let sim = with(Fault::delay(120));
    let answer = listen(&sim, usize::MAX);
    assert!(answer.status == 200 && answer.took >= Duration::from_millis(120));
    sim.set_fault(Fault::status(500, "ERR_EXCEPTION"));
    let answer = listen(&sim, usize::MAX);
    assert!(answer.status == 500 && answer.took >= Duration::from_millis(120));
}

#[test]
fn hang_before_header_says_nothing() {
    let (sim, answer) = observe_for_a_while(FaultKind::HangBeforeHeader);
    assert_eq!((answer.raw.len(), answer.end), (0, End::Open));
    assert_eq!(status_recorded(&sim), None);
}

#[test]
fn hang_after_header_promises_a_body_that_never_comes() {
    let (sim, answer) = observe_for_a_while(FaultKind::HangAfterHeader);
    assert_eq!((answer.status, answer.body.len(), answer.end), (200, 0, End::Open));
    assert!(stated_length(&answer) > 0);
    assert_eq!(status_recorded(&sim), Some(200));
}

#[test]
fn drip_sends_the_answer_bit_by_bit() {
    let (_sim, answer) = observe(FaultKind::Drip { bytes: 30, interval_ms: 20 });
    assert_eq!(answer.data()["uid"], "ann");
    assert_eq!(answer.end, End::Closed);
    assert!(answer.took >= Duration::from_millis(20 * (answer.body.len() as u64).div_ceil(30)));
}

#[test]
fn close_ends_the_connection_without_an_answer() {
    let (_sim, answer) = observe(FaultKind::Close);
    assert_eq!((answer.raw.len(), answer.end), (0, End::Closed));
}

#[test]
fn reset_sends_rst() {
    let (_sim, answer) = observe(FaultKind::Reset);
    assert_eq!((answer.raw.len(), answer.end), (0, End::Reset));
}

#[test]
fn close_after_leaves_a_stale_connection_in_the_clients_pool() {
    let sim = with(Fault::new(FaultKind::CloseAfter));
    let text = request("GET", "/v3/users/ann", &[("apikey", DEV_API_KEY)], "");
    let text = text.replace("Connection: close\r\n", "");
    let answer = exchange(sim.port(), text.as_bytes(), PATIENCE, usize::MAX);
    assert_eq!((answer.status, answer.end), (200, End::Closed));
    assert_eq!(answer.header("connection"), None);
    assert_eq!(stated_length(&answer), answer.body.len());
}

#[test]
fn truncated_json_is_well_framed_and_broken() {
    let (_sim, answer) = observe(FaultKind::TruncatedJson);
    assert_eq!((answer.status, stated_length(&answer)), (200, answer.body.len()));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
}

#[test]
fn truncated_body_ends_before_its_content_length() {
    let (_sim, answer) = observe(FaultKind::TruncatedBody);
    assert_eq!(answer.end, End::Closed);
    assert!(!answer.body.is_empty() && answer.body.len() < stated_length(&answer));
}

#[test]
fn short_length_sends_more_than_it_stated() {
    let (_sim, answer) = observe_for_a_while(FaultKind::ShortLength);
    assert!(answer.body.len() > stated_length(&answer));
    assert_eq!(answer.data()["uid"], "ann");
    assert_eq!(answer.end, End::Open);
}

#[test]
fn endless_chunks_never_end() {
    let sim = with(Fault::new(FaultKind::EndlessChunked { bytes: 4096, interval_ms: 0 }));
    let answer = listen(&sim, 3_000_000);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.body.starts_with(b"1000\r\nxxx") && answer.raw.len() >= 3_000_000);
}

#[test]
fn a_huge_body_is_streamed() {
    let sim = with(Fault::new(FaultKind::HugeBody { bytes: 5 << 30 }));
    let answer = listen(&sim, 2_000_000);
    assert_eq!(stated_length(&answer), 5 << 30);
    assert!(answer.body.starts_with(b"{\"data\":\"xxx") && answer.raw.len() >= 2_000_000);
    sim.clear_faults();
    sim.set_fault(Fault::new(FaultKind::HugeBody { bytes: 100_000 }));
    let answer = listen(&sim, usize::MAX);
    assert_eq!((answer.body.len(), answer.end), (100_000, End::Closed));
    assert_eq!(answer.data().as_str().unwrap().len(), 100_000 - 11);
}

#[test]
fn redirect_points_elsewhere() {
    let kind = FaultKind::Redirect { status: 307, location: "http://elsewhere.test/".into() };
    let (_sim, answer) = observe(kind);
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://elsewhere.test/")));
}

#[test]
fn garbage_is_not_http() {
    let (_sim, answer) = observe(FaultKind::Garbage { bytes: "SSH-2.0-nope\r\n".into() });
    assert_eq!((answer.raw.as_slice(), answer.end), (b"SSH-2.0-nope\r\n".as_slice(), End::Closed));
}

#[test]
fn no_content_is_204_without_a_body() {
    let (_sim, answer) = observe(FaultKind::NoContent);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

#[test]
fn wrong_content_type_around_the_right_body() {
    let (_sim, answer) = observe(FaultKind::WrongContentType { content_type: "text/plain".into() });
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.data()["uid"], "ann");
}

#[test]
fn gzip_though_not_asked_for() {
    let (_sim, answer) = observe(FaultKind::Gzip);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut plain).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&plain).unwrap()["data"]["uid"], "ann");
}

#[test]
fn do_it_then_fail() {
    let create = |sim: &Simulator, uid: &str| {
        let body = json!({ "uid": uid, "name": "Name" }).to_string();
        let text = request("POST", "/v3/users", &[("apikey", DEV_API_KEY)], &body);
        exchange(sim.port(), text.as_bytes(), PATIENCE, usize::MAX)
    };
    let sim = with(Fault::status(500, "ERR_EXCEPTION").perform().times(1));
    assert_eq!(create(&sim, "bob").status, 500);
    sim.set_fault(Fault::new(FaultKind::Reset).perform().times(1));
    assert_eq!(create(&sim, "cat").end, End::Reset);
    sim.set_fault(Fault::new(FaultKind::Close).times(1));
    assert_eq!(create(&sim, "dog").end, End::Closed);
    assert!(sim.user("bob").is_some() && sim.user("cat").is_some());
    assert!(sim.user("dog").is_none(), "without perform nothing is done");
}

#[test]
fn a_delay_after_performing_survives_the_clients_timeout() {
    let sim = with(Fault::delay(30_000).operation("delete_user").perform());
    let body = json!({ "permanent": true }).to_string();
    let text = request("DELETE", "/v3/users/ann", &[("apikey", DEV_API_KEY)], &body);
    let answer = exchange(sim.port(), text.as_bytes(), SILENCE, usize::MAX);
    assert_eq!(answer.end, End::Open);
    assert!(sim.wait_for(&Filter::default(), 1, PATIENCE), "no request came");
    assert!(eventually(|| sim.user("ann").is_none()));
}

#[test]
fn a_request_met_by_a_raw_fault_counts_as_in_flight_until_the_client_leaves() {
    let sim = with(Fault::new(FaultKind::HangBeforeHeader));
    let mut socket = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
    let text = request("GET", "/v3/users/ann", &[("apikey", DEV_API_KEY)], "");
    socket.write_all(text.as_bytes()).unwrap();
    assert!(eventually(|| sim.counters().in_flight == 1));
    drop(socket);
    assert!(eventually(|| sim.counters().in_flight == 0));
}
