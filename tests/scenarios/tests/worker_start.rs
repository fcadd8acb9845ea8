//! Workers that start slowly, as on a machine that is busy or recovering, are still one for each
//! database; and none is forgotten.

use scenarios::{eventually, Cluster, Database, Stack};
use simulator::Simulator;

/// Processes of the stack's database that are, or are becoming, its worker.
const WORKERS: &str = "SELECT count(*) FROM pg_stat_activity
                       WHERE backend_type = 'cometchat worker' AND datname = current_database()";

/// A stack whose worker has left.
fn paused() -> Stack {
    let conf = ["shared_preload_libraries = 'cometchat_ext'"];
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    workers_become(&stack, "0");
    stack
}

#[track_caller]
fn workers_become(stack: &Stack, count: &str) {
    let mut last = None;
    eventually(&format!("{count} workers are left"), || {
        let now = stack.value(WORKERS);
        if now != last {
            println!("workers: {}", now.as_deref().unwrap_or_default());
        }
        last = now;
        last.as_deref() == Some(count)
    });
}

#[test]
fn a_database_has_one_worker_even_with_more_work_before_its_start() {
    let stack = paused();
    // All connected before: a session that starts may have to read that catalog, too.
    let (mut slow, mut session, mut observer) =
        (stack.db.admin(), stack.db.admin(), stack.db.admin());
    // What a worker asks first it has to wait for, here.
    slow.batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_extension").expect("lock");
    let mut waiting = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cometchat worker'
                   AND datname = current_database() AND wait_event_type = 'Lock'";
        observer.query_one(sql, &[]).expect(sql).get::<_, i64>(0)
    };
    session.batch_execute("SELECT cometchat.resume()").expect("resume");
    eventually("a worker is starting", || waiting() == 1);

    // Half a second later the launcher may start another.
    session.batch_execute("SELECT cometchat.wake()").expect("wake");
    let later = std::time::Instant::now() + std::time::Duration::from_millis(700);
    eventually("another is starting, or time is up", || {
        waiting() == 2 || std::time::Instant::now() > later
    });
    slow.batch_execute("COMMIT").expect("unlock");

    eventually("one of them is the worker", || stack.worker().is_some());
    workers_become(&stack, "1");
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she arrives", || stack.stored(ada).token.is_some());
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn a_worker_whose_first_poll_fails_is_started_again() {
    let stack = paused();
    let (mut slow, mut session) = (stack.db.admin(), stack.db.admin());
    slow.batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_extension").expect("lock");
    let ada = "INSERT INTO auth.users (id, raw_user_meta_data)
               VALUES (gen_random_uuid(), '{\"full_name\": \"Ada Lovelace\"}')";
    session.batch_execute(ada).expect("a sign-up");
    session.batch_execute("SELECT cometchat.resume()").expect("resume");
    let mut observer = stack.db.cluster().admin("postgres");
    let mut seen = 0;
    let mut last = 0;
    eventually("a worker has started and found the door locked for too long", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cometchat worker'
                   AND wait_event_type = 'Lock'";
        let now: i64 = observer.query_one(sql, &[]).expect(sql).get(0);
        seen += i64::from(now > last);
        let left = now < last;
        last = now;
        seen > 0 && left
    });
    slow.batch_execute("COMMIT").expect("unlock");

    eventually("she arrives", || stack.app().user_count() == 1);
}
