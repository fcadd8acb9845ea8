//! Attacks on the key's way: files that are none, hosts that are not CometChat's, and what
//! CometChat, or something in its place, says.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::process::Command;
use std::time::{Duration, Instant};

use scenarios::{eventually, FaultServer, Stack, NOTHING};
use serde_json::json;
use simulator::{Fault, FaultKind, DEV_API_KEY};

/// What a login answers with this key file.
fn error_with(stack: &Stack, ada: uuid::Uuid, path: &str) -> String {
    stack.db.set("cometchat.api_key_file", Some(path));
    let started = Instant::now();
    let answer = stack.session(ada).ensure(None, None, None);
    assert!(started.elapsed() < Duration::from_secs(7), "{path} held the call up");
    answer.error().replace("CometChat is not properly configured: ", "")
}

#[test]
fn an_operator_tries_files_that_are_not_key_files() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let dir = stack.db.cluster().dir().to_owned();
    let name = |what: &str| format!("{what}-{}", stack.db.name());
    let refuse =
        |path: &str, error: &str| assert_eq!(error_with(&stack, ada, path), error, "{path}");

    refuse("/dev/zero", "api_key_file is not a regular file");
    refuse("/dev/null", "api_key_file is not a regular file");
    refuse(dir.to_str().unwrap(), "api_key_file is not a regular file");
    refuse("/nowhere/at/all", "api_key_file cannot be read");
    refuse("/etc/passwd", "api_key_file has group or world access");
    let fifo = dir.join(name("fifo"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::set_permissions(&fifo, fs::Permissions::from_mode(0o644)).unwrap();
    refuse(fifo.to_str().unwrap(), "api_key_file is not a regular file");
    for mode in [0o644, 0o640, 0o604, 0o620] {
        let open = stack.db.cluster().secret_file(&name("open"), DEV_API_KEY);
        fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
        refuse(open.to_str().unwrap(), "api_key_file has group or world access");
    }
    for content in [format!("{DEV_API_KEY}\nx"), "x".repeat(10_000), "\u{e9}".into(), "a\rb".into()]
    {
        let odd = stack.db.cluster().secret_file(&name("odd"), &content);
        refuse(odd.to_str().unwrap(), "api_key_file is malformed");
    }
    let bytes = stack.db.cluster().secret_file(&name("bytes"), [0xff, 0xfe, 0x00]);
    refuse(bytes.to_str().unwrap(), "api_key_file is malformed");
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_symbolic_link_is_judged_by_its_target() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let dir = stack.db.cluster().dir().to_owned();
    let key = stack.db.cluster().secret_file(&format!("good-{}", stack.db.name()), DEV_API_KEY);
    let link = dir.join(format!("link-{}", stack.db.name()));
    symlink("/etc/passwd", &link).unwrap();
    assert_eq!(
        error_with(&stack, ada, link.to_str().unwrap()),
        "api_key_file has group or world access"
    );
    fs::remove_file(&link).unwrap();
    symlink(&key, &link).unwrap();

    assert!(stack.session(ada).ensure(None, None, None).success());
}

#[test]
fn an_operator_tries_an_app_id_or_region_that_changes_the_host() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.db.set("cometchat.api_base_url", None);
    for (setting, other) in [("app_id", "region"), ("region", "app_id")] {
        stack.db.set(&format!("cometchat.{other}"), Some("us"));
        for value in [
            "evil.example/",
            "evil.example#",
            "a@evil.example",
            "a:b@evil.example",
            "x/../y",
            "a b",
            "evil.example",
            "a\\b",
            "a?b",
            "a%2eb",
            "-",
            "a\u{e9}",
            "a\r\nHost: evil",
            "127.0.0.1",
        ] {
            stack.db.set(&format!("cometchat.{setting}"), Some(value));
            assert_eq!(
                stack.session(ada).ensure(None, None, None).error(),
                format!("CometChat is not properly configured: {setting} is malformed"),
                "{value}"
            );
        }
    }
}

#[test]
fn an_operator_tries_an_unsafe_base_url() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    for url in [
        "http://evil.example/v3",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1@evil.example/v3",
        "http://127.0.0.1.evil.example/",
        "https://user:secret@evil.example/",
        "https://",
        "evil.example",
        "https://evil.example/v3?x=",
        "https://evil.example/v3#",
        "http://localhost.evil.example",
    ] {
        stack.db.set("cometchat.api_base_url", Some(url));
        assert_eq!(
            stack.session(ada).ensure(None, None, None).error(),
            "CometChat is not properly configured: api_base_url is malformed",
            "{url}"
        );
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn cometchat_tries_to_send_us_to_another_host() {
    let (stack, ada) = Stack::with_ada();
    let evil =
        FaultServer::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec());
    for status in [301, 302, 303, 307, 308] {
        let location = evil.base_url();
        let fault = stack.chat.set_fault(Fault::new(FaultKind::Redirect { status, location }));
        let answer = stack.session(ada).refresh(None);
        assert!(!answer.success(), "{status}: {}", answer.0);
        stack.chat.clear_fault(fault);
    }
    assert_eq!(evil.connections(), 0);
}

#[test]
fn cometchat_tries_to_answer_with_another_users_uid_and_token() {
    let (stack, ada) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    let theirs = stack.stored(ada).token.expect("a token");
    let body = json!({"data": {"uid": ada.to_string(), "name": "Ada", "authToken": theirs,
                               "status": "offline", "createdAt": 1_700_000_000}});
    stack.chat.set_fault(Fault::raw(200, "application/json", &body.to_string()));

    let answer = stack.session(bob).ensure(None, None, None);

    assert!(!answer.0.to_string().contains(&theirs), "{}", answer.0);
    assert_eq!(answer.code(), "API_ERROR");
    assert_eq!((stack.stored(bob).uid, stack.stored(bob).token), (None, None));
    assert_eq!(stack.stored(ada).token, Some(theirs));
}

#[test]
fn cometchat_tries_markup_controls_addresses_and_the_key_in_its_message() {
    let stack = Stack::syncing();
    let message = format!(
        "<b>\u{7}\u{202E}bad\u{0}\r\n{DEV_API_KEY} ada@example.com {}",
        "long ".repeat(500)
    );
    let body =
        json!({"error": {"code": "ERR_BAD_REQUEST", "message": message, "devMessage": message}});
    stack.chat.set_fault(Fault::raw(400, "application/json", &body.to_string()));
    let ada = stack.sign_up("Ada Lovelace");
    let failed = format!("SELECT f::text FROM cometchat.failed_users AS f WHERE user_id = '{ada}'");
    eventually("Ada is given up", || {
        stack.value(&format!("SELECT count(*) FROM ({failed}) AS f")).as_deref() == Some("1")
    });

    let row = stack.value(&failed).expect("a row");
    let answer = stack.session(ada).ensure(None, None, None).0.to_string();

    for said in [&row, &answer] {
        assert!(!said.contains(DEV_API_KEY) && !said.contains("ada@"), "{said}");
        assert!(!said.chars().any(|c| c.is_control() || c == '\u{202E}'), "{said}");
        assert!(said.len() < 600, "{said}");
    }
    assert!(!answer.contains("<b>"), "a client gets the code only: {answer}");
}

#[test]
fn cometchat_tries_a_malformed_error_code() {
    let (stack, ada) = Stack::with_ada();
    for code in ["<script>", DEV_API_KEY, "ada@example.com", &"X".repeat(100), "A\u{0}B", "a b"] {
        let body = json!({"error": {"code": code, "message": "m"}}).to_string();
        let fault = stack.chat.set_fault(Fault::raw(400, "application/json", &body));
        let answer = stack.session(ada).refresh(None).0.to_string();
        assert!(!answer.contains(code), "{answer}");
        stack.chat.clear_fault(fault);
    }
}
