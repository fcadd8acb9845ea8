//! The edition for supabase.com beside the extension: the same calls and faults, the same answers, requests and
//! stored state.
//!
//! `COMETCHAT_TWINS=5000` says how many users live; `COMETCHAT_TWINS_SEED` repeats a run.

use std::thread;
use std::time::Instant;

use scenarios::twins::Twins;
use scenarios::Stack;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"))
}

#[test]
fn both_editions_answer_ask_and_store_the_same() {
    if !scenarios::edition::is_available() {
        return;
    }
    let (users, seed) = (number("COMETCHAT_TWINS", 100), number("COMETCHAT_TWINS_SEED", 1));
    let report = Twins::new(seed).live(users as usize, users > 100);
    println!(
        "seed {seed}: {} users, {} operations, {} faults, {} requests, {} refusals cut off, {} differences",
        report.users,
        report.operations,
        report.faults,
        report.requests,
        report.refusals_cut_off,
        report.differences.len()
    );
    let shown = report.differences.iter().take(5).cloned().collect::<Vec<_>>().join("\n----\n");
    assert!(report.differences.is_empty(), "{} differences\n{shown}", report.differences.len());
    assert!(report.faults > 0 && report.requests > report.users, "{report:?}");
}

/// `make twins` prints it: what a call and the queue cost in both editions.
#[test]
#[ignore = "a measurement, and not a test"]
fn costs_beside_each_other() {
    let (native, hosted) = (Stack::native(), Stack::hosted());
    println!("| | extension | hosted |\n|---|---|---|");
    let row = |what: &str, cost: &dyn Fn(&Stack) -> String| {
        println!("| {what} | {} | {} |", cost(&native), cost(&hosted));
    };
    row("a stored answer, in a session that has called before", &|stack| {
        let user = stack.sign_up("Ada Lovelace");
        let mut session = stack.session(user);
        session.ensure(None, None, None).token();
        median(200, || {
            session.ensure(None, None, None).token();
        })
    });
    row("the first stored answer of a session", &|stack| {
        let user = stack.sign_up("Ada Lovelace Junior");
        stack.session(user).ensure(None, None, None).token();
        median(15, || {
            stack.session(user).ensure(None, None, None).token();
        })
    });
    row("a call with one request, CometChat's time aside", &|stack| {
        let user = stack.sign_up("Grace Hopper");
        let mut session = stack.session(user);
        session.ensure(None, None, None).token();
        median(50, || {
            session.refresh(None).token();
        })
    });
    for sessions in [1, 4] {
        row(
            &format!("40 new users at 150 ms a request, {sessions} sessions of process_queue()"),
            &|stack| {
                stack.execute("SELECT cometchat.enable_auth_trigger()");
                stack.unpause_all_but_the_worker();
                stack.chat.update(|settings| settings.latency_ms = 150);
                let users = stack.sign_ups(40);
                let started = Instant::now();
                thread::scope(|scope| {
                    for _ in 0..sessions {
                        scope.spawn(|| {
                            let mut session = stack.db.connect("postgres");
                            session
                                .batch_execute("CALL cometchat.process_queue()")
                                .expect("process_queue");
                        });
                    }
                });
                stack.all_arrive(&users);
                let took = started.elapsed();
                stack.chat.update(|settings| settings.latency_ms = 0);
                format!("{:.1} s", took.as_secs_f64())
            },
        );
    }
}

fn median(times: usize, mut run: impl FnMut()) -> String {
    let mut took: Vec<f64> = (0..times)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    format!("{:.2} ms", took[times / 2])
}
