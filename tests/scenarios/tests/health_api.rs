//! health() on the settings, the key file, CometChat's answers, and what happened lately.

use std::fs;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};

use scenarios::health::{check, fails, health, is_mended_by_its_hint, run_hint, unwell};
use scenarios::{eventually, within, Cluster, Database, Stack};
use simulator::{Fault, Limits, Simulator, DEV_API_KEY};
use std::time::Duration;

fn key_file(stack: &Stack) -> std::path::PathBuf {
    stack.db.cluster().dir().join(format!("key-{}", stack.db.name()))
}

#[test]
fn a_key_file_that_others_may_read_is_mended_by_the_hint() {
    let stack = Stack::syncing();
    let key = key_file(&stack);
    for mode in [0o644, 0o640, 0o666] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("chmod");
        is_mended_by_its_hint(&stack.db, "mode", "configuration", "group or world access");
    }
    let name = key.to_str().expect("a path");
    let mode = fs::metadata(name).expect("the file").mode() & 0o777;
    assert_eq!(mode, 0o600);
    eventually("all is well", || unwell(&stack.db).is_empty());
}

#[test]
fn a_key_file_of_somebody_else_is_mended_by_the_hint_as_root() {
    if !is_root() {
        println!("skipped: it takes root to give a file away");
        return;
    }
    let stack = Stack::syncing();
    let key = key_file(&stack);
    let owner = fs::metadata(&key).expect("the file").uid();
    for (mode, words) in [(0o600, "cannot be read"), (0o644, "must be owned")] {
        chown(&key, Some(12345), None).expect("chown");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("chmod");
        let said = fails(&stack.db, "owner", "configuration");
        assert!(said.detail.contains(words), "{said:?}");
        let command = said.hint.lines().find_map(|line| line.strip_prefix("\\! "));
        let command = command.expect("a command");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", command]).env("PGDATA", stack.db.cluster().dir().join("data"));
        assert!(shell.status().expect("a shell").success(), "{command}");
        assert_eq!(fs::metadata(&key).expect("the file").uid(), owner);
        eventually("all is well", || unwell(&stack.db).is_empty());
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[test]
fn a_region_that_does_not_exist_is_corrected_by_the_hint() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.api_base_url", None);
    stack.db.set("cometchat.ca_file", None);
    stack.db.set("cometchat.connect_timeout", Some("500ms"));
    stack.db.set("cometchat.region", Some("eur"));
    let key = check(&stack.db, "API key");
    assert!(!key.ok, "{key:?}");
    if !key.detail.contains("name not found") {
        println!("skipped: names are not looked up here: {key:?}");
        return;
    }
    assert!(key.hint.contains("us, eu or in"), "{key:?}");
    run_hint(&stack.db, &key.hint);
    let configuration = check(&stack.db, "configuration");
    assert_eq!(configuration.detail, "https://app1.api-eu.cometchat.io/v3");
    // Malformed ones are not even looked up.
    stack.db.set("cometchat.region", Some("US East"));
    is_mended_by_its_hint(&stack.db, "malformed", "configuration", "region is malformed");
    assert_eq!(check(&stack.db, "configuration").detail, "https://app1.api-us.cometchat.io/v3");
}

#[test]
fn the_row_settings_says_where_each_comes_from_and_no_value() {
    let stack = Stack::new();
    stack.execute("ALTER SYSTEM SET cometchat.max_attempts = 77");
    stack.execute("SELECT pg_reload_conf()");
    eventually("it says so", || {
        let said = check(&stack.db, "settings").detail;
        said.contains("max_attempts: configuration file") && said.contains("postgresql.auto.conf:")
    });
    let said = check(&stack.db, "settings").detail;
    stack.execute("ALTER SYSTEM RESET cometchat.max_attempts");
    stack.execute("SELECT pg_reload_conf()");
    assert!(said.contains("app_id: database") && said.contains("the key: file"), "{said}");
    for value in ["77", "app1", &key_file(&stack).to_string_lossy()] {
        assert!(!said.contains(value), "{value}: {said}");
    }
}

#[test]
fn a_429_that_does_not_end_is_a_failing_row_even_between_two_tries() {
    let stack = Stack::syncing();
    // A try takes half a second: nobody is throttled while it lasts.
    let slow = stack.chat.set_fault(Fault::delay(500));
    let fault = stack
        .chat
        .set_fault(Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "1"));
    let ada = stack.sign_up("Ada Lovelace");
    let refused_for_long = || {
        let row = check(&stack.db, "rate limit");
        !row.ok && row.detail.contains("no request has succeeded")
    };
    within(Duration::from_secs(150), "it is red while nobody is throttled", refused_for_long);
    let said = check(&stack.db, "rate limit");
    assert!(said.detail.contains("refused for 00:0"), "{said:?}");
    for over in [slow, fault] {
        stack.chat.clear_fault(over);
    }
    run_hint(&stack.db, &said.hint);
    stack.settled(ada);
    eventually("all is well", || unwell(&stack.db).is_empty());
}

#[test]
fn clock_allowance_and_last_success_are_told() {
    let stack = Stack::syncing();
    let plenty = Limits { core: Some(500), standard: Some(500), ..Limits::default() };
    stack.chat.set_limits(plenty.clone());
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let told = check(&stack.db, "allowance").detail;
    assert!(told.contains("create and delete: 499 of 500 left"), "{told}");
    assert!(check(&stack.db, "last success").detail.starts_with("20"), "a time");
    assert!(check(&stack.db, "clock").ok);

    stack.chat.set_limits(Limits { clock_ms: 300_000, ..plenty.clone() });
    let said = fails(&stack.db, "their clock is ahead", "clock");
    assert!(said.detail.contains("behind CometChat's"), "{said:?}");
    assert!(said.hint.contains("timedatectl set-ntp true"), "{said:?}");
    stack.chat.set_limits(Limits { clock_ms: -300_000, ..plenty.clone() });
    let said = fails(&stack.db, "their clock is behind", "clock");
    assert!(said.detail.contains("ahead of CometChat's"), "{said:?}");
    stack.chat.set_limits(plenty);
    eventually("it is well", || check(&stack.db, "clock").ok);
}

#[test]
fn tls_that_fails_is_a_row_of_its_own() {
    let chat = Simulator::builder().https().start().expect("a simulator");
    let stack = Stack::on(Database::like_supabase(Cluster::shared()), chat).sync();
    assert!(check(&stack.db, "TLS").detail.contains("verified by cometchat.ca_file"));
    let good = stack.value("SELECT current_setting('cometchat.ca_file')").expect("a file");
    stack.db.set("cometchat.ca_file", None);
    let said = fails(&stack.db, "an authority that is not known", "TLS");
    assert!(said.hint.contains("SET cometchat.ca_file = '/etc/ssl/certs/"), "{said:?}");
    let other = Simulator::builder().https().start().expect("another one");
    let ca = stack.db.cluster().secret_file("other-ca", other.ca_pem().expect("its authority"));
    stack.db.set("cometchat.ca_file", ca.to_str());
    let said = fails(&stack.db, "a file with another authority", "TLS");
    assert!(said.hint.contains("RESET cometchat.ca_file"), "{said:?}");
    stack.db.set("cometchat.ca_file", Some(&good));
    eventually("it is well", || check(&stack.db, "TLS").ok && check(&stack.db, "API key").ok);
}

#[test]
fn warnings_are_kept_where_no_log_can_be_read_and_have_no_secret() {
    let stack = Stack::syncing();
    assert_eq!(check(&stack.db, "recent warnings").detail, "none");
    let fault = stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let ada = stack.sign_up("Ada Lovelace");
    eventually("the worker's is there", || {
        check(&stack.db, "recent warnings").detail.contains("sending is paused")
    });
    stack.session(ada).ensure(None, None, None);
    let said = check(&stack.db, "recent warnings");
    assert!(said.ok && said.detail.contains("a call was answered"), "{said:?}");
    assert!(said.detail.contains("AUTH_ERR_APIKEY_NOT_FOUND"), "{said:?}");
    stack.chat.clear_fault(fault);
    run_hint(&stack.db, &check(&stack.db, "sending").hint);
    stack.settled(ada);
    let all = format!("{:?}", health(&stack.db));
    let token = stack.stored(ada).token.expect("a token");
    for secret in [DEV_API_KEY, &token, "ada.lovelace@example.com"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    stack.execute("SELECT cometchat.clear_warnings()");
    assert_eq!(check(&stack.db, "recent warnings").detail, "none");
}
