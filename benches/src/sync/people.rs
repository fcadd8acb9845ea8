//! People before backlog: how soon a sign-up is sent and a login answered while 100,000 wait under a limit.

use std::thread;
use std::time::{Duration, Instant};

use scenarios::blocked_session::Times;
use simulator::{Limits, RecordMode};
use uuid::Uuid;

use super::fixture::{wait_until, Fixture};
use crate::report::Report;
use crate::scale::Scale;

/// With a backlog, beside without: as a multiple.
const AT_MOST: f64 = 2.0;

/// People in a window; fewer than a limit of 500 leaves them.
const PEOPLE: usize = 10;

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading(&format!("People while {} users of a backfill wait", scale.users));
    let fixture = Fixture::new();
    fixture.pause();
    fixture.stack.db.set("cometchat.api_base_url", Some(&fixture.stack.chat.base_url()));
    fixture.stack.db.set("cometchat.rate_limit", Some("0"));
    fixture.stack.db.set("cometchat.bulk_import", None); // as it is in use
    for limit in [500, 10_000] {
        let alone = people(&fixture, limit, 0);
        let crowded = people(&fixture, limit, scale.users);
        let what = |what: &str| format!("limit {limit}: {what}");
        report.median_ratio(
            &what("a sign-up until it is sent"),
            &crowded.sign_ups,
            &alone.sign_ups,
            AT_MOST,
        );
        report.median_ratio(
            &what("a login without a token"),
            &crowded.logins,
            &alone.logins,
            AT_MOST,
        );
        report.at_most(&what("logins refused"), crowded.refused as f64, 0.0);
    }
}

#[derive(Default)]
struct Seen {
    sign_ups: Times,
    logins: Times,
    refused: usize,
}

/// People come along, one every 200 ms, while so many wait.
fn people(fixture: &Fixture, limit: u32, waiting: usize) -> Seen {
    let chat = &fixture.stack.chat;
    match waiting {
        0 => fixture.clear(),
        _ => fixture.fill(waiting),
    }
    chat.reset();
    chat.update(|settings| {
        settings.record = RecordMode::Full;
        settings.limits = Limits { core: Some(limit), ..Limits::default() };
    });
    fixture.resume();
    if waiting > 0 {
        wait_until("the backlog is being sent", || chat.counters().requests > 20);
    }
    let (mut auth, mut seen) = (fixture.auth_server(), Seen::default());
    for _ in 0..PEOPLE {
        thread::sleep(Duration::from_millis(200));
        let new = Uuid::new_v4();
        let sql = "INSERT INTO auth.users (id) VALUES ($1)";
        auth.execute(sql, &[&new]).expect(sql);
        let committed = Instant::now();
        let mut admin = fixture.stack.db.admin();
        fixture.settle(&mut admin, new);
        seen.sign_ups.push(committed.elapsed());

        // Somebody whom no trigger saw.
        let known = Uuid::new_v4();
        let sql = format!(
            "SET session_replication_role = replica;
             INSERT INTO auth.users (id) VALUES ('{known}')"
        );
        admin.batch_execute(&sql).expect("a user");
        let mut session = fixture.stack.session(known);
        let started = Instant::now();
        let answer = session.ensure(None, None, None);
        seen.logins.push(started.elapsed());
        seen.refused += usize::from(!answer.success());
    }
    fixture.pause();
    chat.reset();
    chat.update(|settings| settings.record = RecordMode::Counts);
    seen
}
