//! A long queue: how many users a second, near and far away, and the worker's memory meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{wait_until, Fixture};
use crate::report::Report;
use crate::scale::Scale;

/// Users a second when CometChat answers at once and limits nothing.
const USERS_PER_SECOND: f64 = 5000.0;

/// What a user of the last tenth may cost, as a multiple of one of the second: with nearly none waiting, and nearly all.
const PER_USER: f64 = 1.1;

/// When CometChat is far away: its answers take so long with this `cometchat.concurrency` (16 as it comes), ...
const FAR: [(Duration, u32); 2] = [(Duration::from_millis(100), 16), (Duration::from_secs(1), 128)];

/// ... and of concurrency / latency this share is to be had.
const SHARE_PERCENT: f64 = 95.0;

/// The worker's anonymous memory, in kilobytes.
const MEMORY: f64 = 16.0 * 1024.0;

/// By how much it may grow from 10 % to the end of the queue, in kilobytes: what is lost with
/// each user would show, what the allocator keeps for a larger batch would not.
const GROWTH: f64 = 2048.0;

pub fn measure(fixture: &Fixture, scale: &Scale, report: &mut Report) {
    report.heading(&format!("A queue of {} users, no limits", scale.users));
    near(fixture, scale.users, report);
    for (latency, concurrency) in FAR {
        far(fixture, latency, concurrency, report);
    }
}

fn near(fixture: &Fixture, users: usize, report: &mut Report) {
    fixture.fill(users);
    let answered = fixture.server.answered();
    fixture.resume();
    let worker = fixture.worker();
    let mut marks = Vec::with_capacity(10);
    let mut memory = Vec::with_capacity(10);
    for tenth in 1..=10 {
        marks.push(reached(fixture, answered + users * tenth / 10));
        memory.push(worker.rss_anon());
    }
    all_written(fixture, users);
    let rate = |from: usize, to: usize| {
        (users * (to - from)) as f64 / 10.0 / (marks[to - 1] - marks[from - 1]).as_secs_f64()
    };
    report.at_least("answered at once: users a second", rate(1, 10), USERS_PER_SECOND);
    let growth = rate(9, 10) / rate(1, 2);
    report.at_most("a user's cost, most waiting beside none", growth, PER_USER);
    let tenths: Vec<u64> = (1..10).map(|tenth| rate(tenth, tenth + 1) as u64).collect();
    report.note(&format!("in each tenth of the queue but the first: {tenths:?}"));
    let [early, half, end] = [memory[0], memory[4], memory[9]].map(|kb| kb as f64);
    report.at_most("the worker's RssAnon, kB", end, MEMORY);
    report.at_most("its growth from 10 % to the end, kB", end - early, GROWTH);
    report.note(&format!("RssAnon {early} kB at 10 %, {half} kB at 50 %, {end} kB at the end"));
}

fn far(fixture: &Fixture, latency: Duration, concurrency: u32, report: &mut Report) {
    let possible = f64::from(concurrency) / latency.as_secs_f64();
    // Nine seconds at full speed, and one before it counts.
    let users = (10.0 * possible) as usize;
    fixture.pause();
    fixture.stack.db.set("cometchat.concurrency", Some(&concurrency.to_string()));
    fixture.fill(users);
    fixture.server.set_latency(latency);
    let answered = fixture.server.answered();
    fixture.resume();
    let from = reached(fixture, answered + users / 10);
    let to = reached(fixture, answered + users * 9 / 10);
    let rate = (users * 8 / 10) as f64 / (to - from).as_secs_f64();
    let share = rate / possible * 100.0;
    let what = format!("{latency:?} away, {concurrency} at once: % of the possible");
    report.at_least(&what, share, SHARE_PERCENT);
    report.note(&format!("{rate:.1} users a second"));
    all_written(fixture, users);
    fixture.server.set_latency(Duration::ZERO);
    fixture.stack.db.set("cometchat.concurrency", None);
}

/// Waits until so many requests were answered; when that was.
pub fn reached(fixture: &Fixture, answered: usize) -> Instant {
    let mut last = (fixture.server.answered(), Instant::now());
    while fixture.server.answered() < answered {
        thread::sleep(Duration::from_millis(1));
        if fixture.server.answered() > last.0 {
            last = (fixture.server.answered(), Instant::now());
        }
        assert!(last.1.elapsed() < Duration::from_secs(60), "nothing is sent any more");
    }
    Instant::now()
}

/// Every user has a token, and nothing is left to do.
fn all_written(fixture: &Fixture, users: usize) {
    wait_until("all is written", || {
        let left = "SELECT count(*) FROM cometchat.sync_state
                    WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL";
        fixture.stack.value(left).as_deref() == Some("0")
    });
    let tokens = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    assert_eq!(fixture.stack.value(tokens), Some(users.to_string()));
}
