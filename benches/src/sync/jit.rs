//! Postgres's own compiler, on by default, makes no difference: the same with `jit` on and off.

use std::time::{Duration, Instant};

use scenarios::blocked_session::Times;

use super::backlog;
use super::fixture::Fixture;
use super::latency;
use crate::report::Report;
use crate::scale::Scale;

/// What it may take with `jit`, as a multiple of what it takes without.
const AT_MOST: f64 = 1.1;

/// How often each is measured, in turns: what disturbs the machine for a while disturbs both.
const ROUNDS: usize = 5;

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading("With jit on, beside the same with jit off");
    // One after the other works, the other one rests.
    let on = Fixture::with(&["jit = on"]);
    let off = Fixture::with(&["jit = off"]);
    on.pause();
    off.pause();
    let (mut arrivals, mut drains) = ([Times::default(), Times::default()], Vec::new());
    for _ in 0..ROUNDS {
        let mut pair = [Duration::ZERO; 2];
        for (which, fixture) in [&on, &off].into_iter().enumerate() {
            fixture.clear();
            fixture.resume();
            let mut auth = fixture.auth_server();
            let times = latency::one_by_one(fixture, &mut auth, scale.sign_ups / ROUNDS);
            arrivals[which].extend(times);
            pair[which] = drain(fixture, scale.users / ROUNDS);
            fixture.pause();
        }
        drains.push((pair[0], pair[1]));
    }
    let [with, without] = arrivals;
    report.median_ratio("from a commit to the request's arrival", &with, &without, AT_MOST);
    let mut pairs = crate::pairs::Pairs::default();
    drains.into_iter().for_each(|(with, without)| pairs.push(with, without));
    report.paired(&format!("a queue of {} users", scale.users / ROUNDS), &pairs, AT_MOST);
}

/// How long a queue takes, from the worker's start to the last request.
fn drain(fixture: &Fixture, users: usize) -> Duration {
    fixture.fill(users);
    let answered = fixture.server.answered();
    let started = Instant::now();
    fixture.resume();
    backlog::reached(fixture, answered + users) - started
}
