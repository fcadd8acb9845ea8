//! What our way of waiting costs: the same requests from a backend and from a bare ureq program.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::blocked_session::Times;
use scenarios::{read_request, FaultServer, Stack, APP};
use serde_json::json;
use simulator::DEV_API_KEY;
use uuid::Uuid;

use crate::report::Report;
use crate::ureq_baseline::UreqBaseline;
use crate::Bench;

const AT_MOST: f64 = 1.05;

/// Rounds of both, alternating, so that whatever else the machine does meets both.
const ROUNDS: usize = 200;

pub fn measure(bench: &Bench, report: &mut Report) {
    report.heading("Speed: a backend beside a bare ureq program, same requests, same server");
    transport_alone(bench, report);
    ensure_user(bench, report);
}

fn transport_alone(bench: &Bench, report: &mut Report) {
    let mut client = bench.stack.db.admin();
    let mut baseline = UreqBaseline::start();
    let answering_after = |time: Duration| {
        FaultServer::serving(move |mut stream| {
            let _ = stream.set_nodelay(true);
            while read_request(&mut stream).is_some() {
                if !time.is_zero() {
                    thread::sleep(time); // the client has to wait, whatever it does first
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        })
    };
    let kept = answering_after(Duration::ZERO);
    let slower = answering_after(Duration::from_micros(50));
    let closing = FaultServer::serving(|mut stream| {
        let _ = read_request(&mut stream);
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        let _ = stream.write_all(answer);
    });
    for (what, server, n) in [
        ("keep-alive", &kept, 50),
        ("keep-alive, slower", &slower, 50),
        ("new connections", &closing, 20),
    ] {
        let url = server.base_url();
        let mut ours = || from_backend(&mut client, &url, n);
        let theirs = || baseline.get(&url, n);
        let (ours, theirs) = alternate(&mut ours, theirs, ROUNDS);
        let what = format!("transport alone, {what}");
        report.ratio(&what, &ours, &theirs, AT_MOST);
    }
}

fn ensure_user(bench: &Bench, report: &mut Report) {
    bench.stack.chat.update(|settings| settings.latency_ms = 20);
    let mut client = bench.stack.db.admin();
    let agent = ureq::Agent::new_with_defaults();
    let url = format!("{}/users", bench.stack.chat.base_url());
    let call = client
        .prepare("SELECT public.cometchat_ensure_user($1, 'Ada Lovelace')::text")
        .expect("prepare");
    let mut ours = || {
        let user = Uuid::new_v4();
        let started = Instant::now();
        let answer: String = client.query_one(&call, &[&user]).expect("an answer").get(0);
        let took = started.elapsed();
        assert!(answer.contains("authToken"), "{answer}");
        took
    };
    let theirs = || {
        let body = json!({"uid": Uuid::new_v4().to_string(), "name": "Ada Lovelace", "withAuthToken": true});
        let started = Instant::now();
        let answer = agent
            .post(&url)
            .header("apikey", DEV_API_KEY)
            .header("appId", APP)
            .header("content-type", "application/json")
            .send(body.to_string())
            .and_then(|answer| answer.into_body().read_to_string())
            .expect("an answer");
        let took = started.elapsed();
        assert!(answer.contains("authToken"), "{answer}");
        took
    };
    let (ours, theirs) = alternate(&mut ours, theirs, ROUNDS / 4);
    let what = "ensure_user of a new user, 20 ms latency";
    report.ratio(what, &ours, &theirs, AT_MOST);
    bench.stack.chat.update(|settings| settings.latency_ms = 0);
}

fn alternate(
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
    rounds: usize,
) -> (Times, Times) {
    ours(); // to warm up
    theirs();
    let (mut a, mut b) = (Times::default(), Times::default());
    for round in 0..rounds {
        if round % 2 == 0 {
            a.push(ours());
            b.push(theirs());
        } else {
            b.push(theirs());
            a.push(ours());
        }
    }
    (a, b)
}

/// The time of one of `n` requests from a backend.
fn from_backend(client: &mut Client, url: &str, n: u32) -> Duration {
    let sql = "SELECT cometchat_bench_get($1, $2)";
    let nanoseconds: i64 = client.query_one(sql, &[&url, &(n as i32)]).expect("requests").get(0);
    Duration::from_nanos(nanoseconds as u64) / n
}

/// Makes `cometchat_bench_get` known in the bench's database.
pub fn install(stack: &Stack) {
    let ours = std::env::current_exe().expect("our own path");
    let built = ours.with_file_name("libcometchat_bench.so");
    let bytes = std::fs::read(&built).unwrap_or_else(|e| panic!("{}: {e}", built.display()));
    // Where the server can read it.
    let library = stack.db.cluster().secret_file("cometchat_bench.so", bytes);
    stack.execute(&format!(
        "CREATE FUNCTION cometchat_bench_get(text, int) RETURNS bigint STRICT
         LANGUAGE c AS '{}', 'cometchat_bench_get_wrapper'",
        library.display()
    ));
}
