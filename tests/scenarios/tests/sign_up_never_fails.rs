//! A sign-up never fails because of chat, whatever is wrong with CometChat, us, or the server.

use scenarios::blocked_session::BlockedSession;
use scenarios::health::health;
use scenarios::{eventually, Cluster, Database, Stack};
use simulator::{Fault, FaultKind, ListenerState, Simulator};
use uuid::Uuid;

const FAILURES: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cometchat.trigger_failures";

/// Signs people up while CometChat is in the state that `break_it` brings about, and shows that
/// they arrive once it is mended.
#[track_caller]
fn commits_while(break_it: impl FnOnce(&Stack)) {
    let stack = Stack::syncing();
    break_it(&stack);

    let users: Vec<Uuid> = (0..5).map(|n| stack.sign_up(&format!("User {n}"))).collect();

    let queued = "SELECT count(*) FROM cometchat.sync_state";
    assert_eq!(stack.value(queued).as_deref(), Some("5"));
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
    stack.chat.clear_faults();
    stack.chat.set_listener(ListenerState::Open);
    stack.execute("SELECT pg_reload_conf()"); // has a paused worker look again at once
    eventually("all have arrived", || users.iter().all(|u| stack.stored(*u).token.is_some()));
}

#[test]
fn a_sign_up_commits_with_cometchat_down_or_silent() {
    commits_while(|stack| assert!(stack.chat.set_listener(ListenerState::Closed)));
    commits_while(|stack| {
        stack.db.set("cometchat.request_timeout", Some("500ms"));
        stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    });
}

#[test]
fn a_sign_up_commits_with_cometchat_failing_or_refusing() {
    for (status, code) in [
        (500, "ERR_EXCEPTION"),
        (401, "AUTH_ERR_APIKEY_NOT_FOUND"),
        (402, "ERR_PLAN_QUOTA_RESTRICTION"),
    ] {
        commits_while(|stack| {
            stack.chat.set_fault(Fault::status(status, code));
        });
    }
}

#[test]
fn a_sign_up_commits_with_cometchat_throttling_or_sending_garbage() {
    commits_while(|stack| {
        let fault = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "1");
        stack.chat.set_fault(fault);
    });
    commits_while(|stack| {
        stack.chat.set_fault(Fault::new(FaultKind::Garbage { bytes: "\u{1}no http\n".into() }));
    });
}

/// Signs somebody up while our objects are in the state that `break_it` brings about: the user is
/// there afterwards, and a WARNING was given.
#[track_caller]
fn commits_with_a_warning(stack: &Stack) -> Uuid {
    let (mut client, notices) = stack.db.connect_keeping_notices("supabase_auth_admin");
    let id = Uuid::new_v4();
    client.execute("INSERT INTO auth.users (id) VALUES ($1)", &[&id]).expect("the sign-up");
    assert_eq!(notices.list(), ["could not queue a user for CometChat"]);
    let there = format!("SELECT count(*) FROM auth.users WHERE id = '{id}'");
    assert_eq!(stack.value(&there).as_deref(), Some("1"));
    id
}

#[test]
fn a_sign_up_commits_while_the_state_is_locked_and_the_worker_finds_the_user() {
    let stack = Stack::syncing();
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; LOCK TABLE cometchat.sync_state").expect("lock");

    let id = commits_with_a_warning(&stack);

    assert_eq!(stack.value(FAILURES).as_deref(), Some("1"));
    locker.batch_execute("COMMIT").expect("unlock");
    eventually("the user arrives", || stack.stored(id).token.is_some());
}

#[test]
fn where_no_worker_runs_backfill_finds_the_user() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; LOCK TABLE cometchat.sync_state").expect("lock");

    let id = commits_with_a_warning(&stack);
    let gone = stack.sign_up("Soon Gone");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{gone}'"));

    assert_eq!(stack.value(FAILURES).as_deref(), Some("3"));
    locker.batch_execute("COMMIT").expect("unlock");
    let unwell = "SELECT count(*) FROM cometchat.health() WHERE NOT ok
                  AND check_name = 'trigger errors' AND hint LIKE '%backfill%'";
    assert_eq!(stack.value(unwell).as_deref(), Some("1"));
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("2"));
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("0"));
    stack.execute("SELECT cometchat.resume()");
    eventually("the user arrives", || stack.stored(id).token.is_some());
}

#[test]
fn a_sign_up_commits_while_its_own_row_of_the_state_is_locked() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("the user arrives", || stack.stored(ada).token.is_some());
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");

    stack.change(ada, "email = 'new@example.com'");

    assert_eq!(stack.value(FAILURES).as_deref(), Some("1"));
}

#[test]
fn a_sign_up_commits_with_the_state_gone() {
    let stack = Stack::syncing();
    stack.execute(
        "ALTER EXTENSION cometchat_ext DROP TABLE cometchat.sync_state;
         ALTER EXTENSION cometchat_ext DROP VIEW cometchat.failed_users;
         ALTER EXTENSION cometchat_ext DROP VIEW cometchat.attempts;
         ALTER EXTENSION cometchat_ext DROP VIEW cometchat.stats;
         ALTER EXTENSION cometchat_ext DROP VIEW cometchat.progress;
         DROP TABLE cometchat.sync_state CASCADE",
    );
    let id = commits_with_a_warning(&stack);
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{id}'"));
}

#[test]
fn a_sign_up_commits_with_the_grants_of_the_owner_gone() {
    let stack = Stack::syncing();
    let powerless = format!("powerless_{}", std::process::id());
    stack.execute(&format!(
        "CREATE ROLE {powerless} NOLOGIN;
         ALTER FUNCTION cometchat.on_auth_user_insert() OWNER TO {powerless};
         GRANT USAGE ON SCHEMA cometchat TO {powerless};
         GRANT EXECUTE ON FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean) TO {powerless}"
    ));
    commits_with_a_warning(&stack);

    // Not even the schema is to be seen any more: nobody can be told, and still it commits.
    stack.execute(&format!("REVOKE ALL ON SCHEMA cometchat FROM {powerless}"));
    let ada = stack.sign_up("Ada Lovelace");
    let there = format!("SELECT count(*) FROM auth.users WHERE id = '{ada}'");
    assert_eq!(stack.value(&there).as_deref(), Some("1"));
    stack.execute(&format!(
        "REASSIGN OWNED BY {powerless} TO CURRENT_USER; DROP OWNED BY {powerless};
         DROP ROLE {powerless}"
    ));
}

#[test]
fn a_sign_up_commits_and_is_noted_with_the_library_missing() {
    let db = Database::like_supabase(Cluster::start(&[]));
    let stack = Stack::on(db, Simulator::start());
    stack.execute(
        "SELECT cometchat.enable_auth_trigger();
         UPDATE pg_proc SET probin = '$libdir/nowhere' WHERE probin = '$libdir/cometchat_ext'",
    );

    let (mut client, notices) = stack.db.connect_keeping_notices("supabase_auth_admin");
    let id = Uuid::new_v4();
    client.execute("INSERT INTO auth.users (id) VALUES ($1)", &[&id]).expect("the sign-up");
    client.execute("UPDATE auth.users SET phone = '1' WHERE id = $1", &[&id]).expect("an edit");

    let warning = "could not queue a user for CometChat";
    assert_eq!(notices.list(), [warning; 2]);
    let noted = "SELECT count(DISTINCT user_id) FROM cometchat.trigger_misses";
    assert_eq!(stack.value(noted).as_deref(), Some("1"));
    client.execute("DELETE FROM auth.users WHERE id = $1", &[&id]).expect("a deletion");
}

#[test]
fn sign_ups_do_not_wait_for_a_request_that_hangs() {
    let stack = Stack::syncing();
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    stack.sign_up("Ada Lovelace");
    eventually("a request hangs", || stack.chat.counters().in_flight > 0);

    let sql = "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 1000)";
    let done = BlockedSession::with(stack.db.connect("supabase_auth_admin"), sql).done();

    assert!(done.result.is_ok());
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
}

/// `on_auth_user_insert()` tries an INSERT of its own before `mark_due()`, which is faster.
#[test]
fn a_sign_up_marks_a_user_as_mark_due_does() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let known = "'-infinity', 7, 3, 5, '2020-01-01', 'ERR_X', 'why', 'ada'";
    for before in [None, Some(known)] {
        let (signed_up, marked) = (Uuid::new_v4(), Uuid::new_v4());
        for user in [signed_up, marked].iter().filter(|_| before.is_some()) {
            stack.execute(&format!(
                "INSERT INTO cometchat.sync_state (user_id, next_attempt_at, wanted_revision,
                   synced_revision, attempts, failed_at, error_code, error_message, cometchat_uid)
                 VALUES ('{user}', {})",
                before.unwrap_or_default()
            ));
        }

        // One transaction, and so one now().
        stack.execute(&format!(
            "INSERT INTO auth.users (id) VALUES ('{signed_up}');
             SELECT cometchat.mark_due('{marked}')"
        ));

        let state = |user| {
            let sql = "SELECT to_jsonb(s) - 'user_id' FROM cometchat.sync_state AS s";
            stack.value(&format!("{sql} WHERE s.user_id = '{user}'")).expect("a row")
        };
        assert_eq!(state(signed_up), state(marked));
        assert!(state(marked).contains("\"failed_at\": null"), "{}", state(marked));
    }
}

/// A deletion reads the mapping, and its cascade writes to it: whoever locks it, and locks it more strongly later, a
/// migration say, is in nobody's way.
#[test]
fn a_deletion_beside_a_migration_of_the_mapping_is_no_deadlock() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.map(ada, "ada-1", None);
    let mut migration = stack.db.admin();
    migration
        .batch_execute("BEGIN; CREATE INDEX odd ON public.cometchat_users (created_at)")
        .expect("the migration begins");
    let sql = format!("DELETE FROM auth.users WHERE id = '{ada}'");
    let deletion = BlockedSession::with(stack.db.admin(), &sql);
    let waits =
        format!("SELECT count(*) FROM pg_locks WHERE pid = {} AND NOT granted", deletion.process.0);
    eventually("the cascade waits", || stack.value(&waits).as_deref() == Some("1"));
    migration
        .batch_execute("ALTER TABLE public.cometchat_users ADD COLUMN odd integer; COMMIT")
        .expect("the migration ends");
    deletion.done().result.expect("the deletion");
    let uid = format!("SELECT cometchat_uid FROM cometchat.sync_state WHERE user_id = '{ada}'");
    assert_eq!(stack.value(&uid).as_deref(), Some("ada-1"), "who is to be deactivated");
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
}

/// An event trigger that turns row security on for every new table, or a script that does it for all there are.
#[test]
fn row_security_on_our_own_tables_changes_nothing() {
    let everywhere = "DO $$ DECLARE ours regclass; BEGIN
        FOR ours IN SELECT oid FROM pg_class WHERE relnamespace = 'cometchat'::regnamespace AND relkind = 'r' LOOP
          EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', ours);
          EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', ours);
        END LOOP; END $$";
    let stack = Stack::new();
    stack.execute(everywhere);
    let stack = stack.sync();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.session(ada).ensure(None, Some("Ada"), None).token();
    stack.execute("SELECT cometchat.pause(), cometchat.resume(), cometchat.backfill()");
    stack.change(ada, "banned_until = now() + interval '1 hour'");
    eventually("deactivated", || stack.is_deactivated(ada));
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
    let bad: Vec<_> = health(&stack.db).into_iter().filter(|row| !row.ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// Rows come without the sequence, by logical replication say: then new ids are made free, and nobody fails.
#[test]
fn ids_that_are_taken_cost_nobody_the_chat() {
    let stack = Stack::new();
    let take = "INSERT INTO public.cometchat_users (id, user_id, cometchat_uid) OVERRIDING SYSTEM VALUE
                SELECT n + (SELECT COALESCE(max(id), 0) FROM public.cometchat_users), gen_random_uuid(), 'taken-' || random()
                FROM generate_series(1, 50) AS n";
    // Of a database whose auth.users is elsewhere.
    stack.execute("SELECT cometchat.drop_foreign_key()");
    stack.execute(take);
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.execute(take);
    let stack = stack.sync();
    let users = stack.sign_ups(3);
    stack.all_arrive(&users);
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.failed_users").as_deref(), Some("0"));
}
