//! Postgres's own compiler, on by default, makes no difference: the same with `jit` on and off.

use std::time::{Duration, Instant};

use scenarios::busy::Times;

use super::arrival;
use super::backlog;
use super::ground::Ground;
use crate::report::Report;
use crate::size::Size;

/// What it may take with `jit`, as a multiple of what it takes without.
const AT_MOST: f64 = 1.1;

/// How often each is measured, in turns: what disturbs the machine for a while disturbs both.
const ROUNDS: usize = 5;

pub fn measure(size: &Size, report: &mut Report) {
    report.heading("With jit on, beside the same with jit off");
    // One after the other works, the other one rests.
    let on = Ground::with(&["jit = on"]);
    let off = Ground::with(&["jit = off"]);
    on.pause();
    off.pause();
    let (mut arrivals, mut drains) = ([Times::default(), Times::default()], Vec::new());
    for _ in 0..ROUNDS {
        let mut pair = [Duration::ZERO; 2];
        for (which, ground) in [&on, &off].into_iter().enumerate() {
            ground.clear();
            ground.resume();
            let mut auth = ground.auth_server();
            let times = arrival::one_by_one(ground, &mut auth, size.sign_ups / ROUNDS);
            arrivals[which].extend(times);
            pair[which] = drain(ground, size.users / ROUNDS);
            ground.pause();
        }
        drains.push((pair[0], pair[1]));
    }
    let [with, without] = arrivals;
    report.median_ratio("from a commit to the request's arrival", &with, &without, AT_MOST);
    let mut pairs = crate::report::Pairs::default();
    drains.into_iter().for_each(|(with, without)| pairs.push(with, without));
    report.paired(&format!("a queue of {} users", size.users / ROUNDS), &pairs, AT_MOST);
}

/// How long a queue takes, from the worker's start to the last request.
fn drain(ground: &Ground, users: usize) -> Duration {
    ground.fill(users);
    let answered = ground.desk.answered();
    let started = Instant::now();
    ground.resume();
    backlog::reached(ground, answered + users) - started
}
