//! What a hostile, broken or slow network may do to a request.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::io::ErrorKind as Io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cometchat::{Error, ErrorKind, ListUsers, NewUser, Operation, Permit, RateClass};
use stub::memory::{Script, Step};
use stub::{client, reply, Act, Stub, KEY};

const ADA: &str = r#"{"data":{"uid":"ada"}}"#;

fn failing(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Error {
    Stub::new(act).client().get_user("ada").unwrap_err()
}

fn answering(bytes: Vec<u8>) -> Error {
    failing(move |_| Act::SendAndClose(bytes.clone()))
}

#[test]
fn redirects_are_not_followed() {
    let other = Stub::json(200, ADA);
    for status in [301, 302, 303, 307, 308, 300, 304] {
        let to = format!("{}/users/ada", other.base);
        let stub = Stub::new(move |_| Act::Send(reply(status, &[("location", &to)], "{}")));
        let client = stub.client();
        let user = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
        for e in [client.get_user("ada").unwrap_err(), client.create_user(&user, true).unwrap_err()]
        {
            assert!(matches!(e, Error::NotCometChat { status: s, .. } if s == status), "{e}");
        }
        assert_eq!(client.delete_user("ada", true).unwrap_err().kind(), ErrorKind::NotCometChat);
    }
    assert!(other.seen().is_empty(), "the key must not follow a redirect");
}

#[test]
fn an_agent_with_its_own_ideas_behaves() {
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .http_status_as_error(true)
        .max_redirects(5)
        .timeout_global(Some(Duration::from_secs(60)))
        .user_agent("somebody/1")
        .build();
    let stub = Stub::json(404, r#"{"error":{"code":"ERR_UID_NOT_FOUND"}}"#);
    let e = client(agent.into(), &stub.base).get_user("ada").unwrap_err();
    assert_eq!((e.kind(), e.code()), (ErrorKind::UidNotFound, Some("ERR_UID_NOT_FOUND")));
    assert!(stub.seen()[0].header("user-agent").unwrap().starts_with("cometchat_ext/"));
}

#[test]
fn the_key_only_goes_to_safe_addresses() {
    for base in ["http://example.com/v3", "ftp://x", "", "https://u@example.com"] {
        let e = client(ureq::agent(), base).get_user("ada").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid, "{base}");
    }
}

#[test]
fn deadlines() {
    for act in [
        || Act::Stall,
        || Act::Drip([&b"HTTP/1.1 200 X\r\nx: "[..], &[b'x'; 400]].concat()),
        || {
            Act::Drip(
                [b"HTTP/1.1 200 X\r\ncontent-length: 400\r\n\r\n".to_vec(), vec![b' '; 400]]
                    .concat(),
            )
        },
    ] {
        let stub = Stub::new(move |_| act());
        let started = Instant::now();
        let deadline = started + Duration::from_millis(300);
        let client = stub.client().with_deadline(deadline);
        assert_eq!(client.get_user("ada").unwrap_err().kind(), ErrorKind::Timeout);
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(10), "{took:?}");
        // The budget is used up: the next request is not even sent. The first may be seen late.
        assert_eq!(client.get_user("bob").unwrap_err().kind(), ErrorKind::Timeout);
        assert!(stub.seen().iter().all(|seen| !seen.target.ends_with("/bob")));
    }
}

#[test]
fn oversized_answers_are_cut() {
    let honest = reply(200, &[], &"x".repeat(100_000));
    assert!(matches!(answering(honest), Error::TooLarge { limit: 65_536 }));
    let mut endless = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
    endless.resize(300_000, b' ');
    assert!(matches!(answering(endless), Error::TooLarge { limit: 65_536 }));
    let mut head = b"HTTP/1.1 200 X\r\nx: ".to_vec();
    head.resize(300_000, b'a');
    assert_eq!(answering(head).kind(), ErrorKind::NotCometChat);
    // An error page may be as long as it likes, the status counts.
    let page = reply(502, &[], &"x".repeat(100_000));
    assert_eq!(answering(page).kind(), ErrorKind::Server);
    // A list may be larger than a user.
    let users: Vec<_> = (0..1000).map(|n| format!(r#"{{"uid":"u{n}","x":"{n:0200}"}}"#)).collect();
    let list = format!(r#"{{"data":[{}]}}"#, users.join(","));
    let stub = Stub::json(200, &list);
    assert_eq!(stub.client().list_users(&ListUsers::default()).unwrap().users.len(), 1000);
    let stub = Stub::json(200, &list.replace("[{", r#"[{"uid":"one too many"},{"#));
    let e = stub.client().list_users(&ListUsers::default()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotCometChat);
}

#[test]
fn the_cap_is_exact() {
    let user = |length: usize| format!("{ADA}{}", " ".repeat(length - ADA.len()));
    let announced = |body: &str| reply(200, &[], body);
    let until_closed =
        |body: &str| format!("HTTP/1.1 200 X\r\nconnection: close\r\n\r\n{body}").into_bytes();
    for length in [22, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537] {
        let body = user(length);
        for bytes in [announced(&body), until_closed(&body)] {
            let stub = Stub::new(move |_| Act::SendAndClose(bytes.clone()));
            match stub.client().get_user("ada") {
                Ok(_) => assert!(length <= 65_536, "{length}"),
                Err(Error::TooLarge { limit: 65_536 }) => assert_eq!(length, 65_537),
                Err(e) => panic!("{length}: {e}"),
            }
        }
    }
}

#[test]
fn broken_answers() {
    for (bytes, kind) in [
        (&b""[..], ErrorKind::Network),
        (b"HTTP/1.1 200", ErrorKind::Network),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ErrorKind::NotCometChat),
        (b"HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{\"data\":", ErrorKind::Network),
        (b"HTTP/1.1 503 X\r\ncontent-length: 50\r\n\r\n<html", ErrorKind::Server),
        (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ErrorKind::NotCometChat),
        (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"d", ErrorKind::Network),
        (b"HTTP/1.1 200 X\r\n\r\n{\"data\":{\"uid\":", ErrorKind::NotCometChat),
        (b"HTTP/1.1 204 X\r\n\r\n", ErrorKind::NotCometChat),
        (b"HTTP/1.1 200 X\r\ncontent-length: nine\r\n\r\n", ErrorKind::NotCometChat),
        (b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n", ErrorKind::NotCometChat),
        (b"HTTP/1.1 101 X\r\n\r\n", ErrorKind::NotCometChat),
    ] {
        assert_eq!(answering(bytes.to_vec()).kind(), kind, "{}", bytes.escape_ascii());
    }
    // Takes connections, never shakes hands.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let https = format!("https://{}", mute.local_addr().unwrap());
    let patient = client(ureq::agent(), &https);
    let hurried = patient.with_deadline(Instant::now() + Duration::from_millis(300));
    assert_eq!(hurried.get_user("ada").unwrap_err().kind(), ErrorKind::Timeout);
    let not_tls = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let https = format!("https://{}", not_tls.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut peer, _) = not_tls.accept().unwrap();
        let _ = std::io::Write::write_all(&mut peer, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = std::io::Read::read(&mut peer, &mut [0; 1024]);
    });
    let e = client(ureq::agent(), &https).get_user("ada").unwrap_err();
    assert!(matches!(e, Error::Network { what: "tls" }), "{e}");
    let e = client(ureq::agent(), "http://127.0.0.1:1").get_user("ada").unwrap_err();
    assert!(matches!(e, Error::Network { what: "connection refused" }), "{e}");
}

#[test]
fn the_observer_sees_each_attempt() {
    let headers = [("Retry-After", "15"), ("X-Rate-Limit", "500"), ("X-RateLimit-Remaining", "0")];
    let body = r#"{"error":{"code":"ERR_TOO_MANY_REQUESTS","message":"slow down"}}"#;
    let bytes = reply(429, &headers, body);
    let stub = Stub::new(move |_| Act::Send(bytes.clone()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let client = stub.client().with_observer(Arc::new(move |x| {
        let limits = x.limits.unwrap();
        assert_eq!((limits.limit, limits.remaining, limits.reset_unix), (Some(500), Some(0), None));
        assert_eq!(x.operation.class(), RateClass::Core);
        assert_eq!(x.failure.unwrap().kind(), ErrorKind::RateLimited);
        let code = x.code.unwrap().to_owned();
        log.lock().unwrap().push((x.operation.as_str(), x.status, code, x.retry_after));
    }));
    let e = client.delete_user("ada", false).unwrap_err();
    let wait = Some(Duration::from_secs(15));
    assert_eq!(e.retry_after(), wait);
    assert_eq!(
        *seen.lock().unwrap(),
        [("delete_user", Some(429), "ERR_TOO_MANY_REQUESTS".to_owned(), wait)]
    );
    let _ = client.delete_user("", false);
    assert_eq!(seen.lock().unwrap().len(), 1, "nothing sent, nothing seen");
}

#[test]
fn a_stale_connection_is_tried_once_more() {
    for (reused, want) in [(true, 2), (false, 1)] {
        for failure in [Step::Fail(Io::ConnectionReset), Step::FailHidden(Io::BrokenPipe)] {
            let script = Script::new(vec![failure]);
            let attempts = Arc::new(AtomicUsize::new(0));
            let count = attempts.clone();
            let client = script.client().with_reuse_probe(Arc::new(move || reused)).with_observer(
                Arc::new(move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                }),
            );
            assert_eq!(client.get_user("ada").unwrap_err().kind(), ErrorKind::Network);
            assert_eq!(script.connections(), want);
            assert_eq!(attempts.load(Ordering::SeqCst), want);
        }
    }
    // Without a probe, or once the answer has begun, nothing is repeated.
    let script = Script::new(vec![Step::Fail(Io::ConnectionReset)]);
    assert!(script.client().get_user("ada").is_err());
    assert_eq!(script.connections(), 1);
    let head = b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n".to_vec();
    let script = Script::new(vec![Step::Bytes(head), Step::Fail(Io::ConnectionReset)]);
    let e = script.client().with_reuse_probe(Arc::new(|| true)).get_user("ada").unwrap_err();
    assert!(matches!(e, Error::Network { what: "answer cut off" }), "{e}");
    assert_eq!(script.connections(), 1);
}

#[test]
fn a_closed_gate_lets_nothing_out() {
    let script = Script::new(vec![]);
    let client = script.client().with_gate(Arc::new(|operation| {
        assert_eq!(operation, Operation::GetUser);
        Permit::Never
    }));
    assert_eq!(client.get_user("ada").unwrap_err().kind(), ErrorKind::Refused);
    let wait = Duration::from_secs(7);
    let client = script.client().with_gate(Arc::new(move |_| Permit::Later(wait)));
    let error = client.get_user("ada").unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(wait)));
    assert_eq!(script.connections(), 0);
}

#[test]
fn a_kept_connection_that_died_is_replaced() {
    // Answers once per connection and then goes away without saying so.
    let stub = Stub::new(|n| match n {
        1 => Act::SendAndClose(Vec::new()),
        _ => Act::Send(reply(200, &[], ADA)),
    });
    let client = stub.client().with_reuse_probe(Arc::new(|| true));
    client.get_user("ada").unwrap();
    client.get_user("ada").unwrap();
    let connections: Vec<_> = stub.seen().iter().map(|s| s.connection).collect();
    assert_eq!(connections, [0, 0, 1], "the agent's pool is used, then replaced");
}

#[test]
fn an_interrupt_ends_the_request_at_once() {
    let head = b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n".to_vec();
    for step in [Step::Fail(Io::Interrupted), Step::FailHidden(Io::Interrupted)] {
        let scripts = [vec![step.clone()], vec![Step::Bytes(head.clone()), step]];
        for script in scripts {
            let client = Script::new(script).client().with_reuse_probe(Arc::new(|| true));
            assert_eq!(client.get_user("ada").unwrap_err().kind(), ErrorKind::Interrupted);
        }
    }
}

#[test]
fn errors_do_not_tell_secrets() {
    let body = format!(
        r#"{{"error":{{"code":"AUTH_ERR_APIKEY_NOT_FOUND","message":"The key {KEY} of
        ada@example.com does not exist.","details":{{"apikey":["{KEY}"]}}}}}}"#
    );
    let body = body.replace('\n', "");
    let e = Stub::json(401, &body).client().get_user("some-uid").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::KeyRejected);
    assert_eq!(e.to_string(), "CometChat answered with status 401 (AUTH_ERR_APIKEY_NOT_FOUND)");
    let all = format!("{e:?}");
    assert!(!all.contains(KEY) && !all.contains("ada@") && !all.contains("some-uid"), "{all}");
}
