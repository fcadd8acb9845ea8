//! Several databases, of one server or of two, whose users are in one app: they share its limit.

use std::time::{Duration, Instant};

use scenarios::{in_three_tries, Cluster, Database, Stack};
use simulator::{Limits, Simulator};

/// What another database's worker has under way shows in no header, and a busy machine stops one of the two
/// now and then: a few are refused at a window's start. With 100 in a window a twentieth of all 400, at the
/// most; on a machine at rest none.
const A_FEW: u64 = 20;

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

/// A second database of the same app.
fn another(of: &Stack, db: Database) -> Stack {
    let stack = Stack::on(db, Simulator::start());
    stack.db.set("cometchat.api_base_url", Some(&of.chat.base_url()));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack
}

/// Two windows' worth in each: how often CometChat refused, and how far the slower one was when the
/// faster one had finished.
fn drain_both(one: &Stack, two: &Stack, limits: &Limits, most_refused: u64) -> Result<(), String> {
    one.chat.set_limits(limits.clone());
    for stack in [one, two] {
        stack.db.set("cometchat.rate_limit", Some("0"));
    }
    let limit = limits.core.expect("a limit") as usize;
    let users = 2 * limit;
    let started = Instant::now();
    sign_up(one, users);
    sign_up(two, users);
    let give_up = started + Duration::from_secs(120);
    let mut behind = None;
    loop {
        let done = [synced(one), synced(two)];
        if behind.is_none() && done.contains(&users) {
            behind = Some(done[0].min(done[1]));
        }
        if done == [users, users] {
            break;
        }
        assert!(Instant::now() < give_up, "nobody waits for ever: {done:?} of {users}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let windows = started.elapsed().as_secs_f64() * 1000.0 / limits.window_ms as f64;
    let refused = one.chat.counters().with_status(429);
    let behind = behind.expect("somebody finished first") as f64 / users as f64;
    println!(
        "{limit} in {} ms: {refused} times 429, {windows:.1} windows for 4, the slower had {:.0} %",
        limits.window_ms,
        100.0 * behind
    );
    if refused <= most_refused && behind >= 0.1 && windows < 12.0 {
        return Ok(());
    }
    Err(format!("{refused} times 429, {windows:.1} windows, {behind:.2}"))
}

fn limits() -> Limits {
    Limits { core: Some(100), window_ms: 3000, ..Limits::default() }
}

#[test]
fn two_databases_of_a_server_share_the_limit() {
    in_three_tries(|| {
        let one = Stack::syncing();
        let two = another(&one, Database::like_supabase(Cluster::shared()));
        drain_both(&one, &two, &limits(), A_FEW)
    });
}

#[test]
fn two_servers_share_the_limit() {
    in_three_tries(|| {
        let one = Stack::syncing();
        let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
        let two = another(&one, Database::like_supabase(cluster));
        drain_both(&one, &two, &limits(), A_FEW)
    });
}

#[test]
fn a_large_limit_is_shared_too() {
    in_three_tries(|| {
        let one = Stack::syncing();
        let two = another(&one, Database::like_supabase(Cluster::shared()));
        drain_both(&one, &two, &Limits { core: Some(500), window_ms: 4000, ..Limits::default() }, 0)
    });
}

#[test]
fn a_server_that_was_idle_probes_a_used_up_limit_first() {
    in_three_tries(|| {
        let one = Stack::syncing();
        let two = another(&one, Database::like_supabase(Cluster::shared()));
        for stack in [&one, &two] {
            stack.db.set("cometchat.rate_limit", Some("0"));
        }
        one.chat.set_limits(Limits { core: Some(200), window_ms: 60_000, ..Limits::default() });
        sign_up(&two, 1);
        // What is left is more than one goes ahead with, and less than the other believes.
        sign_up(&one, 170);
        let give_up = Instant::now() + Duration::from_secs(50);
        while synced(&one) < 170 && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(20));
        }
        sign_up(&two, 100);
        std::thread::sleep(Duration::from_secs(3));
        let there = one.app().user_count();
        match one.chat.counters().with_status(429) {
            0 if there > 171 => Ok(()),
            refused => Err((refused, there)),
        }
    });
}
