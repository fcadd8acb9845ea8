//! Databases that have no worker, or cannot have one, say why; and get one once they can.

use std::thread;
use std::time::{Duration, Instant};

use scenarios::{eventually, within, Cluster, Database, Stack};
use simulator::Simulator;

const PRELOADED: &str = "shared_preload_libraries = 'cometchat_ext'";

/// The launcher's look once a minute, on a busy machine.
const A_ROUND: Duration = Duration::from_secs(120);

fn in_cluster(cluster: &Cluster) -> Stack {
    let stack = Stack::on(Database::like_supabase(cluster.again()), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack
}

fn has_arrived(stack: &Stack, user: uuid::Uuid) -> bool {
    stack.stored(user).token.is_some()
}

/// `health()`'s row about the worker: whether it is well, and what it says.
fn health(stack: &Stack) -> (bool, String) {
    let sql = "SELECT ok, concat(detail, '; ', hint) FROM cometchat.health()
               WHERE check_name = 'worker'";
    let row = stack.db.admin().query_one(sql, &[]).expect(sql);
    (row.get(0), row.get(1))
}

/// What the server's log has said about too few processes.
fn complaints(cluster: &Cluster) -> usize {
    let says = |line: &&str| line.contains("cometchat:") && line.contains("max_worker_processes");
    cluster.log().lines().filter(says).count()
}

/// Somebody else's parallel query, which takes one process until it is cancelled.
struct Hog(postgres::CancelToken, Option<thread::JoinHandle<()>>);

impl Hog {
    fn start(cluster: &Cluster) -> Hog {
        let mut client = cluster.admin("postgres");
        let version: i32 = client
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .expect("it")
            .get(0);
        let force = if version < 160_000 { "force_parallel_mode" } else { "debug_parallel_query" };
        client.batch_execute(&format!("SET {force} = on")).expect("set");
        let cancel = client.cancel_token();
        let query = thread::spawn(move || drop(client.batch_execute("SELECT pg_sleep(300)")));
        let hog = Hog(cancel, Some(query));
        let sql = "SELECT count(*) > 0 FROM pg_stat_activity
                   WHERE backend_type = 'parallel worker' AND query LIKE '%pg_sleep(300)%'";
        let mut admin = cluster.admin("postgres");
        eventually("it has a process", || admin.query_one(sql, &[]).expect(sql).get(0));
        hog
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.cancel_query(postgres::NoTls);
        let _ = self.1.take().map(thread::JoinHandle::join);
    }
}

#[test]
fn a_worker_waits_for_a_free_process_and_health_names_the_setting() {
    let cluster = Cluster::start(&[PRELOADED, "max_worker_processes = 3"]);
    let hog = Hog::start(&cluster);
    let stack = in_cluster(&cluster);
    let ada = stack.sign_up("Ada Lovelace");

    eventually("health() names the setting", || {
        let (ok, says) = health(&stack);
        !ok && says.contains("max_worker_processes")
    });
    eventually("so does the log", || complaints(&cluster) > 0);
    assert!(!has_arrived(&stack, ada));
    drop(hog);

    eventually("she arrives", || has_arrived(&stack, ada));
    eventually("all is well", || health(&stack).0);
    assert_eq!(complaints(&cluster), 1);
}

#[test]
fn health_says_that_the_launcher_has_no_process() {
    let cluster = Cluster::start(&[PRELOADED, "max_worker_processes = 1"]);
    let (ok, says) = health(&in_cluster(&cluster));
    assert!(!ok && says.contains("max_worker_processes"), "{says}");
}

#[test]
fn a_database_without_a_slot_says_so_and_gets_the_next() {
    let cluster = Cluster::start(&[PRELOADED]);
    let mut admin = cluster.admin("postgres");
    for n in 0..65 {
        admin.batch_execute(&format!("CREATE DATABASE many_{n} TEMPLATE template0")).expect("it");
        let mut session = cluster.admin(&format!("many_{n}"));
        session.batch_execute("CREATE EXTENSION cometchat_ext").expect("create");
    }
    let sql = "SELECT ok, hint FROM cometchat.health() WHERE check_name = 'worker'";
    let mut last = cluster.admin("many_64");
    let row = last.query_one(sql, &[]).expect(sql);
    let hint = row.get::<_, Option<String>>(1).unwrap_or_default();
    assert!(!row.get::<_, bool>(0) && hint.contains("Too many databases"), "{hint}");
    eventually("the log says so", || cluster.log().contains("64 databases are served"));

    admin.batch_execute("DROP DATABASE many_7 WITH (FORCE)").expect("drop");
    within(A_ROUND, "it is served", || {
        last.batch_execute("SELECT cometchat.wake()").expect("wake");
        last.query_one(sql, &[]).expect(sql).get(0)
    });
    assert_eq!(cluster.log().matches("64 databases are served").count(), 1);
}

#[test]
fn a_database_that_refuses_connections_for_a_while_is_served_afterwards() {
    let cluster = Cluster::start(&[PRELOADED]);
    let stack = in_cluster(&cluster);
    eventually("it has a worker", || stack.worker().is_some());
    let name = stack.db.name();
    let mut session = stack.db.admin();
    let mut admin = cluster.admin("postgres");
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).expect("alter");
    let worker = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE backend_type = 'cometchat worker'";
    session.batch_execute(worker).expect(worker);
    let gone = "SELECT cometchat.worker_status() -> 'worker_pid' = 'null'";
    eventually("it is gone", || session.query_one(gone, &[]).expect(gone).get(0));
    let sign_up = "INSERT INTO auth.users (id) VALUES (gen_random_uuid())";
    session.batch_execute(sign_up).expect(sign_up);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        assert!(session.query_one(gone, &[]).expect(gone).get::<_, bool>(0));
    }
    assert!(!cluster.log().contains("not currently accepting connections"), "nothing is tried");

    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).expect("alter");
    within(A_ROUND, "it is served again", || stack.app().user_count() == 1);
}

#[test]
fn a_template_with_the_extension_can_be_copied() {
    let cluster = Cluster::start(&[PRELOADED]);
    let stack = in_cluster(&cluster);
    let ada = stack.sign_up("Ada Lovelace");
    eventually("it has a worker", || has_arrived(&stack, ada));
    let name = stack.db.name().to_owned();
    let mut admin = cluster.admin("postgres");
    admin.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true")).expect("alter");
    admin.batch_execute("SELECT pg_reload_conf()").expect("reload");

    eventually("it has no worker", || stack.worker().is_none());
    let bob = stack.sign_up("Bob Marley");
    admin.batch_execute(&format!("CREATE DATABASE copied TEMPLATE {name}")).expect("create");
    assert!(!has_arrived(&stack, bob));
    let (ok, says) = health(&stack);
    assert!(!ok && says.contains("template"), "{says}");
    admin.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE false")).expect("alter");
    within(A_ROUND, "it is served again", || has_arrived(&stack, bob));
}
