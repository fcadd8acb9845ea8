//! docs/policy.md: what is tried again, when, and what pauses, as the code decides it.

use std::fmt::Write;
use std::time::Duration;

use cometchat::{Error, ErrorKind};
use sync::error::{CallError, ErrorCode, Passes};
use sync::policy::{self, RetryDecision};
use sync::user_sync::SyncError;

use crate::document;

/// The default of `cometchat.max_attempts`.
const ATTEMPTS: u32 = 12;

#[test]
fn document() {
    let mut text = String::from(
        "# What is tried again, and when\n\n\
         Generated from crates/sync/src/policy.rs and what it decides on, by\n\
         `BLESS=1 cargo test -p sync --test lists`.\n",
    );
    text += &failures();
    text += &schedule();
    text += &clients();
    text += &constants();
    document::is_generated("docs/policy.md", &text);
}

/// An error of each kind, as it may come from CometChat or on the way there.
fn sample(kind: &str) -> Error {
    let api = |status: u16, code: Option<&str>| Error::Api {
        status,
        code: code.map(str::to_owned),
        message: None,
        details: vec![],
        retry_after: None,
    };
    match kind {
        "KeyRejected" => api(401, None),
        "PlanLimit" => api(402, None),
        "RateLimited" => api(429, None),
        "UidNotFound" => api(404, Some("ERR_UID_NOT_FOUND")),
        "TokenNotFound" => api(404, Some("ERR_AUTH_TOKEN_NOT_FOUND")),
        "UidExists" => api(400, Some("ERR_UID_ALREADY_EXISTS")),
        "BadUser" => api(400, Some("ERR_BAD_REQUEST")),
        "Server" => api(503, None),
        "WrongEndpoint" => api(404, Some("ERR_API_NOT_FOUND")),
        "NotCometChat" => Error::NotCometChat { status: 200, what: "HTML" },
        "Timeout" => Error::Timeout,
        "Network" => Error::Network { what: "connection reset" },
        "Interrupted" => Error::Interrupted,
        "Refused" => Error::Refused,
        "Invalid" => Error::InvalidRequest { what: "x" },
        other => panic!("crates/sync/tests/lists/policy.rs: give a sample of ErrorKind::{other}"),
    }
}

/// The kinds and their descriptions, as the client's source has them.
fn kinds() -> Vec<(String, String)> {
    let source = document::read("crates/cometchat/src/kind.rs");
    let body = source.split_once("pub enum ErrorKind {\n").expect("ErrorKind").1;
    let body = body.split_once("\n}").expect("its end").0;
    let mut kinds = Vec::new();
    let mut about = Vec::new();
    for line in body.lines().map(str::trim) {
        match line.strip_prefix("/// ") {
            Some(words) => about.push(words),
            None => kinds.push((
                line.trim_end_matches(',').to_owned(),
                std::mem::take(&mut about).join(" "),
            )),
        }
    }
    kinds
}

fn decision(error: &SyncError) -> &'static str {
    match policy::decide(error) {
        RetryDecision::Retry => "is tried again; the attempt counts",
        RetryDecision::Outage => {
            "is tried again; no attempt counts while CometChat is out of reach"
        }
        RetryDecision::OpenCircuit => {
            "all sending pauses, and one request at a time goes ahead to see"
        }
        RetryDecision::Throttled(_) => "all sending waits as long as CometChat says",
        RetryDecision::Singly => "is sent alone; no attempt counts",
        RetryDecision::Defer(_) => "this user is put off; no attempt counts",
        RetryDecision::PlanFull => "new users wait for room; the others go on",
        RetryDecision::Fail => "has failed for good, until the data or the override change",
        RetryDecision::Interrupted => "is given back untried",
    }
}

fn failures() -> String {
    let mut text = String::from(
        "\n## Failures\n\nBy kind: what becomes of the user whose sync met it, and what a call answers. \
         *Queued*: the call's work is\ndone later by the worker.\n\n\
         | kind | when | the user's sync | a call answers | queued |\n|---|---|---|---|---|\n",
    );
    for (kind, when) in kinds() {
        let error = sample(&kind);
        assert_eq!(format!("{:?}", error.kind()), kind, "the sample of {kind}");
        let is_interrupt = error.kind() == ErrorKind::Interrupted;
        let sync = decision(&SyncError::Remote(sample(&kind)));
        let call = CallError::from(error);
        let code = if is_interrupt {
            "(raised)".to_owned()
        } else {
            format!("`{}`", call.code().as_str())
        };
        let queued = if call.is_transient() { "yes" } else { "no" };
        writeln!(text, "| {kind} | {when} | {sync} | {code} | {queued} |").unwrap();
    }
    text += "\nBeside these:\n\n| what | the user's sync |\n|---|---|\n";
    for (what, error) in [
        ("PlanLimit, to a request that creates a user", SyncError::NotCreated(sample("PlanLimit"))),
        ("deactivated in CometChat by others", SyncError::Deactivated),
        ("what is stored of the user cannot be read", SyncError::Unreadable(String::new())),
    ] {
        writeln!(text, "| {what} | {} |", decision(&error)).unwrap();
    }
    text
}

fn schedule() -> String {
    let mut text = String::from(
        "\n## One user's attempts\n\nThe wait after a failed attempt is random, from 0.1 s to the longest \
         below: users who failed together do\nnot come back together. After `cometchat.max_attempts` \
         (12) the user is in `cometchat.failed_users`.\n\n\
         | failed attempts | longest wait | in all, at most |\n|---|---|---|\n",
    );
    let mut sum = Duration::ZERO;
    for n in 1..ATTEMPTS {
        let longest = policy::delay(n, 1.0);
        sum += longest;
        writeln!(text, "| {n} | {} | {} |", spell(longest), spell(sum)).unwrap();
    }
    text += "\n## A pause\n\nWhile all sending pauses, one request goes ahead after\n";
    let probes: Vec<String> = (0..6).map(|n| spell(policy::probe_delay(n))).collect();
    writeln!(text, "{}, and so on.", probes.join(", ")).unwrap();
    text += "\n## Throttling\n\nA user for whom the limit leaves no request waits as long as CometChat or \
             the limiter says, within bounds:\n\n| said | wait |\n|---|---|\n";
    for said in [None, Some(0), Some(15), Some(3600)] {
        let wait = policy::throttled_delay(said.map(Duration::from_secs));
        let said = said.map(|s| spell(Duration::from_secs(s))).unwrap_or("nothing".to_owned());
        writeln!(text, "| {said} | {} |", spell(wait)).unwrap();
    }
    text += "\n## Where the plan has no import\n\nUsers of the backlog are sent singly, and an import is \
             tried again after\n";
    let hours: Vec<u64> = (0..7).map(|n| policy::import_retry(n).as_secs() / 3600).collect();
    let hours: Vec<String> = hours.iter().map(|h| format!("{h} h")).collect();
    writeln!(text, "{}, and so on.", hours.join(", ")).unwrap();
    text += "\n## Errors of the database\n\nAfter errors in a row the worker waits\n";
    let waits: Vec<String> = (0..9).map(|n| spell(policy::error_backoff(n))).collect();
    writeln!(text, "{}, and no longer.", waits.join(", ")).unwrap();
    text
}

fn clients() -> String {
    let mut text = String::from(
        "\n## Clients\n\n`soon`: the TypeScript client's `ensureUser` asks again by itself. `later`: \
         its `isTransient` says so, and the example\nasks again every now and then. `no`: something has \
         to change first.\n\n| code | passes |\n|---|---|\n",
    );
    for code in ErrorCode::ALL {
        writeln!(text, "| `{}` | {} |", code.as_str(), code.passes().as_str()).unwrap();
    }
    text
}

/// The constants of the files that decide on waits.
fn constants() -> String {
    let mut text = String::from(
        "\n## Fixed waits and limits\n\n| constant | value | meaning |\n|---|---|---|\n",
    );
    for file in ["crates/sync/src/policy.rs", "crates/sync/src/rate_limiter/silence.rs"] {
        let mut about = Vec::new();
        let source = document::read(file);
        for line in source.lines() {
            let constant = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("const ");
            match (line.strip_prefix("/// "), constant.and_then(|rest| rest.split_once(": "))) {
                (Some(words), _) => about.push(words.to_owned()),
                (None, Some((name, rest))) => {
                    let value = rest.split_once(" = ").map(|(_, value)| value).unwrap_or_default();
                    let value = evaluate(name, value.trim_end_matches(';'));
                    writeln!(text, "| `{name}` | {value} | {} |", about.join(" ")).unwrap();
                    about.clear();
                }
                (None, None) => about.clear(),
            }
        }
    }
    text
}

/// A product of numbers, as seconds, milliseconds or as it is.
fn evaluate(name: &str, value: &str) -> String {
    let inside = value.split_once('(').map_or(value, |(_, inside)| inside.trim_end_matches(')'));
    let product: u64 = inside
        .split(" * ")
        .map(|n| n.replace('_', "").parse::<u64>().unwrap_or_else(|_| panic!("{name}: {value}")))
        .product();
    match value.split_once('(').map(|(unit, _)| unit) {
        Some("Duration::from_secs") => spell(Duration::from_secs(product)),
        Some("Duration::from_millis") => spell(Duration::from_millis(product)),
        _ if name.ends_with("_MS") => spell(Duration::from_millis(product)),
        _ => product.to_string(),
    }
}

fn spell(wait: Duration) -> String {
    let seconds = wait.as_secs();
    match (seconds, wait.subsec_millis()) {
        (0, millis) => format!("{millis} ms"),
        (s, millis @ 1..) => format!("{:.1} s", s as f64 + f64::from(millis) / 1000.0),
        (s, _) if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        (s, _) if s > 120 => format!("{} min {} s", s / 60, s % 60),
        (s, _) => format!("{s} s"),
    }
}

/// The number of attempts above is the setting's default.
#[test]
fn attempts_are_the_default() {
    let source = document::read("src/config/gucs.rs");
    let declared = source
        .contains(&format!("MAX_ATTEMPTS: GucSetting<i32> = GucSetting::<i32>::new({ATTEMPTS})"));
    assert!(declared, "src/config/gucs.rs: max_attempts is not {ATTEMPTS}");
}

/// What a call leaves to the worker, the worker tries again, and the clients' codes say so too.
#[test]
fn the_classifications_agree() {
    for (kind, _) in kinds() {
        let call = CallError::from(sample(&kind));
        let decision = policy::decide(&SyncError::Remote(sample(&kind)));
        if call.is_transient() {
            let again = matches!(
                decision,
                RetryDecision::Retry | RetryDecision::Outage | RetryDecision::Throttled(_)
            );
            assert!(again, "{kind} is queued by a call, and the worker says {decision:?}");
            assert_ne!(call.code().passes(), Passes::No, "{kind} is queued and does not pass");
        }
    }
}
