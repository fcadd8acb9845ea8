//! All scenarios in one binary: it links in seconds, and no binary's last test lets others wait.
//!
//! Each file is a chapter of the specification. `cargo test -p scenarios encodings::` runs one.

mod adopt;
mod attached_columns;
mod attached_events;
mod attached_health;
mod attached_refused;
mod attack_abuse;
mod attack_auth_users;
mod attack_auth_users_shapes;
mod attack_claims;
mod attack_hooks;
mod attack_install;
mod attack_key;
mod attack_look_alikes;
mod attack_owner;
mod attack_restricted;
mod attack_roles;
mod attack_rows;
mod attack_settings;
mod attack_swap;
mod attack_triggers;
mod bad_input;
mod bounds;
mod bulk;
mod bulk_memory;
mod database;
mod deactivated;
mod encodings;
mod encodings_back;
mod encodings_settings;
mod error_codes;
mod errors;
mod faults;
mod flows;
mod hanging;
mod isolation;
mod linter;
mod linter_sources;
mod linter_sql;
mod lost;
mod lost_answer_matrix;
mod lost_answers;
mod migrate;
mod names;
mod names_addresses;
mod names_fields;
mod overrides;
mod overrides_refused;
mod plain_postgres;
mod plan_quota;
mod planning;
mod poisoned_answers;
mod poisoned_rows;
mod pooled;
mod profile;
mod raised;
mod random_walk;
mod reconcile;
mod resolver;
mod revoke;
mod revoke_race;
mod revoke_rollback;
mod revoke_undone;
mod safeupdate;
mod scale;
mod secrets_everywhere;
mod secrets_of_config;
mod session_hygiene;
mod settings_of_others;
mod spellings;
mod sync_crash;
mod sync_dump;
mod sync_failures;
mod sync_foreground;
mod sync_hanging;
mod sync_in_flight;
mod sync_kills;
mod sync_library;
mod sync_life;
mod sync_limits;
mod sync_limits_clocks;
mod sync_limits_shared;
mod sync_meanwhile;
mod sync_no_process;
mod sync_out_of_reach;
mod sync_probe;
mod sync_read_only;
mod sync_return;
mod sync_settings;
mod sync_sign_up;
mod sync_smoke;
mod sync_start;
mod sync_swallowed;
mod sync_throttled;
mod sync_turns;
mod sync_unseen;
mod sync_which;
mod sync_worker;
mod tls;
mod together;
mod tokens_in_logs;
mod transactions;
mod unreadable;
mod unseen;
mod user_budget;
mod user_budget_urgent;

/// A file that is not named above would be compiled, and run, by nobody.
#[test]
fn every_file_here_is_a_chapter() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let files = std::fs::read_dir(here).expect("this folder").map(|entry| {
        entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let named = include_str!("main.rs");
    let missing: Vec<String> = files
        .filter(|name| name != "main" && !named.lines().any(|line| line == format!("mod {name};")))
        .collect();
    assert!(missing.is_empty(), "main.rs does not name {missing:?}");
}
