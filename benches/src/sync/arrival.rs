//! How soon after a sign-up's commit CometChat is asked.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::busy::Times;
use uuid::Uuid;

use super::ground::{wait_until, Ground};
use crate::report::Report;
use crate::size::Size;

const AT_MOST: Duration = Duration::from_millis(5);

/// Between two sign-ups of a busy hour.
const PACE: Duration = Duration::from_millis(10);

pub fn measure(ground: &Ground, size: &Size, report: &mut Report) {
    report.heading("From the commit of a sign-up to the request's arrival");
    ground.clear();
    ground.resume();
    let mut auth = ground.auth_server();
    let times = one_by_one(ground, &mut auth, size.sign_ups);
    report.median_below(&format!("{} sign-ups, one by one", size.sign_ups), &times, AT_MOST);
    let count = size.sign_ups * 5;
    let times = at_a_pace(ground, &mut auth, count);
    report.median_below(&format!("{count} sign-ups, 100 a second"), &times, AT_MOST);
}

/// Commits a sign-up; who, and when the commit had returned.
fn sign_up(auth: &mut Client) -> (Uuid, Instant) {
    let user = Uuid::new_v4();
    let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, '{\"name\": \"Ada\"}')";
    auth.execute(sql, &[&user]).expect("the sign-up");
    (user, Instant::now())
}

pub fn one_by_one(ground: &Ground, auth: &mut Client, count: usize) -> Times {
    let mut admin = ground.stack.db.admin();
    sign_up_and_settle(ground, auth, &mut admin); // to warm up: threads, a connection, plans
    ground.desk.note_arrivals();
    Times::of(count, || {
        let (user, committed) = sign_up(auth);
        let uid = user.to_string();
        wait_until("the request arrives", || ground.desk.arrival(&uid).is_some());
        let arrived = ground.desk.arrival(&uid).expect("it was there");
        ground.settle(&mut admin, user);
        arrived.saturating_duration_since(committed)
    })
}

fn sign_up_and_settle(ground: &Ground, auth: &mut Client, admin: &mut Client) {
    for _ in 0..20 {
        let (user, _) = sign_up(auth);
        ground.settle(admin, user);
    }
}

fn at_a_pace(ground: &Ground, auth: &mut Client, count: usize) -> Times {
    let before = ground.desk.answered();
    ground.desk.note_arrivals();
    let started = Instant::now();
    let mut commits = Vec::with_capacity(count);
    for n in 0..count {
        let due = started + PACE * n as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        commits.push(sign_up(auth));
    }
    wait_until("all have arrived", || ground.desk.answered() >= before + count);
    let arrivals = ground.desk.take_arrivals();
    let mut times = Times::default();
    for (user, committed) in commits {
        times.push(arrivals[&user.to_string()].saturating_duration_since(committed));
    }
    times
}
