//! Tens of thousands of commits that wake the worker leave nothing behind in their session.

use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::blocked_session::Times;
use scenarios::Process;

use super::fixture::Fixture;
use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

/// What an empty commit may cost, as a multiple of one in a new session.
const AT_MOST: f64 = 1.1;

/// What the session's memory may grow by, in kilobytes.
const GROWTH: u64 = 256;

/// Empty commits in one go, and how often.
const EMPTY_COMMITS: u32 = 1000;
const ROUNDS: usize = 100;

pub fn measure(fixture: &Fixture, scale: &Scale, report: &mut Report) {
    report.heading(&format!("{} commits in one session that wake the worker", scale.waking));
    fixture.clear();
    fixture.resume();
    let mut old = fixture.stack.db.admin();
    let wake = old.prepare("SELECT cometchat.wake()").expect("prepare");
    let process = Process::of(&mut old);
    let before = Times::of(ROUNDS, || empty_commit(&mut old)).median();
    let mut memory = Vec::new();
    for n in 0..scale.waking {
        old.execute(&wake, &[]).expect("a commit");
        if n % (scale.waking / 10) == scale.waking / 10 - 1 {
            memory.push(process.rss_anon());
        }
    }
    // Beside a new session, in turns: whatever else the machine does meets both.
    let mut new = fixture.stack.db.admin();
    new.execute("SELECT cometchat.wake()", &[]).expect("a commit"); // registers what there is
    let mut pairs = Pairs::default();
    let mut after = Times::default();
    for round in 0..ROUNDS {
        let (ours, theirs) = if round % 2 == 0 {
            let ours = empty_commit(&mut old);
            (ours, empty_commit(&mut new))
        } else {
            let theirs = empty_commit(&mut new);
            (empty_commit(&mut old), theirs)
        };
        pairs.push(ours, theirs);
        after.push(ours);
    }
    let after = after.median();
    report.paired("an empty commit, beside a new session's", &pairs, AT_MOST);
    report.note(&format!("before them it took {before:.2?}, after them {after:.2?}"));
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    report.at_most("growth of its memory, kB", last.saturating_sub(first) as f64, GROWTH as f64);
    report.note(&format!("RssAnon {memory:?} kB"));
}

/// What an empty commit costs the server: without a round trip for each, which would measure where
/// the kernel puts the two processes.
fn empty_commit(client: &mut Client) -> Duration {
    let started = Instant::now();
    let sql = format!("DO 'BEGIN FOR i IN 1..{EMPTY_COMMITS} LOOP COMMIT; END LOOP; END'");
    client.batch_execute(&sql).expect("empty transactions");
    started.elapsed() / EMPTY_COMMITS
}
