//! All scenarios in one binary: it links in seconds, and no binary's last test lets others wait.
//!
//! Each file is a chapter of the specification. `cargo test -p scenarios flows::` runs one.

// ---- Calls: what a session gets
/// A user that CometChat has and this database does not: read, differences sent, token fetched.
mod adopt;
/// Bad settings, files, claims and arguments: a clear answer, no request, nothing stored.
mod bad_input;
/// Extensions that hook into every statement: pgaudit, pg_qualstats and others.
mod beside_extensions;
/// Time and memory of thousands of calls in one statement.
mod bulk_memory;
/// One statement over all users: few locks, and other sessions go on.
mod bulk_statement;
/// Several sessions for one user: one works, three wait, more are refused.
mod concurrent_logins;
/// READ_ONLY and DATABASE: what cannot be written, and what is served all the same.
mod database_errors;
/// Deactivated there, banned or deleted here: which logins reactivate.
mod deactivated_users;
/// errorCodes whose condition takes more than one statement; the others are in the goldens.
mod errors;
/// Registration, login, create or update, refresh: the four flows that carry the product.
mod flows;
/// Databases in repeatable read or serializable.
mod isolation;
/// packaging/monitoring with the real Prometheus and postgres_exporter.
mod monitoring;
/// Display names: made acceptable, never refused, and which source wins.
mod names;
/// Where in the metadata a name is found.
mod names_metadata;
/// An e-mail address or phone number never becomes a public name.
mod names_private_data;
/// cometchat.enqueue(): overrides win until they are taken back.
mod overrides;
/// cometchat.enqueue() refuses what could not be sent, and says why.
mod overrides_refused;
/// The plan's quota of users is used up: only new users wait.
mod plan_quota;
/// A profile that changes: what is sent, what is merged, what happens when it cannot be sent.
mod profile;
/// Raised instead of answered: cancel, shutdown, a missing privilege, malformed input.
mod raised_errors;
/// A user that CometChat lost, and a change of app: what was stored does not count.
mod remote_user_lost;
/// Logging a user out everywhere, here at once.
mod revoke;
/// A revocation is owed to whom others have deactivated.
mod revoke_deactivated;
/// No token that a running revocation kills is handed out.
mod revoke_race;
/// A revocation that is rolled back brings no dead token back.
mod revoke_rollback;
/// What a rolled back revocation leaves for other users, commits, prepared transactions, restarts.
mod revoke_undone;
/// The caller's transaction: what a rollback leaves, what isolation levels see.
mod transactions;
/// What one user causes stays within user_rate_limit, and the last state arrives.
mod user_rate_limit;
/// What does not wait for that limit: bans, deletions, the first revocation, other users.
mod user_rate_limit_exempt;

// ---- The network: what comes back, and what hangs
/// Every way in which an endpoint can fail leaves nothing half stored.
mod faults;
/// A hanging call gives way to cancel, terminate, deadline, shutdown and DROP DATABASE.
mod hanging_call;
/// Every operation, every lost answer, every next event: CometChat agrees in the end.
mod lost_answer_matrix;
/// An answer that is lost: CometChat is asked what it has.
mod lost_answers;
/// Transaction pooling: a session keeps nothing of its last client.
mod pgbouncer;
/// Name lookups cannot hang a backend.
mod resolver;
/// Whatever comes back, a call ends with an answer, in time and in bounded memory.
mod response_limits;
/// What calls leave behind in a session, and the library in a server: nothing.
mod session_hygiene;
/// Verified servers, no redirects, no proxy but the configured one.
mod tls;

// ---- auth.users: the trigger and what it sees
/// The owner of auth.users changes its columns freely, and changes in all of them are seen.
mod auth_trigger_columns;
/// Every way in which rows of auth.users come, change and go is seen.
mod auth_trigger_events;
/// health() names each trigger that does not fire.
mod auth_trigger_health;
/// auth.users cannot be read: no tokens, deletions still count, health() names the fix.
mod auth_users_unreadable;
/// health() on grants, row security and triggers: named, and mended by the hint.
mod health_access;
/// health() on settings, key file, CometChat's answers, and what happened lately.
mod health_api;
/// health() on who ends the worker, on pg_cron's job, and on failures that were counted.
mod health_jobs;
/// health() behind a lock, without a right, with a Vault that fails: rows, no error.
mod health_never_hangs;
/// docs/operating.md says what health() says.
mod health_runbook;
/// health() on processes, versions, standby, read-only, replication.
mod health_server;
/// cometchat.reconcile() finds what happened while no trigger fired.
mod missed_changes;
/// Without auth.users, and with one that has only an id.
mod plain_postgres;
/// A refused deletion wipes nothing, a performed one wipes what was the user's own.
mod refused_deletion;
/// A sign-up commits, whatever is wrong with CometChat, the extension or the server.
mod sign_up_never_fails;
/// What the trigger could not queue is found later.
mod trigger_failures;

// ---- Automatic sync: the worker's decisions
/// People before backlog: a backfill delays nobody.
mod backlog;
/// The backlog is created fifty users at a time.
mod bulk_import;
/// The import fails, is refused, or is not to be had.
mod bulk_import_faults;
/// The server's clock is set back or forth.
mod clock_steps;
/// Bans, edits and revocations while a session waits for CometChat's answer.
mod concurrent_ban;
/// What others do to a user's rows while a request about that user is in flight.
mod edit_during_request;
/// sync_state.error_code: CometChat's code, or one of ours.
mod error_codes;
/// cometchat.explain_user(): why somebody can or cannot chat.
mod explain_user;
/// An attempt that ends half-way forgets neither what it brought about nor what it owes.
mod half_done_attempts;
/// The whole life of a user, as CometChat hears of it.
mod lifecycle;
/// A 429 for a day: health() shows it, an operator ends it.
mod long_throttling;
/// Calls and the worker at the same user: neither undoes what the other one learned.
mod overlapping_attempts;
/// Answers that concern one user delay no other user.
mod poisoned_answers;
/// A row that cannot be read fails its user only.
mod poisoned_rows;
/// Random events and faults, from a seed: CometChat agrees in the end.
mod random_walk;
/// CometChat's limits are used up and never overstepped.
mod rate_limits;
/// The same where clocks disagree.
mod rate_limits_clocks;
/// Several databases or servers in one app share its limit.
mod rate_limits_shared;
/// Banned or deleted and back again: who is reactivated, with a token that works.
mod reactivation;
/// cometchat.reconcile() compares CometChat's list with ours and repairs.
mod reconcile;
/// ... of many users: in little memory, whatever comes between.
mod reconcile_many;
/// Which failures are retried, which fail a user, which open the circuit breaker.
mod retry_and_failure;
/// A sign-up reaches CometChat: the shortest test of the sync.
mod smoke;
/// cometchat.progress and cometchat.stats tell the truth.
mod statistics;
/// Which users are synced automatically, and what sends nothing.
mod sync_eligibility;

// ---- The worker as a process
/// A copy of a database sends nothing until it is resumed.
mod copies;
/// Every way to dump, copy and restore: what comes back, and who is sent.
mod dump_matrix;
/// Dump and restore: mappings, tokens and pending work come back.
mod dump_restore;
/// The primary is lost mid-drain: its standby is promoted and goes on; the old one comes back.
mod failover;
/// Schemas that are dropped, tables that come late, rows that come by replication.
mod moves;
/// The poll once a minute finds work that nothing announced.
mod periodic_poll;
/// pg_upgrade, with data, trigger and preload.
mod pg_upgrade;
/// cometchat.process_queue(), stopped half-way.
mod process_queue;
/// From each released version to the present one: the same objects as in a fresh install.
mod upgrade;
/// The same in a living database, with library and SQL replaced one after the other.
mod upgrade_alive;
/// Crashes, restarts, promotion of a standby: every queued user arrives.
mod worker_crash;
/// A hanging request delays no other operation on the server.
mod worker_hanging_request;
/// kill -9 at random moments: no committed user is lost, little is repeated (make soak).
mod worker_kills;
/// The library disappears during use: sign-ups commit and arrive later.
mod worker_library_lost;
/// One worker for each database; it comes and goes with the extension.
mod worker_lifecycle;
/// The worker finds what no trigger saw: after a start, daily, and a few rows each minute.
mod worker_missed_changes;
/// Databases without a worker say why, and get one once they can.
mod worker_no_process;
/// A read-only database: the worker waits, logs once, resumes.
mod worker_read_only;
/// The worker and its settings: problems are logged once, changes at its start count.
mod worker_settings;
/// Workers that start slowly are still one for each database.
mod worker_start;
/// More databases than background processes: they take turns.
mod worker_turns;
/// Dead name servers, TLS handshakes and answers that never end.
mod worker_unreachable_api;

// ---- The edition for supabase.com
/// Beside the extension: the same calls and faults, the same answers, requests and stored state.
mod editions;
/// Who may do what, and that the key goes to CometChat and nowhere else.
mod hosted_access;
/// Installed, installed again, missing what it stands on, moved to the extension and back.
mod hosted_install;
/// No token and no key in the log, whatever an operator turns up.
mod hosted_logs;
/// The edition for supabase.com with many users.
mod hosted_many;
/// What others change around it: roles, extensions, the Vault, settings.
mod hosted_neighbours;
/// The queue without a worker: people first, probes, kills, one session or several.
mod hosted_queue;
/// Locks and deadlines: of the queue, of an update, of the removal.
mod hosted_waits;

// ---- Security: attacks
/// By the owner of auth.users on every reader of that table.
mod attack_auth_users;
/// The same by policies, types, casts, rules, children, partitions.
mod attack_auth_users_shapes;
/// On identity: who the caller is, and for which user it may ask.
mod attack_claims;
/// Triggers, settings and event triggers on our tables and functions.
mod attack_hooks;
/// On the superuser who creates the extension.
mod attack_install;
/// On the key's way: files, hosts, what CometChat says.
mod attack_key;
/// Through a superuser's ANALYZE, REINDEX and REFRESH.
mod attack_maintenance;
/// An auth.users with an unexpected owner.
mod attack_owner;
/// On trust: becoming a role that may ask for all users.
mod attack_roles;
/// On stored tokens: reading and changing other users' rows.
mod attack_rows;
/// On settings: sending the key elsewhere, and reading it.
mod attack_settings;
/// By objects that look like ours, Postgres's or Supabase's.
mod attack_shadowing;
/// On what all users share: CometChat's limit and the pool's connections.
mod attack_shared_limits;
/// By putting another object in a table's place.
mod attack_swap;
/// With trigger functions, and with what fires on our writes.
mod attack_triggers;
/// Where the configuration comes from, and which roles may see or change it.
mod config_secrets;
/// The key as Kubernetes and Docker Compose mount it: which modes are taken, and what the hint says.
mod container_secrets;
/// What docs/ shows is what psql prints.
mod docs;
/// The extension's owner is trusted, and nobody who was it.
mod extension_owner;
/// A linter for the objects that the extension creates.
mod linter;
/// A linter for the documents: the files, types and columns that they name exist.
mod linter_docs;
/// A linter for its scripts and for the SQL that Rust runs.
mod linter_sources;
/// A linter for statements that stand in two places and have to agree.
mod linter_sql;
/// The tests' sessions preload pg-safeupdate, as Supabase's do.
mod safeupdate;
/// Every spelling in which a secret could be written.
mod secret_spellings;
/// The key is nowhere, tokens are with their owners, in all that the server writes.
mod secrets_everywhere;
/// With all logging turned up, no token and no key is in the log.
mod tokens_in_logs;

// ---- Databases of all kinds
/// Settings that are given to a whole database.
mod database_settings;
/// Databases that are not UTF-8: what CometChat gets.
mod encodings;
/// The same: what CometChat says, and what operators ask.
mod encodings_back;
/// The same: settings, secrets of Vault, the database's name.
mod encodings_settings;
/// docs/migrate.sql over the tables of server routes.
mod migrate;
/// No statement of ours is JIT-compiled or reads a whole table.
mod planning;
/// With 100,000 users every statement finds its rows by an index.
mod scale;

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
