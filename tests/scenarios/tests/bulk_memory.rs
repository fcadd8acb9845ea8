//! What thousands of calls in one statement cost: time and memory for each, and no more.

use std::time::Instant;

use postgres::Client;
use scenarios::{Cluster, Database, Process, Stack};
use simulator::{RecordMode, Simulator};

/// Kilobytes: less than one for each call.
const LITTLE: u64 = 900;

/// Runs a statement of so many calls; returns by how many kilobytes the session has grown while it ran.
fn growth(client: &mut Client, sql: &str, calls: i64) -> u64 {
    let process = Process::of(client);
    let before = process.rss_anon();
    let started = Instant::now();
    client.batch_execute("BEGIN").expect("begin");
    let count: i64 = client.query_one(sql, &[]).expect(sql).get(0);
    assert_eq!(count, calls, "{sql}");
    let grown = process.rss_anon().saturating_sub(before);
    println!("{calls} calls in {:.1?}: {grown} kB more; {sql}", started.elapsed());
    client.batch_execute("COMMIT").expect("commit");
    grown
}

#[test]
fn a_statement_of_thousands_of_calls_takes_little_memory() {
    let chat = Simulator::builder().record(RecordMode::Counts).start().expect("a simulator");
    let stack = Stack::on(Database::plain(Cluster::shared()), chat);
    let mut client = stack.db.admin();
    // So dear a statement is compiled, and the compiler takes 10 MB once.
    client.batch_execute("SET jit = off").expect("a setting");
    let calls = |call: &str, users: i64, times: i64| {
        format!(
            "SELECT count(*) FILTER (WHERE public.cometchat_{call}(
                md5('u' || n % {users})::uuid) ->> 'success' = 'true') FROM generate_series(1, {times}) AS n"
        )
    };
    growth(&mut client, &calls("ensure_user", 50, 100), 100); // what a session makes once

    for (call, users, times) in [
        ("ensure_user", 50, 5000), // stored answers
        ("ensure_user", 1000, 1000),
        ("revoke_tokens", 1000, 1000),
        ("refresh_token", 1000, 1000),
    ] {
        let grown = growth(&mut client, &calls(call, users, times), times);
        assert!(grown < LITTLE, "{grown} kB for {times} calls of {call}");
    }
}
