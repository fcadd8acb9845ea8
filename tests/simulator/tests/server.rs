//! The server around the API: records, connections, HTTPS, life and death.

mod common;

use common::{call, get, request, take_apart, End};
use serde_json::{json, Value};
use simulator::{Fault, FaultKind, Filter, KeySeen, RecordMode, Simulator, DEV_API_KEY};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{self, pki_types::pem::PemObject, pki_types::CertificateDer};

#[test]
fn requests_are_recorded_with_what_matters() {
    let sim = Simulator::start();
    call(&sim, "POST", "/users", json!({ "uid": "Ann", "name": "Ann" }));
    get(&sim, "/users/zoe?x=1");
    let requests = sim.requests();
    let (create, read) = (&requests[0], &requests[1]);
    assert_eq!(
        (create.seq, create.method.as_str(), create.path.as_str()),
        (1, "POST", "/v3/users")
    );
    assert_eq!((create.operation.as_str(), create.uid.as_deref()), ("create_user", Some("ann")));
    assert_eq!(create.body, json!({ "uid": "Ann", "name": "Ann" }));
    assert_eq!((create.status, create.api_key), (Some(200), KeySeen::FullAccess));
    assert_eq!(create.headers["content-type"], "application/json");
    assert!(!format!("{create:?}").contains(DEV_API_KEY), "the key itself is not kept");
    assert_eq!((read.status, read.code.as_deref()), (Some(404), Some("ERR_UID_NOT_FOUND")));
    assert_eq!((read.query.as_deref(), &read.body), (Some("x=1"), &Value::Null));
    assert!(read.arrived_ms >= create.arrived_ms);
    let of_zoe = Filter { uid: Some("zoe".into()), status: Some(404), ..Filter::default() };
    assert_eq!(sim.requests_where(&of_zoe).len(), 1);
    assert_eq!(sim.take_requests().len(), 2);
    assert_eq!(sim.requests().len(), 0);
    assert_eq!(sim.counters().answered("create_user", 200), 1);
}

#[test]
fn recording_can_be_counts_only_or_off() {
    let sim = Simulator::builder().record(RecordMode::Counts).start().unwrap();
    get(&sim, "/users");
    assert_eq!((sim.requests().len(), sim.counters().with_status(200)), (0, 1));
    sim.update(|settings| settings.record = RecordMode::Off);
    get(&sim, "/users");
    assert_eq!(sim.counters().requests, 1);
    sim.update(|settings| {
        settings.record = RecordMode::Full;
        settings.record_limit = 3;
    });
    (0..5).for_each(|n| drop(get(&sim, &format!("/users/u{n}"))));
    let paths: Vec<String> = sim.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/v3/users/u2", "/v3/users/u3", "/v3/users/u4"]);
}

#[test]
fn kept_alive_connections_are_counted_once() {
    let sim = Simulator::start();
    let mut socket = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
    let text = request("GET", "/v3/users/ann", &[("apikey", DEV_API_KEY)], "");
    let text = text.replace("Connection: close\r\n", "");
    for _ in 0..3 {
        socket.write_all(text.as_bytes()).unwrap();
        let mut byte = [0];
        // Answers end with the last of three closing braces: error, details aside, envelope.
        let mut seen = String::new();
        while !seen.ends_with("}}") {
            socket.read_exact(&mut byte).unwrap();
            seen.push(byte[0] as char);
        }
    }
    let counters = sim.counters();
    assert_eq!((counters.requests, counters.connections, counters.open_connections), (3, 1, 1));
    assert!(sim.requests().iter().all(|r| r.connection == 1));
    common::control(&sim, "GET", "/health", Value::Null);
    assert_eq!(sim.counters().connections, 1, "control requests are not counted");
}

#[test]
fn the_peak_of_concurrent_requests_is_known() {
    let sim = Simulator::builder().latency_ms(150).start().unwrap();
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| get(&sim, "/users"))));
    });
    let peak = sim.counters().peak_in_flight;
    assert!((2..=8).contains(&peak), "{peak}");
    assert_eq!(sim.counters().in_flight, 0);
}

#[test]
fn latency_is_added_to_every_answer() {
    let sim = Simulator::builder().latency_ms(80).start().unwrap();
    assert!(get(&sim, "/users").took >= Duration::from_millis(80));
}

#[test]
fn wait_for_sees_requests_come() {
    let sim = Simulator::start();
    let reads = Filter { operation: Some("get_user".into()), ..Filter::default() };
    assert!(!sim.wait_for(&reads, 1, Duration::from_millis(20)));
    std::thread::scope(|scope| {
        scope.spawn(|| get(&sim, "/users/a"));
        assert!(sim.wait_for(&reads, 1, Duration::from_secs(5)));
    });
}

#[test]
fn reset_brings_back_the_beginning() {
    let sim = Simulator::builder().quota(5).start().unwrap();
    sim.seed("u", 3).unwrap();
    sim.set_fault(Fault::new(FaultKind::Close));
    sim.update(|settings| settings.quota = None);
    sim.reset();
    assert_eq!((sim.user_count(), sim.faults().len(), sim.settings().quota), (0, 0, Some(5)));
    assert_eq!(get(&sim, "/users").status, 200);
    assert_eq!(sim.requests().len(), 1);
}

#[test]
fn dropping_frees_the_port() {
    let sim = Simulator::start();
    let port = sim.port();
    get(&sim, "/users");
    drop(sim);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let again = Simulator::builder().port(port).start().unwrap();
    assert_eq!(get(&again, "/users").status, 200);
}

#[test]
fn the_ready_file_comes_when_everything_was_said() {
    // A ready file that cannot be written ends the program: what it said until then came before.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cometchat-simulator"))
        .args(["--port", "0", "--control-port", "0", "--ready-file", "/no-such-folder/ready"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("--ready-file"), "{complaint}");
    let said = String::from_utf8_lossy(&output.stdout);
    for line in ["base URL ", "control URL ", "API key "] {
        assert!(said.contains(line), "{said}");
    }
}

/// A GET over TLS trusting `ca_pem`, or the handshake's error.
fn get_tls(sim: &Simulator, ca_pem: &str, host: &str) -> Result<common::Answer, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.to_owned().try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
    let mut stream = rustls::StreamOwned::new(client, socket);
    let text = request("GET", "/v3/users", &[("apikey", DEV_API_KEY)], "");
    stream.write_all(text.as_bytes())?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    Ok(take_apart(raw, End::Closed, Duration::ZERO))
}

#[test]
fn https_is_served_under_a_throw_away_authority() {
    let sim = Simulator::builder().https().start().unwrap();
    assert!(sim.base_url().starts_with("https://127.0.0.1:"));
    let file = sim.ca_file().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sim.ca_pem().unwrap());
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(get_tls(&sim, sim.ca_pem().unwrap(), host).unwrap().status, 200);
    }
    let other = Simulator::builder().https().start().unwrap();
    assert!(get_tls(&sim, other.ca_pem().unwrap(), "localhost").is_err());
    drop(sim);
    assert!(!file.exists());
}

#[test]
fn https_certificates_can_be_expired_or_for_another_name() {
    let sim = Simulator::builder().https_expired().start().unwrap();
    let error = get_tls(&sim, sim.ca_pem().unwrap(), "localhost").unwrap_err();
    assert!(error.to_string().contains("Expired") || error.to_string().contains("expired"));
    let sim = Simulator::builder().https_names(&["elsewhere.test"]).start().unwrap();
    assert!(get_tls(&sim, sim.ca_pem().unwrap(), "localhost").is_err());
    assert_eq!(get_tls(&sim, sim.ca_pem().unwrap(), "elsewhere.test").unwrap().status, 200);
}

#[test]
fn raw_faults_work_inside_tls_too() {
    let sim = Simulator::builder().https().start().unwrap();
    sim.set_fault(Fault::new(FaultKind::Garbage { bytes: "nonsense".into() }));
    let answer = get_tls(&sim, sim.ca_pem().unwrap(), "localhost").unwrap();
    assert_eq!(answer.raw, b"nonsense");
}

#[test]
fn thousands_of_requests_a_second_on_one_connection_each() {
    // A coarse guard (debug build, shared machine): far below what a release build does.
    let sim = Simulator::builder().record(RecordMode::Counts).start().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sim = &sim;
            scope.spawn(move || {
                let mut socket = TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
                socket.set_nodelay(true).unwrap();
                for n in 0..250 {
                    let body = json!({ "uid": format!("u{thread}-{n}"), "name": "Name" });
                    let text =
                        request("POST", "/v3/users", &[("apikey", DEV_API_KEY)], &body.to_string());
                    let text = text.replace("Connection: close\r\n", "");
                    socket.write_all(text.as_bytes()).unwrap();
                    let mut buffer = [0; 4096];
                    assert!(socket.read(&mut buffer).unwrap() > 0);
                }
            });
        }
    });
    assert_eq!(sim.counters().answered("create_user", 200), 1000);
    assert_eq!(sim.counters().connections, 4);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
