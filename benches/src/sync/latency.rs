//! How soon after a sign-up's commit CometChat is asked.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::blocked_session::Times;
use uuid::Uuid;

use super::fixture::{wait_until, Fixture};
use crate::report::Report;
use crate::scale::Scale;

const AT_MOST: Duration = Duration::from_millis(1);

/// Of a hundred sign-ups in a busy hour, 99 stay below, in milliseconds.
const NINETY_NINE: f64 = 5.0;

/// Between two sign-ups of a busy hour.
const PACE: Duration = Duration::from_millis(10);

pub fn measure(fixture: &Fixture, scale: &Scale, report: &mut Report) {
    report.heading("From the commit of a sign-up to the request's arrival");
    fixture.clear();
    fixture.resume();
    let mut auth = fixture.auth_server();
    let times = one_by_one(fixture, &mut auth, scale.sign_ups);
    report.median_below(&format!("{} sign-ups, one by one", scale.sign_ups), &times, AT_MOST);
    let count = scale.sign_ups * 5;
    let times = at_a_pace(fixture, &mut auth, count);
    let what = format!("{count} sign-ups, 100 a second");
    report.median_below(&what, &times, AT_MOST);
    let milliseconds = times.percentile(99).as_secs_f64() * 1000.0;
    report.at_most(&format!("{what}: 99 % below, ms"), milliseconds, NINETY_NINE);
}

/// Commits a sign-up; who, and when the commit had returned.
fn sign_up(auth: &mut Client) -> (Uuid, Instant) {
    let user = Uuid::new_v4();
    let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, '{\"name\": \"Ada\"}')";
    auth.execute(sql, &[&user]).expect("the sign-up");
    (user, Instant::now())
}

pub fn one_by_one(fixture: &Fixture, auth: &mut Client, count: usize) -> Times {
    let mut admin = fixture.stack.db.admin();
    sign_up_and_settle(fixture, auth, &mut admin); // to warm up: threads, a connection, plans
    fixture.server.note_arrivals();
    Times::of(count, || {
        let (user, committed) = sign_up(auth);
        let uid = user.to_string();
        wait_until("the request arrives", || fixture.server.arrival(&uid).is_some());
        let arrived = fixture.server.arrival(&uid).expect("it was there");
        fixture.settle(&mut admin, user);
        arrived.saturating_duration_since(committed)
    })
}

fn sign_up_and_settle(fixture: &Fixture, auth: &mut Client, admin: &mut Client) {
    for _ in 0..20 {
        let (user, _) = sign_up(auth);
        fixture.settle(admin, user);
    }
}

fn at_a_pace(fixture: &Fixture, auth: &mut Client, count: usize) -> Times {
    let before = fixture.server.answered();
    fixture.server.note_arrivals();
    let started = Instant::now();
    let mut commits = Vec::with_capacity(count);
    for n in 0..count {
        let due = started + PACE * n as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        commits.push(sign_up(auth));
    }
    wait_until("all have arrived", || fixture.server.answered() >= before + count);
    let arrivals = fixture.server.take_arrivals();
    let mut times = Times::default();
    for (user, committed) in commits {
        times.push(arrivals[&user.to_string()].saturating_duration_since(committed));
    }
    times
}
