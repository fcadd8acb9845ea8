//! The worker's own life: one for each database, in nobody's way, and gone with the extension.

use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::{eventually, Cluster, Database, Stack, NOTHING};
use simulator::{Fault, FaultKind, Simulator};
use uuid::Uuid;

/// A fraction of the hang, and ample on a busy machine.
const SANE: Duration = Duration::from_secs(10);

/// The workers of the stack's database.
fn workers(stack: &Stack) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity
               WHERE backend_type = 'cometchat worker' AND datname = current_database()";
    stack.db.admin().query(sql, &[]).expect(sql).iter().map(|row| row.get(0)).collect()
}

#[track_caller]
fn the_worker(stack: &Stack) -> i32 {
    let mut all = Vec::new();
    // One that is starting may find that there is one, and leaves again.
    eventually("there is one worker", || {
        all = workers(stack);
        all.len() == 1
    });
    all[0]
}

#[track_caller]
fn arrives(stack: &Stack, user: Uuid) {
    eventually("the user arrives", || stack.stored(user).token.is_some());
}

/// Has every worker look around, as an operator's reload does.
fn reload(stack: &Stack) {
    stack.execute("SELECT pg_reload_conf()");
}

/// A stack whose worker has a request under way that does not end. In a cluster of its own that
/// never waits for the disk: DROP DATABASE writes out what all databases have changed.
fn hanging() -> Stack {
    let conf = ["shared_preload_libraries = 'cometchat_ext'", "fsync = off"];
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    stack.sign_up("Ada Lovelace");
    eventually("a request hangs", || stack.chat.counters().in_flight == 1);
    stack
}

#[track_caller]
fn quick(what: &str, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    let took = started.elapsed();
    assert!(took < SANE, "{what} took {took:?}");
}

#[test]
fn every_database_has_one_worker_of_its_own() {
    let (one, two) = (Stack::syncing(), Stack::syncing());
    let ada = one.sign_up("Ada Lovelace");
    let bob = two.sign_up("Bob Marley");
    arrives(&one, ada);
    arrives(&two, bob);

    assert_ne!(the_worker(&one), the_worker(&two));
    assert_eq!((one.app().user_count(), two.app().user_count()), (1, 1));
}

#[test]
fn the_worker_comes_with_the_extension_and_goes_with_it() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.resume(), cometchat.enable_auth_trigger()");
    the_worker(&stack);

    stack.execute("DROP EXTENSION cometchat_ext"); // no CASCADE, the trigger attached
    reload(&stack);

    eventually("the worker has left", || workers(&stack).is_empty());
    stack.sign_up("Ada Lovelace");
    stack.execute("CREATE EXTENSION cometchat_ext");
    the_worker(&stack);
}

#[test]
fn an_extension_that_is_created_anew_is_served_at_once() {
    let stack = Stack::syncing();
    arrives(&stack, stack.sign_up("Ada Lovelace"));

    stack.execute(
        "DROP EXTENSION cometchat_ext; CREATE EXTENSION cometchat_ext;
         SELECT cometchat.enable_auth_trigger()",
    );

    arrives(&stack, stack.sign_up("Bob Marley"));
}

#[test]
fn pause_disconnects_the_worker_and_resume_goes_on() {
    let stack = Stack::syncing();
    arrives(&stack, stack.sign_up("Grace Hopper")); // so this worker stays
    stack.asked();
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker has left", || workers(&stack).is_empty());

    let ada = stack.sign_up("Ada Lovelace");
    let reason = "SELECT paused_reason || pending FROM cometchat.progress";
    assert_eq!(stack.value(reason).as_deref(), Some("OPERATOR1"));
    stack.session(stack.sign_up("Bob Marley")).ensure(None, None, None).token();
    assert_eq!((workers(&stack), stack.asked()), (vec![], vec!["create_user".to_owned()]));

    stack.execute("SELECT cometchat.resume()");
    arrives(&stack, ada);
}

#[test]
fn a_terminated_worker_comes_back_and_finishes() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).times(1));
    let ada = stack.sign_up("Ada Lovelace");
    eventually("a request hangs", || stack.chat.counters().in_flight == 1);
    let before = the_worker(&stack);

    quick("terminating it", || {
        stack.execute(&format!("SELECT pg_terminate_backend({before})"));
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {before}");
        eventually("it is gone", || stack.value(&gone).as_deref() == Some("0"));
    });

    arrives(&stack, ada);
    assert_ne!(the_worker(&stack), before);
}

#[test]
fn a_hanging_request_blocks_no_other_work_on_the_database() {
    let stack = hanging();
    let worker = the_worker(&stack);
    let holds = format!(
        "SELECT concat(backend_xmin, backend_xid, xact_start) FROM pg_stat_activity
         WHERE pid = {worker}"
    );
    eventually("it holds nothing", || stack.value(&holds).as_deref() == Some(""));

    let mut admin: Client = stack.db.admin();
    for sql in [
        "VACUUM FULL cometchat.sync_state",
        "ALTER TABLE cometchat.sync_state ADD COLUMN more int",
        "ALTER EXTENSION cometchat_ext UPDATE",
        "CREATE FUNCTION cometchat.another() RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER EXTENSION cometchat_ext ADD FUNCTION cometchat.another()",
    ] {
        quick(sql, || admin.batch_execute(sql).expect(sql));
    }
    assert_eq!(the_worker(&stack), worker, "it goes on as if nothing had been");

    quick("DROP EXTENSION", || stack.execute("DROP EXTENSION cometchat_ext"));
    reload(&stack);
    eventually("the worker has left", || workers(&stack).is_empty());
}

#[test]
fn a_hanging_request_does_not_block_dropping_its_database() {
    let stack = hanging();
    let name = stack.db.name().to_owned();
    let mut admin = stack.db.cluster().admin("postgres");

    quick("DROP DATABASE … WITH (FORCE)", || {
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).expect("drop");
    });
}

#[test]
fn databases_that_come_and_go_leave_room_for_others() {
    let conf = ["shared_preload_libraries = 'cometchat_ext'", "fsync = off"];
    let cluster = Cluster::start(&conf);
    let mut admin = cluster.admin("postgres");
    for _ in 0..70 {
        admin.batch_execute("CREATE DATABASE passing TEMPLATE template0").expect("create");
        cluster.admin("passing").batch_execute("CREATE EXTENSION cometchat_ext").expect("create");
        admin.batch_execute("DROP DATABASE passing WITH (FORCE)").expect("drop");
    }

    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.resume(), cometchat.enable_auth_trigger()");

    arrives(&stack, stack.sign_up("Ada Lovelace"));
}

#[test]
fn with_another_version_of_the_extension_the_worker_idles_and_says_once_what_to_do() {
    let restart = "install cometchat_ext 99.0.0 if it is not, and restart the server";
    let cures = [("0.0.0", "run ALTER EXTENSION cometchat_ext UPDATE"), ("99.0.0", restart)];
    let hints = ["ALTER EXTENSION cometchat_ext UPDATE;", "restart the server"];
    for ((version, cure), hint) in cures.into_iter().zip(hints) {
        let stack = Stack::syncing();
        the_worker(&stack);
        let other = format!(
            "UPDATE pg_extension SET extversion = '{version}' WHERE extname = 'cometchat_ext'"
        );
        stack.execute(&other);
        let text =
            format!("cometchat_ext {version} is installed in database \"{}\"", stack.db.name());
        let said = || {
            let log = stack.db.cluster().log();
            log.lines().filter(|line| line.contains(&text)).map(str::to_owned).collect::<Vec<_>>()
        };

        let ada = stack.sign_up("Ada Lovelace");
        eventually("it says so", || said().len() == 1);
        let bob = stack.sign_up("Bob Marley");
        reload(&stack);
        assert_eq!(stack.asked(), NOTHING);
        let look = "SELECT hint FROM cometchat.health() WHERE check_name = 'versions' AND NOT ok";
        let seen = stack.value(look).expect("a hint");
        assert!(seen.contains(hint), "{seen}");
        stack.execute(
            "UPDATE pg_extension AS e SET extversion = v.default_version FROM pg_available_extensions AS v
             WHERE v.name = e.extname AND e.extname LIKE 'cometchat%';
             SELECT cometchat.wake()",
        );

        arrives(&stack, ada);
        arrives(&stack, bob);
        assert_eq!(said().len(), 1);
        assert!(said()[0].contains(cure), "{:?}", said());
    }
}

#[test]
fn without_preloading_process_queue_does_the_same_work() {
    let stack = Stack::on(Database::like_supabase(Cluster::start(&[])), Simulator::start());
    stack.execute("SELECT cometchat.resume(), cometchat.enable_auth_trigger()");
    let users: Vec<Uuid> = (0..30).map(|n| stack.sign_up(&format!("User {n}"))).collect();
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").uid(&users[7].to_string()));
    stack.change(users[8], "banned_until = 'infinity'");
    assert_eq!(stack.asked(), NOTHING);

    let mut admin = stack.db.admin();
    admin.batch_execute("CALL cometchat.process_queue(10)").expect("process_queue");
    let done = stack.chat.counters().requests;
    assert!((8..=10).contains(&done), "{done} requests for ten users"); // who is banned needs none
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");

    assert_eq!(stack.app().user_count(), 28);
    let failed = "SELECT max(error_code) FROM cometchat.failed_users";
    assert_eq!(stack.value(failed).as_deref(), Some("ERR_BAD_REQUEST"));
    let left = "SELECT pending FROM cometchat.progress";
    assert_eq!(stack.value(left).as_deref(), Some("0"));

    // Sending that is useless now stops at once and loses nothing.
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let (ada, _bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob Marley"));
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert_eq!(stack.value(left).as_deref(), Some("2"));
    stack.chat.clear_faults();
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.value(left).as_deref(), Some("0"));
}
