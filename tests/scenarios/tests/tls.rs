//! Where requests go, and to whom the key is shown: verified servers, no redirects, no proxy but
//! the configured one.

use std::fs;

use postgres::Client;
use scenarios::environment::Environment;
use scenarios::{wait_until_aged, Answer, Cluster, ConnectProxy, Database, FaultServer, Stack};
use simulator::{Builder, Fault, FaultKind, Simulator, DEV_API_KEY};

const CALL: &str = "SELECT public.cometchat_ensure_user(gen_random_uuid(), 'Ada')";

/// A plain database, configured for a simulator and its authority.
fn stack(chat: Builder) -> Stack {
    Stack::on(Database::plain(Cluster::shared()), chat.start().expect("a simulator"))
        .with_long_timeouts()
}

fn call(client: &mut Client) -> Answer {
    Answer(client.query_one(CALL, &[]).expect("an answer, not an error").get(0))
}

/// What a call answers with `cometchat.{name} = value` in force.
fn call_with(stack: &Stack, name: &str, value: &str) -> Answer {
    let mut client = stack.db.admin();
    client.batch_execute(&format!("SET cometchat.{name} = '{value}'")).expect("set");
    call(&mut client)
}

#[test]
fn https_with_a_ca_file() {
    let stack = stack(Simulator::builder().https());
    let mut client = stack.db.admin();
    for _ in 0..3 {
        assert!(call(&mut client).success());
    }
    assert_eq!(stack.chat.counters().connections, 1, "kept alive");
    let by_name = format!("https://localhost:{}/v3", stack.chat.port());
    assert!(call_with(&stack, "api_base_url", &by_name).success());
}

#[test]
fn certificates_that_prove_nothing_are_refused_before_the_key_is_sent() {
    let unknown = stack(Simulator::builder().https());
    unknown.db.set("cometchat.ca_file", None); // the bundled roots do not know it
    let other_authority = Simulator::builder().https().start().expect("a simulator");
    let foreign = stack(Simulator::builder().https());
    let pem = other_authority.ca_pem().expect("a CA");
    let ca = foreign.db.cluster().secret_file(&format!("ca-other-{}", foreign.db.name()), pem);
    foreign.db.set("cometchat.ca_file", ca.to_str());
    for (what, stack) in [
        ("unknown authority", unknown),
        ("another authority's", foreign),
        ("expired", stack(Simulator::builder().https_expired())),
        ("wrong name", stack(Simulator::builder().https_names(&["other.test"]))),
    ] {
        let answer = call(&mut stack.db.admin());
        assert_eq!(answer.code(), "NETWORK", "{what}");
        assert_eq!(answer.error(), "CometChat could not be reached: tls", "{what}");
        assert_eq!(stack.chat.counters().requests, 0, "{what}");
    }
}

#[test]
fn an_unusable_ca_file_is_not_configured() {
    let stack = stack(Simulator::builder().https());
    let empty = stack.db.cluster().secret_file(&format!("empty-{}", stack.db.name()), "");
    let fifo = empty.with_extension("fifo"); // opening one blocks until somebody writes
    assert!(std::process::Command::new("mkfifo")
        .args(["-m", "666"])
        .arg(&fifo)
        .status()
        .unwrap()
        .success());
    for (path, error) in [
        ("/nowhere/ca.pem", "CometChat is not properly configured: ca_file cannot be read"),
        (fifo.to_str().unwrap(), "CometChat is not properly configured: ca_file cannot be read"),
        ("/dev/zero", "CometChat is not properly configured: ca_file cannot be read"),
        (empty.to_str().unwrap(), "CometChat is not properly configured: ca_file is malformed"),
    ] {
        let answer = call_with(&stack, "ca_file", path);
        assert_eq!((answer.code(), answer.error()), ("NOT_CONFIGURED", error));
    }
}

#[test]
fn a_ca_file_that_changes_is_read_again_by_the_next_call() {
    let stack = stack(Simulator::builder().https());
    let other_authority = Simulator::builder().https().start().expect("a simulator");
    let ours = stack.chat.ca_pem().expect("a CA").to_owned();
    let name = format!("ca-changing-{}", stack.db.name());
    let ca = stack.db.cluster().secret_file(&name, &ours);
    stack.db.set("cometchat.ca_file", ca.to_str());
    let mut client = stack.db.admin();
    for old in [false, true] {
        if old {
            wait_until_aged(&ca);
        }
        for _ in 0..2 {
            assert!(call(&mut client).success());
        }
        fs::write(&ca, other_authority.ca_pem().expect("a CA")).expect("write");
        assert_eq!(call(&mut client).error(), "CometChat could not be reached: tls");
        fs::write(&ca, &ours).expect("write");
        assert!(call(&mut client).success());
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let stack = stack(Simulator::builder());
    for url in [
        "http://example.com/v3",
        "http://192.0.2.1/v3",
        "http://127.0.0.1.example.com/v3",
        "http://localhost.example.com/v3",
        "http://user@example.com/v3",
        "ftp://127.0.0.1/v3",
        "file:///etc/passwd",
        "127.0.0.1:80",
    ] {
        let answer = call_with(&stack, "api_base_url", url);
        assert_eq!(answer.code(), "NOT_CONFIGURED", "{url}");
    }
    let by_name = format!("http://localhost:{}/v3", stack.chat.port());
    assert!(call_with(&stack, "api_base_url", &by_name).success());
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = FaultServer::answering(|_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let stack = stack(Simulator::builder());
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/v3/users", elsewhere.addr());
        stack.chat.set_fault(Fault::new(FaultKind::Redirect { status, location }));
        let answer = call(&mut stack.db.admin());
        assert_eq!(answer.code(), "API_ERROR", "{status}");
        assert_eq!(
            answer.error(),
            format!("CometChat answered with an error: HTTP {status}, redirect")
        );
        stack.chat.clear_faults();
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn the_configured_proxy_carries_requests_and_sees_no_key() {
    let (proxy, stack) = (ConnectProxy::start(), stack(Simulator::builder().https()));
    let mut client = stack.db.admin();
    client.batch_execute(&format!("SET cometchat.proxy = '{}'", proxy.url())).expect("set");
    for _ in 0..2 {
        assert!(call(&mut client).success());
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "one tunnel, kept: {heads:?}");
    let port = stack.chat.port();
    assert!(heads[0].starts_with(&format!("CONNECT 127.0.0.1:{port} ")), "{}", heads[0]);
    assert!(!heads[0].to_lowercase().contains("apikey"), "{}", heads[0]);
    assert!(!proxy.tunnelled().is_empty());
    assert!(!shows_the_key(&proxy));
}

#[test]
fn plain_http_bypasses_the_proxy() {
    let (proxy, stack) = (ConnectProxy::start(), stack(Simulator::builder()));
    let by_name = format!("http://localhost:{}/v3", stack.chat.port());
    for url in [stack.chat.base_url(), by_name] {
        stack.db.set("cometchat.api_base_url", Some(&url));
        assert!(call_with(&stack, "proxy", &proxy.url()).success());
        assert!(!shows_the_key(&proxy), "{url}");
        assert_eq!(proxy.heads(), [] as [String; 0], "{url}");
    }
}

fn shows_the_key(proxy: &ConnectProxy) -> bool {
    proxy.tunnelled().windows(DEV_API_KEY.len()).any(|bytes| bytes == DEV_API_KEY.as_bytes())
}

#[test]
fn an_unusable_proxy_is_reported_in_the_answer() {
    let stack = stack(Simulator::builder().https());
    let refusing =
        FaultServer::answering(|_| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec());
    let answer = call_with(&stack, "proxy", &format!("http://{}", refusing.addr()));
    assert_eq!(answer.error(), "CometChat could not be reached: proxy");
    let answer = call_with(&stack, "proxy", "http://127.0.0.1:1");
    assert_eq!(answer.error(), "CometChat could not be reached: connection refused");
    for malformed in ["127.0.0.1:3128", "https://127.0.0.1:3128", "socks5://127.0.0.1:1080"] {
        assert_eq!(call_with(&stack, "proxy", malformed).code(), "NOT_CONFIGURED", "{malformed}");
    }
    assert_eq!(stack.chat.counters().requests, 0);
}

#[test]
fn the_environments_proxy_is_ignored() {
    let proxy = ConnectProxy::start();
    let cluster = Cluster::start(&[]);
    let mut environment = Environment::default();
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        environment = environment.variable(name, &proxy.url());
    }
    cluster.restart_in(&environment);
    let chat = Simulator::builder().https().start().expect("a simulator");
    let stack = Stack::on(Database::plain(cluster), chat).with_long_timeouts();
    assert!(call(&mut stack.db.admin()).success());
    assert_eq!(proxy.heads(), [] as [String; 0]);
}
