//! With ten windows' worth of users waiting, what CometChat allows is used and never overstepped.

use std::thread;
use std::time::{Duration, Instant};

use simulator::{Limits, RecordMode};

use super::fixture::Fixture;
use crate::report::Report;
use crate::scale::Scale;

const SHARE_PERCENT: f64 = 97.0;

/// Windows' worth of users that wait.
const WAITING: usize = 10;

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading("Announced limits, ten windows' worth of users waiting");
    // A server of its own: for a minute, another would remember the requests that were unlimited.
    let fixture = Fixture::new();
    fixture.pause();
    fixture.stack.db.set("cometchat.api_base_url", Some(&fixture.stack.chat.base_url()));
    fixture.stack.db.set("cometchat.rate_limit", Some("0"));
    let [few, many, minutes] = scale.windows;
    one(&fixture, 500, Duration::from_secs(10), few, report);
    one(&fixture, 10_000, Duration::from_secs(10), many, report);
    // As CometChat's are, whose ends are told in whole seconds: what that costs is a sixth of it.
    if minutes > 0 {
        one(&fixture, 500, Duration::from_secs(60), minutes, report);
    }
}

/// Lets the worker go on for so many windows, after one in which the limit is still unknown.
fn one(fixture: &Fixture, limit: u32, window: Duration, windows: usize, report: &mut Report) {
    let chat = &fixture.stack.chat;
    let users = WAITING * limit as usize;
    fixture.fill(users);
    chat.reset();
    chat.update(|settings| {
        settings.record = RecordMode::Full;
        settings.record_limit = 2 * users;
        settings.limits =
            Limits { core: Some(limit), window_ms: window.as_millis() as u64, ..Limits::default() };
    });
    fixture.resume();
    // A window begins with its first request, so it may take a little longer than it is.
    let give_up = Instant::now() + window * (windows as u32 + 1) * 2;
    let enough = |windows: usize| (windows + 1) * limit as usize * 97 / 100 + 1;
    let done = |requests: usize| requests >= users || requests >= enough(windows);
    while !done(chat.counters().requests as usize) && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(20));
    }
    fixture.pause();
    let refused = chat.counters().with_status(429);
    let mut arrivals: Vec<f64> = chat.take_requests().iter().map(|r| r.arrived_ms).collect();
    arrivals.sort_by(f64::total_cmp);
    let used = Windows::of(&arrivals, window);
    let what = format!("{limit} in {window:?}: % of each window used");
    report.at_least(&what, used.share_percent(limit), SHARE_PERCENT);
    let of_time = used.share_percent(limit) * window.as_secs_f64() / used.apart.as_secs_f64();
    report.at_least(&format!("{limit} in {window:?}: % of elapsed time"), of_time, SHARE_PERCENT);
    report.note(&format!(
        "requests in each: {:?}; one began every {:.2} s",
        used.requests,
        used.apart.as_secs_f64(),
    ));
    report.at_most(&format!("{limit} in {window:?}: refused with 429"), refused as f64, 0.0);
    chat.reset();
    chat.update(|settings| settings.record = RecordMode::Counts);
}

/// The windows of a limit, but for the first, in which it was not known yet, and the last, in
/// which the watching or the work ended.
struct Windows {
    requests: Vec<u32>,
    /// From the beginning of one to that of the next, on average.
    apart: Duration,
}

impl Windows {
    fn of(arrivals: &[f64], window: Duration) -> Windows {
        let length = window.as_secs_f64() * 1000.0;
        let mut windows: Vec<(f64, u32)> = Vec::new();
        for arrived in arrivals {
            match windows.last_mut() {
                Some((start, requests)) if *arrived < *start + length => *requests += 1,
                _ => windows.push((*arrived, 1)),
            }
        }
        assert!(windows.len() >= 3, "no whole window: {windows:?}");
        let whole = &windows[1..windows.len() - 1];
        let time = windows[windows.len() - 1].0 - windows[1].0;
        Windows {
            requests: whole.iter().map(|(_, requests)| *requests).collect(),
            apart: Duration::from_secs_f64(time / 1000.0 / whole.len() as f64),
        }
    }

    fn share_percent(&self, limit: u32) -> f64 {
        let used: u32 = self.requests.iter().sum();
        f64::from(used) / f64::from(limit) / self.requests.len() as f64 * 100.0
    }
}
