//! Through a proxy: asked for a tunnel, bounded in time and size, told nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod listener;

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use listener::{drain, get, options, read_head, Listener, LONG, SHORT};
use transport::{AgentOptions, PollWait};
use ureq::{Agent, Error};

fn through(proxy: &Listener) -> Agent {
    let options = AgentOptions { proxy: Some(proxy.url()), ..options() };
    transport::agent(&options, Arc::new(PollWait::default())).unwrap()
}

#[test]
fn a_tunnel_that_is_refused_is_an_error_and_the_request_stays_here() {
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\n\r\n",
        "220 smtp.test ready\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "\r\n\r\n",
        "",
    ] {
        let proxy = Listener::recording(move |_, stream| {
            let _ = stream.write_all(answer.as_bytes());
            !answer.is_empty()
        });
        let error = get(&through(&proxy), "http://api.test/v3", LONG).unwrap_err();
        assert!(matches!(error, Error::ConnectProxyFailed(_)), "{answer:?}: {error:?}");
        assert_eq!(proxy.heads(), ["CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n\r\n"]);
    }
}

#[test]
fn an_answer_that_stands_behind_the_tunnels_head_is_not_the_requests() {
    let proxy = Listener::recording(|_, stream| {
        let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{evil}").as_bytes()).is_ok()
    });
    let error = get(&through(&proxy), "http://api.test/v3", LONG).unwrap_err();
    assert!(matches!(error, Error::ConnectProxyFailed(_)), "{error:?}");
    assert_eq!(proxy.heads().len(), 1);
}

#[test]
fn a_proxy_that_drips_or_says_nothing_is_given_up_in_time() {
    let silent = Listener::silent();
    let drip = Listener::new(|_, stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Drip: ");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    for proxy in [silent, drip] {
        let started = Instant::now();
        let error = get(&through(&proxy), "https://api.test/v3", SHORT).unwrap_err();
        assert!(matches!(error, Error::Timeout(_)), "{error:?}");
        assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
    }
}

#[test]
fn a_proxy_without_an_end_is_cut() {
    let endless = Listener::endless_header();
    let started = Instant::now();
    let error = get(&through(&endless), "https://api.test/v3", LONG).unwrap_err();
    assert!(matches!(error, Error::ConnectProxyFailed(_)), "{error:?}");
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
}

#[test]
fn the_tunnel_may_be_answered_with_any_success_and_in_pieces() {
    let proxy = Listener::new(|_, stream| {
        read_head(stream);
        for piece in ["HTTP/1.0 2", "04 Yes\r\nVia: x\r", "\n\r", "\n"] {
            stream.write_all(piece.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nvia").unwrap();
        drain(stream);
    });
    assert_eq!(get(&through(&proxy), "http://api.test/v3", LONG).unwrap(), "via");
}
