//! Every request ends: in time, within its size, or when it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod listener;

use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use listener::{
    agent, drain, get, options, read_head, stoppable_agent, FullBacklog, Listener, LONG, OK, SHORT,
};
use transport::{AgentOptions, Interest, Interrupted, PollWait, Wait};
use ureq::Error;

/// The stages at which a server can fall silent, and a URL for each.
fn hanging() -> Vec<(&'static str, String, Box<dyn std::any::Any>)> {
    let backlog = FullBacklog::new();
    let silent = Listener::silent();
    let body = Listener::new(|_, stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal");
        drain(stream);
    });
    let half_head = Listener::new(|_, stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-");
        drain(stream);
    });
    vec![
        ("connect", format!("http://{}/", backlog.addr), Box::new(backlog)),
        ("TLS handshake", format!("https://localhost:{}/", silent.addr.port()), Box::new(())),
        ("header", silent.url(), Box::new(silent)),
        ("half a header", half_head.url(), Box::new(half_head)),
        ("body", body.url(), Box::new(body)),
    ]
}

#[test]
fn a_server_that_falls_silent_is_given_up_in_time() {
    for (stage, url, _server) in hanging() {
        let started = Instant::now();
        let error = get(&agent(), &url, SHORT).unwrap_err();
        let took = started.elapsed();
        assert!(is_timeout(&error), "{stage}: {error:?}");
        assert!(took >= SHORT && took < LONG / 2, "{stage}: {took:?}");
    }
}

#[test]
fn a_request_can_be_stopped_at_every_stage() {
    for (stage, url, _server) in hanging() {
        let (agent, stop) = stoppable_agent();
        let stopper = thread::spawn(move || {
            thread::sleep(SHORT);
            stop.write(1).unwrap();
            Instant::now()
        });
        let error = get(&agent, &url, LONG).unwrap_err();
        let took = stopper.join().unwrap().elapsed();
        assert!(transport::interrupted(&error), "{stage}: {error:?}");
        assert!(took < LONG / 2, "{stage}: {took:?}");
    }
}

#[test]
fn an_agent_works_on_after_its_requests_were_stopped() {
    let server = Listener::answering(OK);
    let (agent, stop) = stoppable_agent();
    assert_eq!(get(&agent, &server.url(), LONG).unwrap(), "ok");
    for (stage, url, _server) in hanging() {
        stop.write(1).unwrap();
        assert!(transport::interrupted(&get(&agent, &url, LONG).unwrap_err()), "{stage}");
        stop.read().unwrap();
        assert_eq!(get(&agent, &server.url(), LONG).unwrap(), "ok", "after {stage}");
    }
    assert_eq!(server.connections(), 1, "what was not touched is still good");
}

#[test]
fn connecting_has_a_limit_of_its_own() {
    let backlog = FullBacklog::new();
    let quick = AgentOptions { connect_timeout: SHORT, ..options() };
    let quick = transport::agent(&quick, Arc::new(PollWait::default())).unwrap();
    let silent = Listener::silent();
    for url in
        [format!("http://{}/", backlog.addr), format!("https://localhost:{}/", silent.addr.port())]
    {
        let started = Instant::now();
        let error = get(&quick, &url, LONG).unwrap_err();
        assert!(is_timeout(&error), "{url}: {error:?}");
        assert!(started.elapsed() < LONG / 2, "{url}: {:?}", started.elapsed());
    }
}

#[test]
fn a_slow_drip_does_not_stretch_the_limit() {
    let drip = Listener::new(|number, stream| {
        read_head(stream);
        let end: &[u8] = if number == 0 { b"X-Drip: " } else { b"\r\n" };
        let _ = stream.write_all(&[b"HTTP/1.1 200 OK\r\n", end].concat());
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    for place in ["header", "body"] {
        let started = Instant::now();
        let error = get(&agent(), &drip.url(), 2 * SHORT).unwrap_err();
        assert!(is_timeout(&error), "{place}: {error:?}");
        assert!(started.elapsed() < LONG / 2, "{place}: {:?}", started.elapsed());
    }
}

#[test]
fn a_peer_that_does_not_read_is_given_up_too() {
    let deaf = Listener::new(|_, stream| {
        let _ = stream.peek(&mut [0]);
        thread::sleep(LONG);
    });
    let request = agent().post(&deaf.url()).config().timeout_global(Some(SHORT)).build();
    let started = Instant::now();
    let error = request.send(vec![b'x'; 32 << 20].as_slice()).unwrap_err();
    assert!(is_timeout(&error), "{error:?}");
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
}

#[test]
fn an_endless_header_is_cut() {
    let endless = Listener::endless_header();
    let started = Instant::now();
    let error = get(&agent(), &endless.url(), LONG).unwrap_err();
    assert!(matches!(error, Error::LargeResponseHeader(..)), "{error:?}");
    assert!(started.elapsed() < LONG / 2);
}

#[test]
fn broken_connections_are_errors() {
    let closing = Listener::new(|_, stream| drop(read_head(stream)));
    let resetting = Listener::new(|_, stream| {
        // Closing with unread bytes resets.
        let _ = stream.read(&mut [0]);
    });
    // A port that is never given out: one that was free a moment ago may be another test's now.
    let nobody = "http://127.0.0.1:1/".to_owned();
    for url in [closing.url(), resetting.url(), nobody] {
        let error = get(&agent(), &url, LONG).unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{url}: {error:?}");
    }
}

/// Never has to wait long, and is told to stop meanwhile.
#[derive(Debug, Default)]
struct Told(PollWait);

impl Wait for Told {
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        i: Interest,
        t: Option<Instant>,
    ) -> Result<bool, Interrupted> {
        self.0.wait(fd, i, t)
    }

    fn check(&self) -> Result<(), Interrupted> {
        Err(Interrupted)
    }
}

#[test]
fn a_server_that_never_stops_sending_can_be_stopped_between_two_reads() {
    let endless = Listener::new(|_, stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
    });
    let agent = transport::agent(&options(), Arc::new(Told::default())).unwrap();
    let error = get(&agent, &endless.url(), LONG).unwrap_err();
    assert!(transport::interrupted(&error), "{error:?}");
}

fn is_timeout(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        // Through TLS, and while a body is read, it comes wrapped.
        Error::Io(e) => match e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => is_timeout(inner),
            None => e.kind() == std::io::ErrorKind::TimedOut,
        },
        _ => false,
    }
}
