//! More databases than background processes: they take turns, nobody is forgotten, and the log and
//! health() say which setting is too small.

use std::thread;
use std::time::{Duration, Instant};

use scenarios::{eventually, within, Cluster, Database, Stack};
use simulator::{Fault, Simulator};
use uuid::Uuid;

const PRELOADED: &str = "shared_preload_libraries = 'cometchat_ext'";

/// A round of all databases, on a busy machine.
const A_ROUND: Duration = Duration::from_secs(120);

/// A cluster with so many processes (Postgres takes one of them, and the launcher another), and so
/// many databases with the extension.
fn server(processes: u32, databases: usize) -> (Cluster, Vec<Stack>) {
    let cluster = Cluster::start(&[PRELOADED, &format!("max_worker_processes = {processes}")]);
    let stacks = (0..databases).map(|_| in_cluster(&cluster)).collect();
    (cluster, stacks)
}

fn in_cluster(cluster: &Cluster) -> Stack {
    let stack = Stack::on(Database::like_supabase(cluster.again()), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack
}

fn somebody(stack: &Stack) -> Uuid {
    stack.sign_ups(1)[0]
}

fn has_arrived(stack: &Stack, user: Uuid) -> bool {
    stack.stored(user).token.is_some()
}

/// What the server's log has said about too few processes.
fn complaints(cluster: &Cluster) -> usize {
    let says = |line: &&str| line.contains("cometchat:") && line.contains("max_worker_processes");
    cluster.log().lines().filter(says).count()
}

#[test]
fn twelve_databases_are_served_by_the_default_eight_processes() {
    let (cluster, stacks) = server(8, 12);
    for _ in 0..3 {
        let users: Vec<Uuid> = stacks.iter().map(somebody).collect();
        let started = Instant::now();
        within(A_ROUND, "every database is served", || {
            stacks.iter().zip(&users).all(|(stack, user)| has_arrived(stack, *user))
        });
        println!("all served after {:.1?}", started.elapsed());
    }
    assert_eq!(complaints(&cluster), 1, "the log says once which setting is too small");
}

#[test]
fn one_process_is_enough_for_five_databases() {
    let (_cluster, stacks) = server(3, 5);
    let users: Vec<Uuid> = stacks.iter().map(somebody).collect();
    within(A_ROUND, "every database is served", || {
        stacks.iter().zip(&users).all(|(stack, user)| has_arrived(stack, *user))
    });
}

#[test]
fn a_busy_database_yields_its_process_and_continues_later() {
    let (_cluster, stacks) = server(3, 2);
    let (busy, other) = (&stacks[0], &stacks[1]);
    busy.db.set("cometchat.concurrency", Some("2"));
    busy.chat.set_fault(Fault::delay(100).perform());
    let many = "INSERT INTO auth.users (id, raw_user_meta_data)
                SELECT gen_random_uuid(), jsonb_build_object('full_name', 'User ' || n)
                FROM generate_series(1, 600) AS n";
    busy.execute(many);
    eventually("it is at work", || busy.app().user_count() > 0);

    let ada = other.sign_up("Ada Lovelace");
    within(A_ROUND, "the other has its turn", || has_arrived(other, ada));
    assert!(busy.app().user_count() < 600, "the busy one was not done by then");

    busy.chat.clear_faults();
    within(A_ROUND, "the busy one goes on", || busy.app().user_count() == 600);
    let left = "SELECT count(*) FROM cometchat.sync_state
                WHERE claim IS NOT NULL OR wanted_revision > synced_revision";
    eventually("nothing is left behind", || busy.value(left).as_deref() == Some("0"));
    assert_eq!(busy.chat.counters().requests, 600, "nobody was sent twice");
}

#[test]
fn a_worker_stays_while_no_other_database_wants_its_process() {
    let (cluster, stacks) = server(8, 3);
    let users: Vec<Uuid> = stacks.iter().map(somebody).collect();
    eventually("all are served", || {
        stacks.iter().zip(&users).all(|(stack, user)| has_arrived(stack, *user))
    });
    let workers = || stacks.iter().map(Stack::worker).collect::<Vec<_>>();
    let before = workers();
    thread::sleep(Duration::from_secs(8)); // longer than any turn

    assert!(before.iter().all(Option::is_some), "{before:?}");
    assert_eq!(workers(), before);
    assert_eq!(complaints(&cluster), 0);
}

#[test]
fn retries_happen_while_another_database_has_the_process() {
    let (_cluster, stacks) = server(3, 2);
    let (one, two) = (&stacks[0], &stacks[1]);
    one.chat.set_fault(Fault::status(500, "ERR_INTERNAL").times(2));
    let ada = one.sign_up("Ada Lovelace");
    eventually("the first attempt fails", || one.chat.counters().requests > 0);
    let bob = two.sign_up("Bob Marley");
    within(A_ROUND, "the other has its turn", || has_arrived(two, bob));

    within(A_ROUND, "she is tried again", || has_arrived(one, ada));
}

#[test]
fn the_periodic_poll_reaches_databases_without_a_process() {
    let (_cluster, stacks) = server(3, 3);
    // As pg_restore writes: without triggers, so that nobody is woken.
    let restored: Vec<Uuid> = stacks.iter().map(|_| Uuid::new_v4()).collect();
    for (stack, user) in stacks.iter().zip(&restored) {
        stack.execute(&format!(
            "SET session_replication_role = replica;
             INSERT INTO auth.users (id) VALUES ('{user}');
             INSERT INTO cometchat.sync_state (user_id, wanted_revision, next_attempt_at)
             VALUES ('{user}', 1, now())"
        ));
    }
    within(Duration::from_secs(180), "all are found", || {
        stacks.iter().zip(&restored).all(|(stack, user)| has_arrived(stack, *user))
    });
}

#[test]
fn the_circuit_breakers_backoff_survives_a_change_of_process() {
    let (_cluster, stacks) = server(3, 2);
    let (bad, other) = (&stacks[0], &stacks[1]);
    bad.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    bad.sign_ups(40);
    eventually("sending is paused", || !bad.logged("sending is paused").is_empty());
    let before = bad.chat.counters().requests;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(12) {
        let user = somebody(other);
        within(A_ROUND, "the other is served", || has_arrived(other, user));
    }
    let probes = bad.chat.counters().requests - before;

    assert!(probes <= 10, "{probes} requests with a key that CometChat rejects");
    assert_eq!(bad.logged("sending is paused").len(), 1, "it is said once");
    bad.chat.clear_faults();
    within(A_ROUND, "sending resumed", || bad.app().user_count() == 40);
}
