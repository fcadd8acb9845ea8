//! CometChat's limits are used up and never overstepped.

use std::time::{Duration, Instant};

use scenarios::{eventually, in_three_tries, Stack};
use simulator::{Fault, Filter, HeaderStyle, Limits};

/// How many users are in CometChat, as the database has it.
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

/// The share of what was allowed that was used in the median window, without the first (in which the
/// limit is not known yet) and the last (in which the work ran out).
fn share_used(stack: &Stack, limits: &Limits) -> f64 {
    let creates = Filter { operation: Some("create_user".into()), ..Filter::default() };
    let mut windows: Vec<(f64, u32)> = Vec::new();
    for request in stack.chat.requests_where(&creates) {
        match windows.last_mut() {
            Some((start, used)) if request.arrived_ms < *start + limits.window_ms as f64 => {
                *used += 1;
            }
            _ => windows.push((request.arrived_ms, 1)),
        }
    }
    let whole = &windows[1..windows.len() - 1];
    let used: u32 = whole.iter().map(|(_, used)| used).sum();
    let limit = limits.core.expect("a limit");
    let wall = (windows[windows.len() - 1].0 - windows[1].0) / limits.window_ms as f64;
    println!(
        "limit {limit} in {} ms, {:?}: {} windows, {:.1} % of each used, {:.1} % of the time's",
        limits.window_ms,
        limits.headers,
        whole.len(),
        100.0 * f64::from(used) / f64::from(limit) / whole.len() as f64,
        100.0 * f64::from(used) / f64::from(limit) / wall,
    );
    let mut used: Vec<u32> = whole.iter().map(|(_, used)| *used).collect();
    used.sort_unstable();
    f64::from(used[used.len() / 2]) / f64::from(limit)
}

/// A busy machine may not get as much done as it is allowed to.
#[track_caller]
fn uses_the_allowance(core: u32, window_ms: u64, headers: HeaderStyle) {
    in_three_tries(|| match share_of_the_allowance(core, window_ms, headers) {
        share if share >= 0.8 => Ok(()),
        share => Err(share),
    });
}

/// Ten windows' worth of users are waiting.
#[track_caller]
fn share_of_the_allowance(core: u32, window_ms: u64, headers: HeaderStyle) -> f64 {
    let stack = Stack::syncing();
    let limits = Limits { core: Some(core), window_ms, headers, ..Limits::default() };
    stack.chat.set_limits(limits.clone());
    stack.db.set("cometchat.rate_limit", Some("0"));
    let users = 10 * core as usize;

    sign_up(&stack, users);

    let give_up = Instant::now() + Duration::from_secs(90);
    while synced(&stack) < users && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(synced(&stack), users);
    assert_eq!(stack.chat.counters().with_status(429), 0);
    assert_eq!(stack.app().user_count(), users);
    share_used(&stack, &limits)
}

#[test]
fn an_announced_limit_of_50_is_used_up_and_never_overstepped() {
    uses_the_allowance(50, 1000, HeaderStyle::Joined);
}

#[test]
fn an_announced_limit_of_200_in_the_other_spelling_likewise() {
    uses_the_allowance(200, 1500, HeaderStyle::Dashed);
}

#[test]
fn an_announced_limit_of_450_in_both_spellings_likewise() {
    uses_the_allowance(450, 2000, HeaderStyle::Both);
}

#[test]
fn a_call_is_answered_while_the_queue_uses_the_whole_limit() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.rate_limit", Some("0"));
    stack.chat.set_limits(Limits { core: Some(100), window_ms: 60_000, ..Limits::default() });
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    sign_up(&stack, 200);
    eventually("the queue has used its part up", || synced(&stack) >= 97);

    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.chat.counters().with_status(429), 0);
}

#[test]
fn a_hard_cap_holds_and_the_views_agree() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.rate_limit", Some("30"));
    sign_up(&stack, 50);
    eventually("the cap is used up", || synced(&stack) == 30);
    let ada = stack.sign_up("Ada Lovelace");

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!((answer.code(), answer.queued()), ("RATE_LIMITED", true));
    assert_eq!(stack.chat.counters().requests, 30);
    let progress = "SELECT concat_ws(' ', users_total, synced, pending, in_flight, failed,
                    paused_reason, rate_per_minute, eta > interval '0') FROM cometchat.progress";
    eventually("what waits is not held in flight", || {
        stack.value(progress).as_deref() == Some("51 30 21 0 0 30 t")
    });
    let stats = "SELECT concat_ws(' ', requests, failures, rate_limited, synced, failed,
                 average_ms > 0, slowest_ms >= average_ms) FROM cometchat.stats";
    assert_eq!(stack.value(stats).as_deref(), Some("30 0 0 30 0 t t"));
    let unwell = "SELECT string_agg(check_name || ': ' || detail, ', ') FROM cometchat.health()
                  WHERE NOT ok";
    assert_eq!(stack.value(unwell), None);
}

#[test]
fn a_hard_cap_counts_all_kinds_of_requests_together() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.rate_limit", Some("10"));
    sign_up(&stack, 6);
    eventually("all are synced", || synced(&stack) == 6);

    rename_all(&stack);

    let requests = || stack.chat.counters().requests;
    eventually("the cap is used up", || requests() == 10);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(requests(), 10);
}

fn rename_all(stack: &Stack) {
    let sql = "UPDATE auth.users SET raw_user_meta_data = '{\"full_name\": \"Ada\"}' WHERE true";
    stack.db.connect("supabase_auth_admin").batch_execute(sql).expect(sql);
}

#[test]
fn the_worker_sleeps_while_another_classs_limit_blocks() {
    let stack = Stack::syncing();
    sign_up(&stack, 30);
    eventually("all are synced", || synced(&stack) == 30);
    stack.db.set("cometchat.rate_limit", Some("0"));
    stack.chat.set_limits(Limits { standard: Some(6), core: Some(5000), ..Limits::default() });
    let ada = stack.sign_up("Ada Lovelace");
    eventually("the worker has the setting", || stack.stored(ada).token.is_some());
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");
    let updates = Filter { operation: Some("update_user".into()), ..Filter::default() };
    eventually("the limit is known", || stack.chat.requests_where(&updates).len() == 1);
    eventually("she is renamed", || stack.chat_user(ada)["name"] == "The Countess");

    rename_all(&stack);
    eventually("the limit is used up", || stack.chat.requests_where(&updates).len() == 4);
    let versions = || {
        let sql = "SELECT n_tup_upd FROM pg_stat_user_tables
                   WHERE relid = 'cometchat.sync_state'::regclass";
        stack.value(sql).and_then(|n| n.parse::<i64>().ok()).expect("a number")
    };
    let before = versions();
    std::thread::sleep(Duration::from_secs(3));
    let written = versions() - before;
    assert!(written < 200, "{written} row versions in three seconds");

    // What the other class allows is not held up for long.
    let bob = stack.sign_up("Bob Marley");
    eventually("a new user arrives", || stack.stored(bob).token.is_some());
    let used = "SELECT max(attempts) FROM cometchat.sync_state";
    assert_eq!(stack.value(used).as_deref(), Some("0"));
    assert_eq!(stack.chat.counters().with_status(429), 0);
}

#[test]
fn err_too_many_requests_is_understood_with_any_status() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::status(400, "ERR_TOO_MANY_REQUESTS"));
    let started = Instant::now();
    sign_up(&stack, 1);
    let requests = || stack.chat.counters().requests;
    eventually("it was said", || requests() > 0);

    std::thread::sleep(Duration::from_secs(2));

    let asked = requests();
    let allowed = 3 + started.elapsed().as_secs();
    assert!(asked <= allowed, "{asked} requests, {allowed} allowed");
    stack.chat.clear_faults();
    eventually("it goes on", || synced(&stack) == 1);
}

#[test]
fn health_names_each_failure_and_its_fix() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").times(1));
    sign_up(&stack, 1);
    let failed = "SELECT failed FROM cometchat.progress";
    eventually("the user is failed", || stack.value(failed).as_deref() == Some("1"));
    stack.execute("SELECT cometchat.disable_auth_trigger(), cometchat.pause()");
    stack.execute("SELECT nextval('cometchat.trigger_failures')");
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    eventually("the worker has left", || stack.worker().is_none());

    let unwell = "SELECT string_agg(check_name, ', ') FROM cometchat.health()
                  WHERE NOT ok AND hint <> ''";
    let expected = "API key, worker, sending, auth trigger, trigger errors, \
                    failed users";
    assert_eq!(stack.value(unwell).as_deref(), Some(expected));
}
