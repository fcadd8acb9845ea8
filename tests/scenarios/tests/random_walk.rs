//! Whatever people do and whatever CometChat answers: once nothing goes wrong any more, CometChat has
//! what `auth.users` says.
//!
//! `COMETCHAT_WALK_SEED` repeats a walk; `COMETCHAT_WALK=long` takes the long form, and
//! `COMETCHAT_WALKS` many of them, each with another seed.

use scenarios::walk::{shrink, Walk};

/// `make test` walks the same way every time; `make soak` others.
fn seed() -> u64 {
    let given = std::env::var("COMETCHAT_WALK_SEED").ok();
    given.map_or(1, |seed| seed.parse().expect("a seed is a number"))
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"))
}

#[test]
fn after_a_random_walk_cometchat_agrees() {
    let long = std::env::var("COMETCHAT_WALK").is_ok_and(|form| form == "long");
    let users = number("COMETCHAT_WALK_USERS", if long { 300 } else { 60 });
    let first = seed();
    for n in 0..number("COMETCHAT_WALKS", 1) as u64 {
        let seed = first.wrapping_add(n);
        let walk = Walk::of_seed(seed, users, 16);
        let report = walk.run();
        println!(
            "walk {seed}: {users} users, {} operations, {} requests, {} violations",
            report.operations,
            report.requests,
            report.violations.len()
        );
        let bound = report.operations as u64 * 12;
        assert!(report.requests < bound, "seed {seed}: {} requests", report.requests);
        let Some(violation) = report.violations.first() else { continue };
        for violation in &report.violations {
            let plan = violation.person.map(|person| &walk.plans[person]);
            println!("  {}\n    {plan:?}", violation.what);
        }
        let shrinks = std::env::var("COMETCHAT_WALK_SHRINK").as_deref() != Ok("off");
        let shortest = violation
            .person
            .filter(|_| shrinks)
            .and_then(|person| shrink(&walk.plans[person], seed));
        panic!(
            "seed {seed}: {}\nthe shortest story that goes wrong again: {shortest:#?}",
            violation.what
        );
    }
}
