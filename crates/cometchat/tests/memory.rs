//! An answer's bytes are bounded; so is what is made of them. Alone in its binary: the peak that it
//! looks at is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::fs;
use std::time::{Duration, Instant};

use cometchat::{Client, ErrorKind, ListUsers, NewUser, UserPage};
use stub::memory::Script;
use stub::reply;

/// More than the budget for a page's metadata with everything around it, and a small part of what
/// an answer's trees took without one (700 MB).
const MOST: usize = 100 << 20;

/// Bytes of this process that were resident at most since `forget_peak`.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// What `ask` gives, while memory and time stay within their bounds.
fn measured<T>(body: &str, ask: impl Fn(&Client) -> T) -> T {
    let client = Script::playing(&reply(200, &[], body)).client();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started) = (peak(), Instant::now());
    let answer = ask(&client);
    let took = peak() - before;
    assert!(took < MOST, "{} MB for {body:.60}", took >> 20);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    answer
}

/// So many bytes of the JSON that takes most memory for its length.
fn dense(bytes: usize) -> String {
    let mut list = r#"{"":0},"#.repeat(bytes / 7);
    list.pop();
    format!("[{list}]")
}

fn list(body: &str) -> Result<UserPage, ErrorKind> {
    measured(body, |client| client.list_users(&ListUsers::default())).map_err(|e| e.kind())
}

#[test]
fn an_answer_takes_no_more_memory_than_its_budget_whatever_is_in_it() {
    a_page();
    an_import();
}

fn a_page() {
    // One user cannot be as large; the others are still listed.
    let page =
        format!(r#"{{"data":[{{"uid":"ada","metadata":{}}},{{"uid":"bob"}}]}}"#, dense(3_500_000));
    let page = list(&page).unwrap();
    assert_eq!((page.users.len(), page.unreadable), (1, 1));
    assert_eq!(page.users[0].uid, "bob");

    // As much metadata as CometChat takes, in the form that takes most memory.
    let users: Vec<_> = (0..1000)
        .map(|n| format!(r#"{{"uid":"u{n}","metadata":{{"k":{}}}}}"#, dense(4_990)))
        .collect();
    let page = list(&format!(r#"{{"data":[{}]}}"#, users.join(","))).unwrap();
    assert_eq!((page.users.len(), page.unreadable), (1000, 0));
    assert!(page.users[0].metadata.is_some(), "what fits is read");
    assert!(page.users[999].metadata.is_none(), "what does not is left out");

    // Around the list.
    for name in ["meta", "cursor", "error"] {
        let body = format!(r#"{{"{name}":{},"data":[{{"uid":"ada"}}]}}"#, dense(3_500_000));
        match list(&body) {
            Ok(page) => assert!(page.users.len() == 1 && page.has_more(), "{name}"),
            Err(kind) => assert_eq!((name, kind), ("error", ErrorKind::NotCometChat)),
        }
    }
}

fn an_import() {
    let ada = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
    for body in [
        format!(
            r#"{{"data":{{"ada":{{"data":{{"uid":"ada","metadata":{}}}}}}}}}"#,
            dense(3_500_000)
        ),
        format!(r#"{{"error":{{"details":{}}}}}"#, dense(3_500_000)),
    ] {
        let answer = measured(&body, |client| client.import_users(std::slice::from_ref(&ada)));
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotCometChat);
    }
}
