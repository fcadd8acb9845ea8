//! Requests that work, and where they go.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod listener;

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;

use listener::{agent, drain, get, options, read_head, Listener, LONG, OK, SHORT};
use transport::{no_new_connection, AgentOptions, BadOption, PollWait};

#[test]
fn connections_are_kept_and_the_thread_can_tell() {
    let (server, agent) = (Listener::answering(OK), agent());
    no_new_connection();
    for i in 0..5 {
        assert_eq!(get(&agent, &server.url(), LONG).unwrap(), "ok");
        assert_eq!(no_new_connection(), i > 0, "request {i}");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    let server = Listener::recording(|_, stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        false
    });
    let agent = agent();
    for n in 1..=3 {
        assert_eq!(get(&agent, &server.url(), LONG).unwrap(), "ok");
        server.wait_for_closed(n);
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn bytes_that_nobody_asked_for_end_a_connection() {
    let server =
        Listener::answering(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
    let agent = agent();
    for _ in 0..3 {
        assert_eq!(get(&agent, &server.url(), LONG).unwrap(), "ok");
        thread::sleep(SHORT / 4);
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_large_request_arrives_whole_at_a_slow_reader() {
    let server = Listener::new(|_, stream| {
        read_head(stream);
        thread::sleep(SHORT); // long enough for every buffer on the way to be full
        let mut left = 4 << 20;
        let mut chunk = vec![0; 256 * 1024];
        while left > 0 {
            left -= std::io::Read::read(stream, &mut chunk).unwrap();
        }
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let request = agent().post(&server.url()).config().timeout_global(Some(LONG)).build();
    let answer = request.send(vec![b'x'; 4 << 20].as_slice()).unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn an_answer_before_the_end_of_the_stream_needs_no_more() {
    let server = Listener::new(|_, stream| {
        read_head(stream);
        stream.write_all(OK.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        drain(stream);
    });
    assert_eq!(get(&agent(), &server.url(), LONG).unwrap(), "ok");
}

#[test]
fn redirects_are_answers_and_nothing_else() {
    let elsewhere = Listener::answering(OK);
    let server = Listener::answering(format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    ));
    let answer = agent().get(&server.url()).header("apikey", "secret").call().unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn nothing_is_compressed_and_no_cookie_is_kept() {
    let cookie = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok";
    let (server, agent) = (Listener::answering(cookie), agent());
    for _ in 0..2 {
        get(&agent, &server.url(), LONG).unwrap();
    }
    for head in server.heads() {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("cookie") && !head.contains("accept-encoding"), "{head}");
    }
}

#[test]
fn a_proxy_is_asked_to_connect_and_the_environments_is_not() {
    let proxy = Listener::new(|_, stream| {
        let head = read_head(stream).unwrap();
        assert!(head.starts_with("CONNECT "), "{head}");
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        read_head(stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nvia").unwrap();
    });
    let server = Listener::answering(OK);
    let through = AgentOptions { proxy: Some(proxy.url()), ..options() };
    let through = transport::agent(&through, Arc::new(PollWait::default())).unwrap();
    assert_eq!(get(&through, &server.url(), LONG).unwrap(), "via");
    assert_eq!((proxy.connections(), server.connections()), (1, 0));

    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        std::env::set_var(name, proxy.url());
    }
    assert_eq!(get(&agent(), &server.url(), LONG).unwrap(), "ok");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn plain_http_can_be_ruled_out() {
    let server = Listener::answering(OK);
    let strict = AgentOptions { https_only: true, ..options() };
    let strict = transport::agent(&strict, Arc::new(PollWait::default())).unwrap();
    assert!(get(&strict, &server.url(), LONG).is_err());
    assert_eq!(server.connections(), 0);
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_is_sent() {
    let make = |options| transport::agent(&options, Arc::new(PollWait::default()));
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
    {
        let bad = make(AgentOptions { ca_pem: Some(pem.into()), ..options() });
        assert!(matches!(bad, Err(BadOption::Ca)), "{pem:?}");
    }
    for url in [
        "proxy.test:3128",
        "https://proxy.test",
        "socks5://proxy.test",
        "http://",
        "http://user:secret@proxy.test:3128",
    ] {
        let bad = make(AgentOptions { proxy: Some(url.into()), ..options() });
        assert!(matches!(bad, Err(BadOption::Proxy)), "{url:?}");
    }
}
