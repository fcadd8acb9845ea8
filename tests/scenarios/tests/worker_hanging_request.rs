//! A request of the worker that hangs for a minute keeps nobody waiting: each operation takes
//! as long as when the worker is idle.
//!
//! Both are timed in turn, and the figures are printed (the promise is 100 ms at most); here they
//! only have to be sane. (Calls of a session: hanging_call.rs. Out of reach: worker_unreachable_api.rs.)

use std::time::{Duration, Instant};

use scenarios::blocked_session::{drop_another_database, fast_shutdown};
use scenarios::environment::{is_running, may_mount, Environment};
use scenarios::{
    eventually, Cluster, Database, FaultServer, NameServer, Names, PgCopy, Stack, Stage,
};
use simulator::{Fault, FaultKind, Simulator};

/// Pairs of each operation.
fn tries() -> usize {
    std::env::var("COMETCHAT_TRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

/// What an operation may take beyond the idle one: a fraction of the hang, and ample on a busy
/// machine.
const SANE: Duration = Duration::from_secs(10);

/// It never waits for the disk: DROP DATABASE writes out what all databases have changed.
const CONF: [&str; 2] = ["shared_preload_libraries = 'cometchat_ext'", "fsync = off"];

/// What is timed at once.
#[derive(Clone, Copy, Debug)]
enum Worker {
    Idle,
    Hangs,
}

fn stack_on(cluster: Cluster) -> Stack {
    let stack =
        Stack::on(Database::like_supabase(cluster), Simulator::start()).with_long_timeouts();
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack.settled(stack.sign_up("Somebody")); // so this worker stays
    stack
}

/// Brings the worker into that state.
#[track_caller]
fn bring_about(stack: &Stack, state: Worker) {
    // (Whoever was in flight when a worker ended is looked at once more, much later.)
    let pending = "SELECT count(*) FROM cometchat.sync_state
                   WHERE wanted_revision <> synced_revision OR claim IS NOT NULL";
    eventually("everybody before has arrived", || stack.value(pending).as_deref() == Some("0"));
    eventually("there is a worker", || stack.worker().is_some());
    if let Worker::Hangs = state {
        stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
        stack.sign_up(&format!("User {}", uuid::Uuid::new_v4().simple()));
        eventually("a request hangs", || stack.chat.counters().in_flight == 1);
    }
    it_holds_nothing(stack);
}

/// No snapshot that VACUUM would have to respect, no transaction.
#[track_caller]
fn it_holds_nothing(stack: &Stack) {
    let holds = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cometchat worker' AND
                 concat(backend_xmin, backend_xid, xact_start) <> ''";
    eventually("no worker holds anything", || stack.value(holds).as_deref() == Some("0"));
}

/// Lets a worker that hangs start anew, and the next request be answered.
#[track_caller]
fn let_go(stack: &Stack) {
    stack.chat.clear_faults();
    let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
               WHERE backend_type = 'cometchat worker'";
    stack.value(end);
    eventually("nothing hangs", || stack.chat.counters().in_flight == 0);
}

/// Times an operation in turn with the worker idle and with its request hanging.
#[track_caller]
fn compare(what: &str, mut operation: impl FnMut(Worker) -> Duration) {
    let pairs: Vec<(Duration, Duration)> =
        (0..tries()).map(|_| (operation(Worker::Idle), operation(Worker::Hangs))).collect();
    let median = |of: &dyn Fn(&(Duration, Duration)) -> f64| {
        let mut values: Vec<f64> = pairs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2] * 1000.0
    };
    println!(
        "{what:<32} idle {:>8.2} ms  hanging {:>8.2} ms  median difference {:>8.2} ms",
        median(&|(idle, _)| idle.as_secs_f64()),
        median(&|(_, hanging)| hanging.as_secs_f64()),
        median(&|(idle, hanging)| hanging.as_secs_f64() - idle.as_secs_f64()),
    );
    for (idle, hanging) in &pairs {
        assert!(*hanging < *idle + SANE, "{what} took {hanging:?}, idle {idle:?}");
    }
}

#[track_caller]
fn time(stack: &Stack, sql: &str) -> Duration {
    let mut admin = stack.db.admin();
    let started = Instant::now();
    admin.batch_execute(sql).expect(sql);
    started.elapsed()
}

/// Times a statement in the worker's database, which leaves all as it was.
#[track_caller]
fn compare_statement(stack: &Stack, sql: &str, undo: Option<&str>) {
    compare(sql, |state| {
        bring_about(stack, state);
        let took = time(stack, sql);
        it_holds_nothing(stack);
        if let Some(undo) = undo {
            stack.execute(undo);
        }
        let_go(stack);
        took
    });
}

#[test]
fn vacuum_full_of_the_state_does_not_wait_for_it() {
    compare_statement(&stack_on(Cluster::start(&CONF)), "VACUUM FULL cometchat.sync_state", None);
}

#[test]
fn dropping_the_extension_with_its_trigger_needs_no_cascade_and_does_not_wait_for_it() {
    let create = "CREATE EXTENSION cometchat_ext; SELECT cometchat.enable_auth_trigger()";
    compare_statement(
        &stack_on(Cluster::start(&CONF)),
        "DROP EXTENSION cometchat_ext",
        Some(create),
    );
}

#[test]
fn updating_the_extension_does_not_wait_for_it() {
    let copy = PgCopy::copy();
    let cluster = Cluster::start(&CONF);
    cluster.restart_from(&copy);
    let stack = stack_on(cluster);
    let version = "SELECT extversion FROM pg_extension WHERE extname = 'cometchat_ext'";
    let now = stack.value(version).expect("a version");
    // What an update does: another column, another function, the trigger's function anew.
    let update = "ALTER TABLE cometchat.sync_state ADD COLUMN another integer;
                  CREATE FUNCTION cometchat.another() RETURNS integer LANGUAGE sql AS 'SELECT 1';
                  ALTER FUNCTION cometchat.on_auth_user_insert() SET search_path = pg_catalog;
                  DROP INDEX cometchat.sync_state_due;
                  CREATE INDEX sync_state_due ON cometchat.sync_state (next_attempt_at)
                    WHERE next_attempt_at IS NOT NULL AND claim IS NULL;";
    copy.add_update(&now, "99.0", update);
    copy.add_update(
        "99.0",
        &now,
        "DROP FUNCTION cometchat.another(); ALTER TABLE cometchat.sync_state DROP COLUMN another;",
    );

    let sql = "ALTER EXTENSION cometchat_ext UPDATE TO '99.0'";
    let back = format!("ALTER EXTENSION cometchat_ext UPDATE TO '{now}'");
    compare_statement(&stack, sql, Some(&back));
}

#[test]
fn dropping_another_database_does_not_wait_for_it() {
    let stack = stack_on(Cluster::start(&CONF));
    let mut admin = stack.db.admin();
    compare("DROP DATABASE another", |state| {
        bring_about(&stack, state);
        let took = drop_another_database(&mut admin);
        let_go(&stack);
        took
    });
}

#[test]
fn dropping_its_own_database_with_force_does_not_wait_for_it() {
    let cluster = Cluster::start(&CONF);
    let mut admin = cluster.admin("postgres");
    compare("DROP DATABASE … WITH (FORCE)", |state| {
        let stack = stack_on(cluster.again());
        bring_about(&stack, state);
        let sql = format!("DROP DATABASE {} WITH (FORCE)", stack.db.name());
        let started = Instant::now();
        admin.batch_execute(&sql).expect("drop");
        started.elapsed()
    });
}

#[track_caller]
fn terminate(stack: &Stack, pid: i32) -> Duration {
    let mut admin = stack.db.admin();
    let started = Instant::now();
    admin.execute("SELECT pg_terminate_backend($1)", &[&pid]).expect("terminate");
    while is_running(pid) {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::sleep(Duration::from_micros(200));
    }
    started.elapsed()
}

#[test]
fn terminating_it_or_stopping_the_server_does_not_wait_for_it() {
    let stack = stack_on(Cluster::start(&CONF));
    compare("pg_terminate_backend(worker)", |state| {
        bring_about(&stack, state);
        let took = terminate(&stack, stack.worker().expect("a worker"));
        let_go(&stack);
        took
    });
    compare("fast shutdown", |state| {
        bring_about(&stack, state);
        let took = fast_shutdown(stack.db.cluster());
        stack.chat.clear_faults();
        stack.db.cluster().restart_in(&Environment::default());
        took
    });
}

#[test]
fn a_hanging_name_lookup_blocks_no_shutdown() {
    let Some(names) = NameServer::start(Names::Hang).filter(|_| may_mount()) else {
        println!("skipped: it takes root to give a server a resolver of its own");
        return;
    };
    let environment = Environment::default().name_server(&names.address());
    let cluster = Cluster::start(&CONF);
    cluster.restart_in(&environment);
    let stack = stack_on(cluster);
    let bring_about = |state| {
        bring_about(&stack, Worker::Idle);
        if let Worker::Hangs = state {
            stack.db.set("cometchat.api_base_url", Some("https://chat.test/v3"));
            let before = names.questions();
            stack.sign_up(&format!("User {}", uuid::Uuid::new_v4().simple()));
            eventually("it asks for the name", || names.questions() > before);
            // For the next worker, which starts as soon as this one has ended.
            stack.db.set("cometchat.api_base_url", Some(&stack.chat.base_url()));
        }
        it_holds_nothing(&stack);
    };
    compare("pg_terminate_backend, DNS", |state| {
        bring_about(state);
        terminate(&stack, stack.worker().expect("a worker"))
    });
    compare("fast shutdown, DNS", |state| {
        bring_about(state);
        let took = fast_shutdown(stack.db.cluster());
        stack.db.cluster().restart_in(&environment);
        took
    });
}

#[test]
fn a_request_hanging_at_any_stage_blocks_no_shutdown() {
    let stack = stack_on(Cluster::start(&CONF));
    let cluster = stack.db.cluster();
    let sends = "SELECT max(pid) FROM pg_stat_activity
                 WHERE backend_type = 'cometchat worker' AND query = 'sending'";
    for stage in Stage::ALL {
        let server = FaultServer::hanging(stage);
        let hang = || {
            stack.db.set("cometchat.api_base_url", Some(&server.base_url()));
            let before = server.connections();
            stack.sign_ups(1);
            let_go(&stack); // of where it was sent to before
            server.wait_until_busy(before);
            eventually("it sends", || stack.value(sends).is_some());
            stack.value(sends).and_then(|pid| pid.parse().ok()).expect("a process")
        };
        let took = terminate(&stack, hang());
        println!("pg_terminate_backend {stage:?}: {took:.2?}");
        assert!(took < SANE, "terminating took {took:?} in {stage:?}");

        hang();
        let took = fast_shutdown(cluster);
        println!("fast shutdown        {stage:?}: {took:.2?}");
        assert!(took < SANE, "a shutdown took {took:?} in {stage:?}");
        cluster.restart_in(&Environment::default());
    }
}
