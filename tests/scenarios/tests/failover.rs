//! A primary that is lost mid-drain: the standby is promoted and goes on, nobody is lost, and no more is
//! sent twice than what was in flight or had not reached the standby. Then the old primary comes back.

use std::collections::HashMap;
use std::time::Duration;

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Cluster, Stack, NOTHING};
use simulator::Fault;

const USERS: usize = 300;
const CONCURRENCY: usize = 16;

const WORKERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cometchat worker'";
const OURS: &str = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cometchat %'";

/// A stack whose worker is about to send [`USERS`] users, and a standby that knows all of them.
fn about_to_drain() -> (Stack, Cluster) {
    let stack = Stack::alone();
    stack.chat.update(|settings| settings.latency_ms = 20);
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let standby = stack.db.cluster().standby();
    stack.execute(&format!(
        "INSERT INTO auth.users (id, raw_user_meta_data)
         SELECT gen_random_uuid(), jsonb_build_object('full_name', 'User ' || n)
         FROM generate_series(1, {USERS}) AS n"
    ));
    catches_up(&stack, &standby);
    (stack, standby)
}

#[track_caller]
fn catches_up(stack: &Stack, standby: &Cluster) {
    let written = stack.value("SELECT pg_current_wal_insert_lsn()").expect("a position");
    let there = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
    eventually("the standby catches up", || {
        standby.ask("postgres", &there).as_deref() == Some("true")
    });
}

/// How many users the standby believes to be in CometChat.
fn synced(stack: &Stack, standby: &Cluster) -> usize {
    let sql = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    let count = standby.ask(stack.db.name(), sql).expect("the standby answers");
    count.parse().expect("a number")
}

#[track_caller]
fn everybody_arrives(stack: &Stack, promoted: &Cluster) {
    let left = "SELECT count(*) FROM cometchat.sync_state
                WHERE wanted_revision <> synced_revision OR claim IS NOT NULL OR failed_at IS NOT NULL";
    eventually("everybody has arrived", || {
        promoted.ask(stack.db.name(), left).as_deref() == Some("0")
    });
    assert_eq!(synced(stack, promoted), USERS);
    assert_eq!(stack.app().user_count(), USERS);
    let sql = "SELECT a.id::text, a.raw_user_meta_data ->> 'full_name', u.cometchat_auth_token
               FROM auth.users AS a JOIN public.cometchat_users AS u ON u.user_id = a.id";
    let rows = promoted.admin(stack.db.name()).query(sql, &[]).expect(sql);
    assert_eq!(rows.len(), USERS);
    for row in rows {
        let (id, name, token): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(stack.chat_user(&id)["name"], name);
        assert!(stack.app().tokens(&id).contains(&token), "{id}'s token is not CometChat's");
    }
}

/// How many users CometChat was asked to create so far.
fn sent(stack: &Stack) -> usize {
    times(stack).len()
}

/// How many of them more than once; nobody was more than twice.
#[track_caller]
fn sent_twice(stack: &Stack) -> usize {
    let times = times(stack);
    assert!(times.values().all(|n| *n <= 2), "somebody was sent more than twice");
    times.values().filter(|n| **n == 2).count()
}

/// How often CometChat was asked to create each user.
fn times(stack: &Stack) -> HashMap<String, usize> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for request in stack.chat.requests() {
        if request.operation.as_str() == "create_user" {
            *times.entry(request.uid.expect("a user")).or_default() += 1;
        }
    }
    times
}

/// Drains until `part` of the users are in CometChat.
#[track_caller]
fn drain_until(stack: &Stack, part: usize) {
    stack.execute("SELECT cometchat.resume()");
    eventually("it drains", || stack.app().user_count() >= part);
}

#[test]
fn what_was_in_flight_is_sent_again_and_nothing_else() {
    let (stack, standby) = about_to_drain();
    drain_until(&stack, USERS / 3);
    // CometChat does what it is asked, and its answers do not come.
    let fault = stack.chat.set_fault(Fault::delay(120_000).perform());
    eventually("all that may be is in flight", || {
        stack.chat.counters().in_flight >= CONCURRENCY as u64
    });
    catches_up(&stack, &standby);
    assert!(synced(&stack, &standby) < USERS, "mid-drain");

    stack.db.cluster().lose();
    stack.chat.clear_fault(fault);
    standby.pg_ctl(&["promote"]);

    everybody_arrives(&stack, &standby);
    let twice = sent_twice(&stack);
    assert!(twice <= CONCURRENCY, "{twice} were sent twice");
}

#[test]
fn a_primary_killed_mid_drain_loses_nobody_and_its_standby_goes_on() {
    let (stack, standby) = about_to_drain();
    drain_until(&stack, USERS / 4);
    stack.db.cluster().lose();

    // Nothing is sent from now on until there is a primary again.
    let mut before = stack.chat.counters().requests;
    eventually("what was in flight has ended", || {
        let now = stack.chat.counters();
        std::mem::replace(&mut before, now.requests) == now.requests && now.in_flight == 0
    });
    let database = stack.db.name();
    let ask = |sql: &str| standby.ask(database, sql).expect(sql);
    let stored = ask("SELECT min(user_id::text) FROM public.cometchat_users
                      WHERE cometchat_auth_token IS NOT NULL");
    let waiting =
        ask("SELECT min(user_id::text) FROM cometchat.sync_state WHERE synced_revision = 0");
    let answer = |call: &str, field: &str| ask(&format!("SELECT public.{call} ->> '{field}'"));
    assert_eq!(answer(&format!("cometchat_ensure_user('{stored}')"), "success"), "true");
    for call in [
        format!("cometchat_ensure_user('{waiting}')"),
        format!("cometchat_refresh_token('{stored}')"),
        format!("cometchat_revoke_tokens('{stored}')"),
    ] {
        assert_eq!(answer(&call, "errorCode"), "READ_ONLY", "{call}");
    }
    let mut admin = standby.admin(database);
    for change in ["backfill()", "resume()", "retry_failed()", &format!("enqueue('{stored}')")] {
        let error = admin.batch_execute(&format!("SELECT cometchat.{change}")).unwrap_err();
        assert_eq!(error.code().expect("a code").code(), "25006", "{change}");
    }
    admin.batch_execute("CALL cometchat.process_queue()").expect_err("a standby");
    drop(admin);
    assert_eq!(stack.chat.counters().requests, before);

    // What the primary wrote and the standby does not know counts as in flight.
    let unknown = sent(&stack) - synced(&stack, &standby);
    standby.pg_ctl(&["promote"]);
    everybody_arrives(&stack, &standby);
    let twice = sent_twice(&stack);
    assert!(twice <= unknown, "{twice} were sent twice, and {unknown} had not been known");
}

/// The old primary and the promoted standby, which has deleted and renamed a user that the old one has in
/// its queue: the old primary, as it lies there, knows nothing of it.
fn two_primaries() -> (Stack, Cluster, [String; 2]) {
    let (stack, standby) = about_to_drain();
    let fault = stack.chat.set_fault(Fault::delay(120_000).perform());
    drain_until(&stack, CONCURRENCY);
    catches_up(&stack, &standby);
    stack.db.cluster().lose();
    stack.chat.clear_fault(fault);
    standby.pg_ctl(&["promote"]);
    everybody_arrives(&stack, &standby);
    let mut users = standby.admin(stack.db.name());
    let sql = "SELECT id::text FROM auth.users ORDER BY id LIMIT 2";
    let ids: Vec<String> = users.query(sql, &[]).expect(sql).iter().map(|r| r.get(0)).collect();
    let sql = format!(
        "DELETE FROM auth.users WHERE id = '{}';
         UPDATE auth.users SET raw_user_meta_data = '{{\"full_name\": \"New\"}}' WHERE id = '{}'",
        ids[0], ids[1]
    );
    users.batch_execute(&sql).expect(&sql);
    let ids: [String; 2] = ids.try_into().expect("two users");
    eventually("CometChat knows", || agrees(&stack, &ids));
    // Whoever was in flight is looked at once more when nothing of the old primary's can come any more.
    let queued = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
    eventually("nothing is left to do", || {
        standby.ask(stack.db.name(), queued).as_deref() == Some("0")
    });
    stack.asked();
    (stack, standby, ids)
}

/// Whether CometChat has what the new primary says of the deleted and the renamed user.
fn agrees(stack: &Stack, [deleted, renamed]: &[String; 2]) -> bool {
    stack.is_deactivated(deleted.parse().expect("a uuid"))
        && stack.chat_user(renamed)["name"] == "New"
}

const PENDING: &str = "SELECT pending FROM cometchat.progress";

/// What docs/restore.md says of it.
#[test]
fn an_old_primary_that_returns_sends_its_queue_and_reconcile_mends_it() {
    let (stack, new, users) = two_primaries();
    let [deleted, renamed] = &users;
    let old = stack.db.cluster();
    old.come_back();
    eventually("it has sent its queue", || stack.value(PENDING).as_deref() == Some("0"));
    let failed =
        "SELECT string_agg(user_id || ' ' || error_code, ', ') FROM cometchat.failed_users";
    assert_eq!(stack.value(failed), Some(format!("{deleted} USER_DEACTIVATED")));
    assert!(stack.is_deactivated(deleted.parse().expect("a uuid")), "gone is gone");
    assert_ne!(stack.chat_user(renamed)["name"], "New", "it knows no better");
    assert_eq!(stack.app().user_count(), USERS);

    old.lose();
    let drifted = "SELECT string_agg(kind || ' ' || user_id, ', ') FROM cometchat.reconcile(true)";
    let mut admin = new.admin(stack.db.name());
    let found: Option<String> = admin.query_one(drifted, &[]).expect(drifted).get(0);
    assert_eq!(found, Some(format!("drifted {renamed}")));
    eventually("the new primary has mended it", || agrees(&stack, &users));
}

/// The ways of docs/restore.md to start an old primary, or a physical copy.
#[test]
fn an_old_primary_sends_nothing_as_a_standby_nor_paused_before_it_preloads() {
    let (stack, _new, users) = two_primaries();
    let old = stack.db.cluster();
    old.secret_file("data/standby.signal", "");
    old.come_back();
    assert_eq!(old.ask(stack.db.name(), "pg_is_in_recovery()").as_deref(), Some("true"));
    assert_eq!(old.ask("postgres", OURS).as_deref(), Some("0"));
    old.pg_ctl(&["-m", "fast", "stop"]);
    std::fs::remove_file(old.dir().join("data/standby.signal")).expect("remove it");

    old.pg_ctl(&["-o", "-c shared_preload_libraries=''", "start"]);
    stack.execute("SELECT cometchat.pause()");
    old.pg_ctl(&["-m", "fast", "restart", "-o", "-c shared_preload_libraries=cometchat_ext"]);
    stack.execute("SELECT cometchat.wake()");
    let paused = "SELECT paused_reason FROM cometchat.progress";
    assert_eq!(stack.value(paused).as_deref(), Some("OPERATOR"));
    let looked = "cometchat.worker_status() ->> 'launched'";
    eventually("its launcher has looked", || stack.value(looked).as_deref() == Some("true"));
    eventually("no worker stays", || old.ask("postgres", WORKERS).as_deref() == Some("0"));
    assert_eq!(stack.asked(), NOTHING);
    assert!(agrees(&stack, &users));
}

/// What waits for a synchronous standby, if there is one, is not forgotten by it: a promoted one knows that the
/// deactivation was ours.
#[test]
fn a_deactivation_is_not_sent_before_a_synchronous_standby_knows_of_it() {
    let stack = Stack::alone().sync();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.asked();
    let waits = |backend: &str| {
        let sql =
            format!("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND {backend}");
        !stack.db.admin().query(&sql, &[]).expect(&sql).is_empty()
    };
    stack.execute("ALTER SYSTEM SET synchronous_standby_names = 'away'");
    stack.execute("SELECT pg_reload_conf()");
    let mut written = Vec::new();
    eventually("commits wait", || {
        let write = "SELECT pg_logical_emit_message(true, '', '')";
        written.push(BlockedSession::with(stack.db.admin(), write));
        std::thread::sleep(Duration::from_millis(100));
        waits("backend_type = 'client backend'")
    });

    stack.execute(&format!(
        "SET synchronous_commit = local;
         UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{ada}'"
    ));
    eventually("its claim waits", || waits("backend_type = 'cometchat worker'"));
    assert_eq!(stack.asked(), NOTHING);

    // Whoever waits goes on.
    stack.execute("ALTER SYSTEM RESET synchronous_standby_names");
    stack.execute("SELECT pg_reload_conf()");
    eventually("she is deactivated", || stack.is_deactivated(ada));
}
