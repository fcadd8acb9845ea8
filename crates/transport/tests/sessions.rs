//! TLS: sessions are resumed by the next connection, which saves a round trip at every reconnect;
//! what follows an answer unasked is never taken for the next one's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod listener;

use std::io::{BufRead, BufReader, Write};
use std::sync::{mpsc, Arc};

use listener::{get, options, Listener, LONG};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, Stream};
use transport::{AgentOptions, PollWait};

/// A certificate for `localhost`, and the PEM text of the authority that issued it.
fn server_config() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate().unwrap();
    let ca_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (Arc::new(config), ca_pem)
}

#[test]
fn the_second_connection_resumes_the_first_ones_session() {
    let (config, ca_pem) = server_config();
    let (handshakes, seen) = mpsc::channel();
    // Each connection answers one request and is closed by the server.
    let server = Listener::new(move |_, socket| {
        let mut tls = ServerConnection::new(config.clone()).unwrap();
        let mut stream = Stream::new(&mut tls, socket);
        let mut line = String::new();
        let mut reader = BufReader::new(&mut stream);
        while reader.read_line(&mut line).is_ok_and(|n| n > 2) {}
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        let _ = stream.write_all(answer);
        tls.send_close_notify();
        let _ = tls.complete_io(socket);
        let _ = handshakes.send(tls.handshake_kind());
    });
    let url = format!("https://localhost:{}/", server.addr.port());
    let options = AgentOptions { ca_pem: Some(ca_pem), ..options() };
    let agent = transport::agent(&options, Arc::new(PollWait::default())).unwrap();
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        assert_eq!(get(&agent, &url, LONG).unwrap(), "ok");
        assert_eq!(seen.recv_timeout(LONG).unwrap(), Some(expected));
    }
    // Another agent (other roots, say) knows nothing of it.
    let other = transport::agent(&options, Arc::new(PollWait::default())).unwrap();
    assert_eq!(get(&other, &url, LONG).unwrap(), "ok");
    assert_eq!(seen.recv_timeout(LONG).unwrap(), Some(HandshakeKind::Full));
}

#[test]
fn bytes_that_nobody_asked_for_end_a_connection() {
    let (config, ca_pem) = server_config();
    // Two answers in one piece; the second one where the first one ends somewhere around the
    // 4096 bytes that rustls reads at a time.
    let server = Listener::new(move |number, socket| {
        let mut tls = ServerConnection::new(config.clone()).unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(Stream::new(&mut tls, socket));
        while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
            line.clear();
        }
        let body = "x".repeat(3_900 + 10 * (number / 2));
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        tls.writer().write_all(answer.as_bytes()).unwrap();
        tls.writer().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).unwrap();
        }
        let _ = socket.write_all(&bytes);
        listener::drain(socket);
    });
    let url = format!("https://localhost:{}/", server.addr.port());
    let options = AgentOptions { ca_pem: Some(ca_pem), ..options() };
    for _ in 0..30 {
        let agent = transport::agent(&options, Arc::new(PollWait::default())).unwrap();
        for _ in 0..2 {
            assert!(get(&agent, &url, LONG).unwrap().starts_with('x'));
        }
    }
    assert_eq!(server.connections(), 60);
}
