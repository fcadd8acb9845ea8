//! One statement over all users: its locks are bounded, and nobody is in anybody's way.

use std::thread;
use std::time::Duration;

use scenarios::{eventually, Answer, Cluster, Database, Session, Stack};
use simulator::Simulator;
use uuid::Uuid;

/// Locks that a transaction may keep, whatever it does: of tables, indexes and users.
const FEW: i64 = 120;

/// More users than that.
const MANY: usize = 200;

const ENSURE_ALL: &str =
    "SELECT count(*) FILTER (WHERE public.cometchat_ensure_user(id) ->> 'success' = 'true')
     FROM auth.users";

fn count(session: &mut Session, sql: &str) -> i64 {
    session.client.query_one(sql, &[]).expect(sql).get(0)
}

/// The heavyweight locks that a session holds now.
fn locks(session: &mut Session) -> i64 {
    count(session, "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
}

/// Users of whom the database knew nothing but the row, in the order in which a bulk asks for them.
fn many_users(stack: &Stack, count: usize) -> Vec<Uuid> {
    let users = "INSERT INTO auth.users (id, raw_user_meta_data)
                 SELECT gen_random_uuid(), jsonb_build_object('full_name', 'User ' || n)
                 FROM generate_series(1, $1) AS n RETURNING id";
    let rows = stack.db.admin().query(users, &[&(count as i32)]).expect(users);
    rows.iter().map(|row| row.get(0)).collect()
}

/// A transaction that has asked for all of them, in their order, and is not committed.
fn in_bulk(stack: &Stack, users: &[Uuid], call: &str) -> Session {
    let mut session = stack.service();
    session.execute("SET statement_timeout = 0; BEGIN");
    let sql = format!(
        "SELECT {call}(u.id) FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, n) ORDER BY u.n"
    );
    let rows = session.client.query(&sql, &[&users]).expect(&sql);
    assert!(rows.iter().all(|row| Answer(row.get(0)).success()));
    session
}

#[test]
fn a_transaction_over_many_users_keeps_few_locks() {
    let stack = Stack::new();
    stack.without_deadlines();
    let users = many_users(&stack, MANY);
    for call in ["ensure_user", "refresh_token", "revoke_tokens", "ensure_user"] {
        let mut session = in_bulk(&stack, &users, &format!("public.cometchat_{call}"));
        let held = locks(&mut session);
        assert!(held < FEW, "{held} locks after {call}");
        session.execute("COMMIT");
        assert!(locks(&mut session) < 5, "none outlives the transaction");
    }
    assert_eq!(stack.app().user_count(), MANY);
    assert!(users.iter().all(|user| stack.stored(*user).token.is_some()));
}

#[test]
fn a_server_with_few_locks_completes_it() {
    let conf = [
        "shared_preload_libraries = 'cometchat_ext'",
        "max_locks_per_transaction = 10",
        "max_connections = 20",
    ];
    let stack = Stack::on(Database::like_supabase(Cluster::start(&conf)), Simulator::start());
    many_users(&stack, 1500);

    let mut session = Session::of(stack.db.admin());
    assert_eq!(count(&mut session, ENSURE_ALL), 1500);

    assert_eq!(stack.app().user_count(), 1500);
    assert_eq!(count(&mut session, ENSURE_ALL), 1500);
    assert_eq!(
        stack.chat.counters().requests,
        1500,
        "what is stored is answered without a request"
    );
}

/// Whether somebody waits for a row, or a lock of ours, of this database.
fn somebody_waits(stack: &Stack) -> bool {
    let sql = "SELECT count(*) > 0 FROM pg_stat_activity AS a
               WHERE a.datname = current_database() AND a.state = 'active'
                 AND a.query LIKE '%cometchat_%($1%' AND a.pid <> pg_backend_pid()";
    stack.db.admin().query_one(sql, &[]).expect(sql).get(0)
}

#[track_caller]
fn meanwhile(
    stack: &Stack,
    bulk: &mut Session,
    end: &str,
    call: fn(&mut Session) -> Answer,
    user: Uuid,
) -> Answer {
    let mut other = stack.session(user);
    other.execute("SET statement_timeout = 0");
    thread::scope(|scope| {
        let waiting = scope.spawn(move || call(&mut other));
        eventually("the call is under way", || somebody_waits(stack));
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "it waits for what the transaction makes of the user");
        bulk.execute(end);
        waiting.join().expect("the thread")
    })
}

#[test]
fn a_concurrent_login_gets_the_token_that_is_being_stored() {
    for user in [0, MANY - 1] {
        let stack = Stack::new();
        stack.without_deadlines();
        let users = many_users(&stack, MANY);
        let mut bulk = in_bulk(&stack, &users, "public.cometchat_ensure_user");
        let user = users[user];

        let answer = meanwhile(&stack, &mut bulk, "COMMIT", |s| s.ensure(None, None, None), user);

        assert_eq!(Some(answer.token()), stack.stored(user).token);
        assert_eq!(stack.app().tokens(&user.to_string()), [answer.token()]);
    }
}

#[test]
fn a_concurrent_revocation_kills_the_token_that_is_being_stored() {
    let stack = Stack::new();
    stack.without_deadlines();
    let users = many_users(&stack, MANY);
    let mut bulk = in_bulk(&stack, &users, "public.cometchat_ensure_user");
    let user = users[MANY - 1];

    let answer = meanwhile(&stack, &mut bulk, "COMMIT", |s| s.revoke(None), user);

    assert!(answer.success(), "{answer:?}");
    assert_eq!(stack.stored(user).token, None);
    assert!(stack.app().tokens(&user.to_string()).is_empty());
}

#[test]
fn a_rolled_back_bulk_statement_is_repaired_by_the_next_call() {
    let stack = Stack::new();
    stack.without_deadlines();
    let users = many_users(&stack, MANY);
    let mut bulk = in_bulk(&stack, &users, "public.cometchat_ensure_user");
    let user = users[MANY - 1];

    let answer = meanwhile(&stack, &mut bulk, "ROLLBACK", |s| s.ensure(None, None, None), user);

    assert!(stack.app().tokens(&user.to_string()).contains(&answer.token()));
    assert_eq!(stack.stored(user).token, Some(answer.token()));
}
