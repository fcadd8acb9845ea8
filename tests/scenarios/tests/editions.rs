//! The edition for supabase.com beside the extension: the same calls and faults, the same answers, requests and
//! stored state.
//!
//! `COMETCHAT_TWINS=5000` says how many users live; `COMETCHAT_TWINS_SEED` repeats a run.

use scenarios::twins::Twins;

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
        "seed {seed}: {} users, {} operations, {} faults, {} requests, {} differences",
        report.users,
        report.operations,
        report.faults,
        report.requests,
        report.differences.len()
    );
    let shown = report.differences.iter().take(5).cloned().collect::<Vec<_>>().join("\n----\n");
    assert!(report.differences.is_empty(), "{} differences\n{shown}", report.differences.len());
    assert!(report.faults > 0 && report.requests > report.users, "{report:?}");
}
