//! Whatever a server, a proxy or a file says: no panic, an end in time, and no request that the
//! other side has not earned.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod listener;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use listener::{cases, drain, get, options, read_head, Listener, LONG};
use proptest::prelude::*;
use transport::{AgentOptions, BadOption, PollWait};
use ureq::{Agent, Error};

/// Says to each connection what it is given, then nothing; hands over what it is sent after that.
struct Parrot {
    server: Listener,
    say: Arc<Mutex<Vec<u8>>>,
    heard: Receiver<Vec<u8>>,
}

impl Parrot {
    /// It listens to a head first, or speaks at once.
    fn new(listens: bool) -> Parrot {
        let say: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (tell, heard): (Sender<Vec<u8>>, _) = mpsc::channel();
        let (words, tell) = (say.clone(), Mutex::new(tell));
        let server = Listener::new(move |_, stream| {
            if listens {
                read_head(stream);
            }
            let words = words.lock().unwrap().clone();
            let _ = stream.write_all(&words);
            let _ = stream.shutdown(Shutdown::Write);
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            let _ = tell.lock().unwrap().send(rest);
            drain(stream);
        });
        Parrot { server, say, heard }
    }

    /// The outcome of a request to `url`, and what came after the first head.
    fn answer(&self, words: &[u8], agent: Agent, url: &str) -> (Result<String, Error>, Vec<u8>) {
        *self.say.lock().unwrap() = words.to_vec();
        let started = Instant::now();
        let outcome = get(&agent, url, LONG);
        assert!(started.elapsed() < LONG / 2, "{:?}: {outcome:?}", started.elapsed());
        drop(agent);
        (outcome, self.heard.recv_timeout(LONG).unwrap())
    }
}

fn make(options: AgentOptions) -> Result<Agent, BadOption> {
    transport::agent(&options, Arc::new(PollWait::default()))
}

/// Whether a proxy that says this lets the request through.
fn lets_through(words: &[u8]) -> bool {
    let end = words.windows(4).position(|four| four == b"\r\n\r\n");
    let digit = |at: usize| words.get(at).is_some_and(u8::is_ascii_digit);
    end.is_some_and(|end| end + 4 == words.len())
        && words.starts_with(b"HTTP/1.")
        && digit(7)
        && words[8..].starts_with(b" 2")
        && digit(10)
        && digit(11)
        && matches!(words[12], b' ' | b'\r')
}

fn any_tunnel_answer() -> impl Strategy<Value = Vec<u8>> {
    let status = "HTTP/1\\.[0-9x ]{1,2}[ 2]{1,2}[0-9 +x]{1,5}( [ -~]{0,10})?";
    let usual = "HTTP/1\\.[01] [2-5][0-9]{2}( [ -~]{0,10})?";
    let lines = "(\r\n[A-Za-z-]{1,5}: [ -~]{0,9}){0,3}(\r\n\r\n|\n\n|\r\n)?";
    prop_oneof![
        2 => (prop_oneof![status, usual], lines, "[ -~]{0,20}")
            .prop_map(|(status, lines, rest)| format!("{status}{lines}{rest}").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (0usize..20_000).prop_map(|n| [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; n]].concat()),
    ]
}

/// A record as TLS frames it, or nothing like it.
fn any_record() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let head = (prop::sample::select(vec![20u8, 21, 22, 23, 24]), 0u8..5, any::<bool>(), 0u8..16);
    prop_oneof![
        1 => bytes.clone(),
        3 => (head, bytes).prop_map(|((kind, minor, honest, message), mut bytes)| {
            if let Some(first) = bytes.first_mut() {
                *first = message;
            }
            let length = if honest { bytes.len() as u16 } else { 0xffff };
            [&[kind, 3, minor][..], &length.to_be_bytes(), &bytes].concat()
        }),
    ]
}

/// The text of a real certificate.
static PEM: LazyLock<String> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap().self_signed(&key).unwrap().pem()
});

fn any_pem() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("-----BEGIN CERTIFICATE-----\n".to_owned()),
        Just("-----END CERTIFICATE-----\n".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----\n".to_owned()),
        Just(PEM.clone()),
        "[A-Za-z0-9+/]{0,64}={0,2}\n",
        "[\\PC\r\n]{0,20}",
        any::<String>(),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5);
    prop_oneof![
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
        edits.prop_map(|edits| {
            let mut bytes = PEM.clone().into_bytes();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }),
        "[A-Za-z0-9+/]{4,64}".prop_map(|der| {
            format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
        }),
    ]
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_bytes_of_a_server_end_in_an_answer_or_an_error(
        words in prop_oneof![any_tunnel_answer(), any_record()],
    ) {
        static SERVER: LazyLock<Mutex<Parrot>> = LazyLock::new(|| Mutex::new(Parrot::new(true)));
        let parrot = SERVER.lock().unwrap_or_else(|e| e.into_inner());
        let _ = parrot.answer(&words, make(options()).unwrap(), &parrot.server.url());
    }

    #[test]
    fn any_bytes_in_place_of_a_tls_handshake_are_an_error(words in any_record()) {
        static SERVER: LazyLock<Mutex<Parrot>> = LazyLock::new(|| Mutex::new(Parrot::new(false)));
        let parrot = SERVER.lock().unwrap_or_else(|e| e.into_inner());
        let url = format!("https://localhost:{}/", parrot.server.addr.port());
        let (outcome, _) = parrot.answer(&words, make(options()).unwrap(), &url);
        prop_assert!(matches!(outcome, Err(Error::Io(_) | Error::Rustls(_))), "{outcome:?}");
    }

    #[test]
    fn a_proxy_gets_the_request_only_after_a_success(words in any_tunnel_answer()) {
        static PROXY: LazyLock<Mutex<Parrot>> = LazyLock::new(|| Mutex::new(Parrot::new(true)));
        let parrot = PROXY.lock().unwrap_or_else(|e| e.into_inner());
        let through = AgentOptions { proxy: Some(parrot.server.url()), ..options() };
        let (outcome, rest) = parrot.answer(&words, make(through).unwrap(), "http://api.test/v3");
        if lets_through(&words) {
            prop_assert!(rest.starts_with(b"GET /v3 "), "{outcome:?}");
        } else {
            prop_assert_eq!(rest.escape_ascii().to_string(), "");
            prop_assert!(matches!(outcome, Err(Error::ConnectProxyFailed(_))), "{outcome:?}");
        }
    }

    #[test]
    fn any_text_as_authorities_makes_an_agent_or_is_refused(pem in any_pem()) {
        match make(AgentOptions { ca_pem: Some(pem.clone()), ..options() }) {
            Ok(agent) => {
                prop_assert!(pem.contains("-----BEGIN CERTIFICATE-----"));
                // Roots that are none are found out by the handshake; nobody listens here.
                prop_assert!(get(&agent, "https://127.0.0.1:1/", Duration::from_secs(5)).is_err());
            }
            Err(bad) => prop_assert!(matches!(bad, BadOption::Ca)),
        }
    }

    #[test]
    fn authorities_that_are_none_trust_nobody(der in "[A-Za-z0-9+/]{4,64}", words in any_record()) {
        static SERVER: LazyLock<Mutex<Parrot>> = LazyLock::new(|| Mutex::new(Parrot::new(false)));
        let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
        let made = make(AgentOptions { ca_pem: Some(pem), ..options() });
        let Ok(agent) = made else { return Ok(()) };
        let parrot = SERVER.lock().unwrap_or_else(|e| e.into_inner());
        let url = format!("https://localhost:{}/", parrot.server.addr.port());
        prop_assert!(parrot.answer(&words, agent, &url).0.is_err());
    }

    #[test]
    fn any_text_as_a_proxy_makes_an_agent_or_is_refused(
        text in prop_oneof![any::<String>(), "(http|https|HTTP)://[\\[\\]@:a-z0-9.%?#/ \\PC]{0,20}"],
    ) {
        match make(AgentOptions { proxy: Some(text.clone()), ..options() }) {
            Ok(_) => prop_assert!(text[..7].eq_ignore_ascii_case("http://") && !text.contains('@')),
            Err(bad) => {
                prop_assert!(matches!(bad, BadOption::Proxy));
                let shown = format!("{bad} {bad:?}");
                prop_assert!(text.len() < 20 || !shown.contains(&text), "{}", shown);
            }
        }
    }
}
