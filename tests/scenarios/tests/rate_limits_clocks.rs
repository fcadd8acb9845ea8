//! CometChat's limit where clocks disagree, and where several share it.

use std::time::{Duration, Instant};

use scenarios::{in_three_tries, Stack};
use simulator::{HeaderStyle, Limits};

fn synced(stack: &Stack) -> usize {
    let sql = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    stack.value(sql).and_then(|n| n.parse().ok()).expect("a number")
}

fn sign_up(stack: &Stack, count: usize) {
    let sql = format!(
        "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, {count})"
    );
    stack.db.connect("supabase_auth_admin").batch_execute(&sql).expect(&sql);
}

/// Six windows' worth of users: how many answers were 429, and how long it took in windows.
fn drain(limits: &Limits) -> (u64, f64) {
    let stack = Stack::syncing();
    stack.chat.set_limits(limits.clone());
    stack.db.set("cometchat.rate_limit", Some("0"));
    let limit = limits.core.expect("a limit") as usize;
    let started = Instant::now();
    sign_up(&stack, 6 * limit);
    let give_up = started + Duration::from_secs(120);
    while synced(&stack) < 6 * limit && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(50));
    }
    let windows = started.elapsed().as_secs_f64() * 1000.0 / limits.window_ms as f64;
    let refused = stack.chat.counters().with_status(429);
    println!("{limits:?}: {refused} times 429, {windows:.1} windows");
    assert_eq!(synced(&stack), 6 * limit, "nobody waits for ever");
    (refused, windows)
}

/// A busy machine may need longer, but is never refused.
#[track_caller]
fn keeps_to(limits: Limits) {
    in_three_tries(|| match drain(&limits) {
        (0, windows) if windows < 14.0 => Ok(()),
        otherwise => Err(otherwise),
    });
}

fn limits() -> Limits {
    Limits { core: Some(60), window_ms: 3000, headers: HeaderStyle::Both, ..Limits::default() }
}

#[test]
fn cometchats_clock_may_be_two_hours_ahead() {
    keeps_to(Limits { clock_ms: 7_200_000, ..limits() });
}

#[test]
fn cometchats_clock_may_be_two_hours_behind() {
    keeps_to(Limits { clock_ms: -7_200_000, ..limits() });
}

#[test]
fn cometchats_clock_may_be_ten_seconds_behind() {
    keeps_to(Limits { clock_ms: -10_000, ..limits() });
}

#[test]
fn the_end_may_be_announced_in_milliseconds() {
    keeps_to(Limits { reset_in_ms: true, clock_ms: 1, ..limits() });
}
