//! Reads an answer, a page of 100 users, as often as its argument says: tools/instructions.sh counts the
//! instructions that this takes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/stub/mod.rs"]
mod stub;

use cometchat::ListUsers;
use stub::memory::Script;
use stub::reply;

/// A user as CometChat's list shows one.
fn user(n: usize) -> String {
    format!(
        r#"{{"uid":"6f1c0a52-3a6b-4b1e-9d0f-1d2c3b{n:06}","name":"Ada Lovelace","avatar":"https://example.com/{n}.png",
            "status":"offline","role":"default","createdAt":1764000000,"updatedAt":1764000001,
            "metadata":{{"@private":{{"email":"ada{n}@example.com"}}}}}}"#
    )
}

fn main() {
    let times: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).expect("how often");
    let users: Vec<String> = (0..100).map(user).collect();
    let page = format!(r#"{{"data":[{}]}}"#, users.join(","));
    let client = Script::playing(&reply(200, &[], &page)).client();
    for _ in 0..times {
        let page = client.list_users(&ListUsers::default()).expect("a page");
        assert_eq!((page.users.len(), page.unreadable), (100, 0));
    }
}
