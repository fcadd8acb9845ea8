//! `kill -9` of the worker, the launcher, a session or the postmaster, again and again and at
//! random moments: nobody who is committed is lost, nobody who is not appears, little is repeated.
//!
//! 20 kills in `make test`, 500 in `make soak`, which (`COMETCHAT_SOAK=1`) also restarts the server, reloads its
//! settings, changes the columns of auth.users and rewrites our tables. `COMETCHAT_SEED` repeats the choices.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use scenarios::load::{email_of, Ledger, Load, LOAD};
use scenarios::{eventually, within, Cluster, Database, Stack};
use serde_json::Value;
use simulator::{Fault, Simulator};
use uuid::Uuid;

const USERS: usize = 10_000;
const SESSIONS: usize = 4;
/// Half of the users are there before the extension looks; `backfill` queues them.
const THERE_BEFORE: usize = USERS / 2;
const CONCURRENCY: usize = 16;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Victim {
    Worker,
    Launcher,
    Session,
    Postmaster,
    // Not killed, but disturbed, in the soak.
    Restart,
    Reload,
    Columns,
    Vacuum,
}

impl Victim {
    const ALL: [Victim; 8] = [
        Victim::Worker,
        Victim::Launcher,
        Victim::Session,
        Victim::Postmaster,
        Victim::Restart,
        Victim::Reload,
        Victim::Columns,
        Victim::Vacuum,
    ];

    /// Those of this run.
    fn of_this_run() -> &'static [Victim] {
        match from_environment("COMETCHAT_SOAK", 0) {
            0 => &Victim::ALL[..4],
            _ => &Victim::ALL,
        }
    }

    /// Kills one; `false` when there was none.
    fn kill(self, stack: &Stack) -> bool {
        let (cluster, database) = (stack.db.cluster(), stack.db.name());
        let condition = match self {
            Victim::Worker => "backend_type = 'cometchat worker' AND datname = current_database()",
            Victim::Launcher => "backend_type = 'cometchat launcher'",
            Victim::Session => &format!("application_name = '{LOAD}'"),
            Victim::Postmaster => {
                cluster.kill_postmaster();
                return true;
            }
            Victim::Restart => {
                cluster.pg_ctl(&["-m", "fast", "restart"]);
                return true;
            }
            Victim::Reload => {
                let concurrency = cluster.ask(database, "SELECT 8 + pg_backend_pid() % 9");
                let Some(concurrency) = concurrency else { return false };
                let sql = format!("ALTER SYSTEM SET cometchat.concurrency = {concurrency}");
                return does(stack, "supabase_admin", &[&sql, "SELECT pg_reload_conf()"]);
            }
            // The Auth server's migrations.
            Victim::Columns => {
                let change =
                    "ALTER TABLE auth.users ADD COLUMN IF NOT EXISTS soak text DEFAULT 'x'";
                let back = "ALTER TABLE auth.users DROP COLUMN IF EXISTS soak";
                return does(stack, "supabase_auth_admin", &[change, back]);
            }
            Victim::Vacuum => {
                let full = "VACUUM FULL cometchat.sync_state";
                return does(
                    stack,
                    "supabase_admin",
                    &[full, "VACUUM FULL public.cometchat_users"],
                );
            }
        };
        let sql = format!("SELECT min(pid) FROM pg_stat_activity WHERE {condition}");
        let pid = cluster.ask(database, &sql).and_then(|pid| pid.parse().ok());
        pid.is_some_and(|pid| cluster.kill_process(pid))
    }
}

/// Runs statements one by one; `false` when there was no server to run them.
fn does(stack: &Stack, role: &str, statements: &[&str]) -> bool {
    let mut client = stack.db.connect(role);
    statements.iter().all(|sql| match client.batch_execute(sql) {
        Ok(()) => true,
        Err(error) if error.is_closed() => false,
        Err(error) => panic!("{sql}: {error}"),
    })
}

/// Requests for something that CometChat had been asked for before.
#[derive(Default)]
struct Repeats {
    created: HashSet<String>,
    updates: HashMap<String, Value>,
    count: usize,
}

impl Repeats {
    fn look_at(&mut self, stack: &Stack) {
        for request in stack.chat.take_requests() {
            let Some(uid) = request.uid else { continue };
            let repeated = match request.operation.as_str() {
                "create_user" => !self.created.insert(uid),
                // Every edit brings another name.
                "update_user" => {
                    self.updates.insert(uid, request.body.clone()) == Some(request.body)
                }
                _ => false,
            };
            self.count += usize::from(repeated);
        }
    }
}

/// How many workers the database has just now.
fn workers(stack: &Stack) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE backend_type = 'cometchat worker' AND datname = current_database()";
    let count = stack.db.cluster().ask(stack.db.name(), sql);
    count.and_then(|n| n.parse().ok()).expect("a server")
}

/// A backlog, half of it older than the extension.
fn prepared() -> (Stack, HashMap<Uuid, String>) {
    let chat = Simulator::builder().latency_ms(5).start().expect("a simulator");
    // CometChat has done it, and its answer is on its way.
    chat.set_fault(Fault::delay(20).perform());
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), chat);
    stack.db.set("cometchat.concurrency", Some(&CONCURRENCY.to_string()));
    let before = (0..THERE_BEFORE).map(|n| (Uuid::new_v4(), format!("Old {n}")));
    let before: HashMap<Uuid, String> = before.collect();
    let (ids, names): (Vec<Uuid>, Vec<&String>) = before.iter().unzip();
    let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data)
               SELECT id, replace(lower(name), ' ', '.') || '@example.com',
                      jsonb_build_object('full_name', name)
               FROM unnest($1::uuid[], $2::text[]) AS u(id, name)";
    stack.db.admin().execute(sql, &[&ids, &names]).expect(sql);
    stack.execute(
        "SELECT cometchat.enable_auth_trigger(), cometchat.resume(), cometchat.backfill()",
    );
    (stack, before)
}

#[test]
fn after_random_kills_every_committed_user_arrives_in_its_last_state() {
    let kills = from_environment("COMETCHAT_KILLS", 20) as usize;
    let seed = from_environment("COMETCHAT_SEED", 20);
    println!("COMETCHAT_SEED={seed} COMETCHAT_KILLS={kills}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (stack, before) = prepared();
    let load = Load::start(&stack, SESSIONS, (USERS - THERE_BEFORE) / SESSIONS, seed);
    let mut repeats = Repeats::default();
    let mut killed: HashMap<Victim, usize> = HashMap::new();

    let started = Instant::now();
    for n in 1..=kills {
        let asked = stack.chat.counters().requests;
        let moment = asked + random.u64(..400);
        eventually("the moment to kill has come", || stack.chat.counters().requests >= moment);
        // One that is starting may find that there is one, and leaves again.
        eventually("there is one worker at most", || workers(&stack) <= 1);
        let victims = Victim::of_this_run();
        let victim = victims[random.usize(..victims.len())];
        eventually("there is somebody to kill", || victim.kill(&stack));
        *killed.entry(victim).or_default() += 1;
        repeats.look_at(&stack);
        if n % 50 == 0 {
            println!(
                "{n} kills in {:.0?}, {} users so far",
                started.elapsed(),
                stack.app().user_count()
            );
        }
    }
    let by_then = load.committed();
    let mut ledger = load.finish();
    ledger.users.extend(before);

    everything_is_done(&stack);
    repeats.look_at(&stack);
    println!(
        "{kills} kills ({killed:?}) in {:.0?}, the last with {by_then} sign-ups committed; {} users, \
         {} commits in doubt, {} rolled back; {} requests, {} of them repeated",
        started.elapsed(), ledger.users.len(), ledger.in_doubt, ledger.ghosts.len(),
        stack.chat.counters().requests, repeats.count,
    );
    assert!(ledger.users.len() >= USERS);
    the_database_is_complete(&stack, &ledger);
    cometchat_agrees(&stack, &ledger);
    assert!(repeats.count <= kills * CONCURRENCY, "{} requests were repeated", repeats.count);
}

#[track_caller]
fn everything_is_done(stack: &Stack) {
    let left = "SELECT count(*) + (SELECT count(*) FROM cometchat.trigger_misses)
                FROM cometchat.sync_state
                WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL OR failed_at IS NOT NULL
                   OR wanted_revision <> synced_revision";
    within(Duration::from_secs(90), "nothing is missed, pending, claimed or failed", || {
        stack.value(left).as_deref() == Some("0")
    });
    // An edit that met a lock for too long may have been swallowed; it was caught up by now.
    let unwell = "SELECT string_agg(check_name || ': ' || detail, ', ') FROM cometchat.health()
                  WHERE NOT ok AND check_name <> 'trigger errors'";
    let log = stack.db.cluster().log();
    let swallowed: Vec<&str> =
        log.lines().filter(|line| line.contains("canceling statement due to")).collect();
    assert_eq!(stack.value(unwell), None, "{swallowed:?}");
}

/// `auth.users`, our state and the mapping hold the ledger's users and no others.
#[track_caller]
fn the_database_is_complete(stack: &Stack, ledger: &Ledger) {
    let sql = "SELECT au.id, au.raw_user_meta_data ->> 'full_name', u.cometchat_uid,
                      u.cometchat_auth_token
               FROM auth.users AS au JOIN cometchat.sync_state AS s ON s.user_id = au.id
               JOIN public.cometchat_users AS u ON u.user_id = au.id";
    let rows = stack.db.admin().query(sql, &[]).expect(sql);
    assert_eq!(rows.len(), ledger.users.len());
    for row in rows {
        let (id, name, uid): (Uuid, String, String) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(Some(&name), ledger.users.get(&id));
        assert_eq!(uid, id.to_string());
        let (token, theirs): (Option<String>, _) = (row.get(3), stack.app().tokens(&uid));
        match token {
            Some(token) => {
                assert!(theirs.contains(&token), "the token of {uid} is not CometChat's")
            }
            None => assert_eq!(theirs, [""; 0], "{uid} was imported"),
        }
    }
    for table in ["auth.users", "cometchat.sync_state", "public.cometchat_users"] {
        let count = stack.value(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, Some(ledger.users.len().to_string()), "{table}");
    }
}

/// CometChat has the ledger's users as they last were, and no others.
#[track_caller]
fn cometchat_agrees(stack: &Stack, ledger: &Ledger) {
    let there = stack.app().users();
    for user in &there {
        let id: Uuid = user["uid"].as_str().expect("a uid").parse().expect("our uid");
        assert!(!ledger.ghosts.contains(&id), "{id} was rolled back");
        let name = ledger.users.get(&id).unwrap_or_else(|| panic!("{id} was never committed"));
        assert_eq!(user["name"], *name, "{id}");
        assert_eq!(user["metadata"]["@private"]["email"], email_of(name), "{id}");
    }
    assert_eq!(there.len(), ledger.users.len(), "everybody has arrived");
}
