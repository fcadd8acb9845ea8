//! Known bad input: a clear answer, no request, nothing stored.

use scenarios::{Answer, Session, Stack, Stored, NOTHING};
use std::fs::{self, Permissions};
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::process::Command;
use uuid::Uuid;

/// Ensures as a superuser with `setting` set for the session.
#[track_caller]
fn ensure_with(stack: &Stack, user: Uuid, setting: &str, value: &str) -> Answer {
    let mut session = Session::of(stack.db.admin());
    let set = "SELECT set_config('cometchat.' || $1, $2, false)";
    session.client.execute(set, &[&setting, &value]).expect(set);
    session.ensure(Some(user), None, None)
}

#[track_caller]
fn assert_not_configured(answer: &Answer, detail: &str) {
    let error = format!("CometChat is not properly configured: {detail}");
    assert_eq!((answer.code(), answer.error()), ("NOT_CONFIGURED", error.as_str()));
}

#[test]
fn a_malformed_setting_is_named_and_its_value_is_not_repeated() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let long = "x".repeat(64);
    for (setting, values) in [
        (
            "app_id",
            vec![
                "a/../b",
                "my app",
                "äpp",
                "app.evil.example",
                "-app",
                "a@b",
                "a\nb",
                &long,
                "a:1",
                "a%2f",
            ],
        ),
        ("region", vec!["US", "u s", "eü", "us/", "us.evil", "-us", "us\n", "mars-and-beyond-x"]),
        (
            "api_base_url",
            vec![
                "http://example.com/v3",
                "ftp://example.com",
                "example.com/v3",
                "https://",
                "https://key@example.com",
                "https://example.com/v3?x=1",
                "https://example.com/#",
                "https://example.com/../v3",
                "https://exa mple.com",
                "http://127.0.0.1.evil.example/v3",
                "http://localhost@evil.example/",
                "//example.com",
                "javascript:alert(1)",
                "https://example.com:99999/v3",
                "https://exämple.com/v3",
            ],
        ),
        (
            "proxy",
            vec![
                "proxy",
                "socks5://127.0.0.1:1",
                "http://",
                "http://user:secret@127.0.0.1:3128", // everybody may SHOW it
                "http://user@127.0.0.1:3128",
                "http://127.0.0.1:3128/path",
                "http://127.0.0.1:3128?x",
                "http://127.0.0.1:99999",
            ],
        ),
    ] {
        for value in values {
            let answer = ensure_with(&stack, ada, setting, value);
            assert_not_configured(&answer, &format!("{setting} is malformed"));
        }
    }
    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn a_key_file_that_is_not_exactly_a_key_is_refused() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let long = "x".repeat(10_000);
    for content in [
        "",
        "\n",
        "two\nlines",
        "two\nlines\n",
        "key\r\nX-Evil: 1",
        "a key",
        " key",
        "key\n\n",
        "k\u{e9}y",
        "k\u{0}ey",
        &long,
    ] {
        let file = stack.db.cluster().secret_file(&format!("bad-{}", stack.db.name()), content);
        let answer = ensure_with(&stack, ada, "api_key_file", file.to_str().unwrap());
        assert_not_configured(&answer, "api_key_file is malformed");
    }
    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn a_key_file_that_others_could_read_or_that_is_no_file_is_refused() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let cluster = stack.db.cluster();
    let refused = |path: &str, why: &str| {
        let answer = ensure_with(&stack, ada, "api_key_file", path);
        assert_not_configured(&answer, &format!("api_key_file {why}"));
    };
    let file = cluster.secret_file(&format!("open-{}", stack.db.name()), simulator::DEV_API_KEY);
    let path = file.to_str().unwrap();
    for mode in [0o640, 0o604, 0o660, 0o601, 0o755] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        refused(path, "has group or world access");
    }
    refused(&format!("{path}-missing"), "cannot be read");
    refused(cluster.dir().to_str().unwrap(), "is not a regular file");
    refused("/dev/null", "is not a regular file");
    let fifo = cluster.dir().join(format!("fifo-{}", stack.db.name()));
    assert!(Command::new("mkfifo").arg("-m600").arg(&fifo).status().unwrap().success());
    let server = fs::metadata(cluster.dir().join("data")).unwrap();
    chown(&fifo, Some(server.uid()), None).unwrap();
    refused(fifo.to_str().unwrap(), "is not a regular file");
    // Only root can give files away.
    if chown(&file, Some(65_534), None).is_ok() {
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        refused(path, "cannot be read");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        refused(path, "must be owned by the database user or root");
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_refused() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let file = stack.db.cluster().secret_file(&format!("ca-{}", stack.db.name()), "no certificate");

    assert_not_configured(
        &ensure_with(&stack, ada, "ca_file", "/nonexistent"),
        "ca_file cannot be read",
    );
    let answer = ensure_with(&stack, ada, "ca_file", file.to_str().unwrap());
    assert_not_configured(&answer, "ca_file is malformed");
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn an_unknown_user_is_invalid_input() {
    let stack = Stack::new();
    let nobody = Uuid::new_v4();
    let invalid = |answer: Answer, detail: &str| {
        let error = format!("Invalid input: {detail}");
        assert_eq!((answer.code(), answer.error()), ("INVALID_INPUT", error.as_str()));
    };
    for user in [nobody, Uuid::nil()] {
        for session in [&mut stack.service(), &mut stack.session(user)] {
            invalid(session.ensure(Some(user), Some("Name"), Some("a@b.c")), "unknown user");
            invalid(session.refresh(Some(user)), "unknown user");
            invalid(session.revoke(Some(user)), "unknown user");
        }
    }
    let mut service = stack.service();
    invalid(service.ensure(None, None, None), "user_id is missing");
    invalid(service.ensure(None, Some("Name"), Some("a@b.c")), "user_id is missing");
    invalid(service.refresh(None), "user_id is missing");
    invalid(service.revoke(None), "user_id is missing");
    assert_eq!(stack.asked(), NOTHING);
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.sync_state").as_deref(), Some("0"));
}

#[test]
fn empty_arguments_are_absent_ones() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");

    let mut service = stack.service();
    let first = service.ensure(Some(ada), Some(""), Some(""));
    let second = service.ensure(Some(ada), Some(" \n\t"), Some("  "));

    assert_eq!(second, first);
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    let private = stack.chat_user(ada)["metadata"]["@private"].clone();
    assert_eq!(private["email"], "ada.lovelace@example.com");
}
