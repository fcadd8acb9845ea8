//! A row that cannot be read is that row's failure: the others go on, in the same batch.

use scenarios::{eventually, Answer, Cluster, Database, Session, Stack, NOTHING};
use serde_json::json;
use simulator::Simulator;
use uuid::Uuid;

/// Whom the worker has given up on, and why.
fn failed(stack: &Stack) -> Option<String> {
    let sql = "SELECT string_agg(user_id || ' ' || error_code, ', ') FROM cometchat.failed_users";
    stack.value(sql)
}

#[track_caller]
fn fails_alone(stack: &Stack, user: Uuid) {
    let what = format!("{user} INVALID_DATA");
    eventually("the unreadable one has failed", || failed(stack) == Some(what.clone()));
}

/// Several users who are claimed together, `poison` done to the middle one's state before.
fn queued_together(stack: &Stack, poison: &str) -> (Uuid, Vec<Uuid>) {
    stack.execute("SELECT cometchat.pause()");
    let mut users = stack.sign_ups(9);
    let poisoned = users.remove(4);
    stack.execute(&poison.replace("$1", &format!("'{poisoned}'")));
    stack.execute("SELECT cometchat.resume()");
    (poisoned, users)
}

fn override_with(overrides: &str) -> String {
    format!("UPDATE cometchat.sync_state SET overrides = '{overrides}' WHERE user_id = $1")
}

fn deep(levels: usize) -> String {
    format!(r#"{{"metadata": {}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!((answer.code(), answer.error()), ("DATABASE", "Database error: INVALID_DATA"));
}

#[test]
fn unreadable_overrides_fail_only_their_user() {
    for overrides in [r#"{"metadata": {"a": 1e400}}"#.to_owned(), deep(200), "[1]".to_owned()] {
        let stack = Stack::syncing();
        let (poisoned, others) = queued_together(&stack, &override_with(&overrides));

        stack.all_arrive(&others);
        fails_alone(&stack, poisoned);
        assert_refused(&stack.session(poisoned).ensure(None, None, None));
        assert_eq!(stack.logged("cannot send").len(), 0);

        // What an operator says next replaces it.
        stack.enqueue(poisoned, &json!({"metadata": {"a": 1}}));
        stack.all_arrive(&[poisoned]);
        assert_eq!(failed(&stack), None);
    }
}

#[test]
fn unreadable_overrides_do_not_hinder_login_logout_or_ban() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.settled(ada);
    let token = stack.stored(ada).token.expect("a token");
    stack.session(ada).ensure(None, Some("Countess"), None).token();
    stack.settled(ada);
    stack.execute(&override_with(r#"{"tags": [1e400]}"#).replace("$1", &format!("'{ada}'")));
    stack.asked();

    let mut session = stack.session(ada);
    assert_eq!(session.ensure(None, None, None).token(), token);
    assert_eq!(stack.asked(), NOTHING);
    assert!(session.revoke(None).success());
    assert_refused(&session.ensure(None, None, None));
    assert_ne!(session.refresh(None).token(), token);
    let argument = "SELECT max(name_argument) FROM cometchat.sync_state";
    assert_eq!(stack.value(argument).as_deref(), Some("Countess"), "what she said is kept");

    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is deactivated there", || stack.is_deactivated(ada));
    stack.settled(ada);
    stack.change(ada, "banned_until = NULL");
    fails_alone(&stack, ada);
}

#[test]
fn an_infinite_time_blocks_no_user() {
    for moment in ["-infinity", "infinity"] {
        let poison = format!(
            "UPDATE cometchat.sync_state SET next_attempt_at = '{moment}' WHERE user_id = $1"
        );
        let stack = Stack::syncing();
        let (poisoned, others) = queued_together(&stack, &poison);

        stack.all_arrive(&others);
        stack.execute("SELECT count(*) FROM cometchat.health()");
        if moment == "-infinity" {
            stack.all_arrive(&[poisoned]);
        } else {
            // The only one who is queued, if resume() has not made them due.
            let bob = stack.sign_up("Bob Marley");
            stack.all_arrive(&[bob]);
        }
        assert_eq!(stack.logged("cannot send").len(), 0);
    }
}

/// A moment that cannot be read where it is null.
const MOMENT: &str = "CREATE TYPE auth.moment AS (at timestamptz);
    CREATE FUNCTION auth.read(auth.moment) RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN IF $1.at IS NULL THEN RAISE 'no moment'; END IF; RETURN $1.at; END $$;
    CREATE CAST (auth.moment AS timestamptz) WITH FUNCTION auth.read AS IMPLICIT;";

/// A database whose `auth.users` is somebody's own.
fn own_table(columns: &str) -> Stack {
    let db = Database::plain(Cluster::shared());
    let create = format!("CREATE SCHEMA auth; {MOMENT} CREATE TABLE auth.users ({columns})");
    db.admin().batch_execute(&create).expect(&create);
    let stack = Stack::on(db, Simulator::start());
    stack.execute("SELECT cometchat.resume()");
    stack
}

/// Five users of such a table, all queued in one transaction. The rest of the third one's row is
/// `odd`, the others' is `plain`.
fn queue(stack: &Stack, plain: &str, odd: &str) -> (Uuid, Vec<Uuid>) {
    let mut users: Vec<Uuid> = (0..5).map(|_| Uuid::new_v4()).collect();
    let mut sql = String::from("BEGIN;");
    for (n, user) in users.iter().enumerate() {
        let rest = if n == 2 { odd } else { plain };
        sql += &format!("INSERT INTO auth.users VALUES ('{user}', {rest});");
    }
    for user in &users {
        sql += &format!("SELECT cometchat.enqueue('{user}');");
    }
    stack.execute(&(sql + "COMMIT"));
    (users.remove(2), users)
}

/// A column, and in one row a value that cannot be read.
const UNREADABLE: [(&str, &str, &str); 4] = [
    ("raw_user_meta_data json", r#"'{"name": "A"}'"#, r#"'{"name": "A\u0000"}'"#),
    ("raw_user_meta_data text", r#"'{"name": "A"}'"#, "'name=A'"),
    ("is_anonymous text", "'no'", "'perhaps'"),
    // Whether this one is banned cannot be known.
    ("banned_until auth.moment", "ROW('-infinity')", "ROW(NULL)"),
];

#[test]
fn an_unreadable_row_of_auth_users_fails_only_its_user() {
    for (column, plain, odd) in UNREADABLE {
        let stack = own_table(&format!("id uuid PRIMARY KEY, {column}"));
        let (poisoned, others) = queue(&stack, plain, odd);

        stack.all_arrive(&others);
        fails_alone(&stack, poisoned);
        assert_refused(&stack.session(poisoned).ensure(None, None, None));
        let message = "SELECT max(error_message) FROM cometchat.failed_users";
        let message = stack.value(message).unwrap_or_default();
        assert!(message.starts_with("auth.users: SQLSTATE "), "{message}");
        assert_eq!(stack.logged("cannot send").len(), 0);

        stack.execute(&format!("DELETE FROM auth.users WHERE id = '{poisoned}'"));
        assert_eq!(stack.value("SELECT cometchat.retry_failed()").as_deref(), Some("1"));
        eventually("the failure is over", || failed(&stack).is_none());
    }
}

#[test]
fn a_ban_until_the_end_of_time_is_a_ban() {
    for (kind, moment) in
        [("date", "5874897-12-31"), ("timestamptz", "294276-12-31 23:59:59.9999 UTC")]
    {
        let stack = own_table(&format!("id uuid PRIMARY KEY, banned_until {kind}"));
        let (banned, others) = queue(&stack, "NULL", "NULL");
        stack.all_arrive(&others);
        stack.all_arrive(&[banned]);

        stack.execute(&format!(
            "UPDATE auth.users SET banned_until = '{moment}' WHERE id = '{banned}'"
        ));
        stack.enqueue(banned, &json!({}));

        eventually("the banned one is deactivated there", || stack.is_deactivated(banned));
        stack.settled(banned);
        let answer = stack.session(banned).ensure(None, None, None);
        assert_eq!(answer.code(), "USER_DEACTIVATED");
        assert_eq!(failed(&stack), None);
    }
}

#[test]
fn backfill_finds_all_users_despite_an_unreadable_row() {
    for (column, plain, odd) in UNREADABLE {
        let stack = own_table(&format!("id uuid PRIMARY KEY, {column}"));
        stack.execute("SELECT cometchat.pause()");
        let (_, others) = queue(&stack, plain, odd);
        stack.execute("DELETE FROM cometchat.sync_state WHERE true");

        assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("5"), "{column}");
        stack.execute("SELECT cometchat.resume()");
        stack.all_arrive(&others);
    }
}

#[test]
fn process_queue_skips_an_unreadable_row() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let users = stack.sign_ups(3);
    for user in &users {
        stack.enqueue(*user, &json!({}));
    }
    let poison = override_with(r#"{"metadata": {"a": 1e400}}"#);
    stack.execute(&poison.replace("$1", &format!("'{}'", users[1])));

    Session::of(stack.db.admin()).execute("CALL cometchat.process_queue()");

    stack.all_arrive(&[users[0], users[2]]);
    fails_alone(&stack, users[1]);
}

#[test]
fn text_ids_are_read_and_malformed_ones_are_skipped() {
    let stack = own_table("id text PRIMARY KEY, email text");
    stack.execute("INSERT INTO auth.users VALUES ('not a uuid', ''), ('', ''), ('zzz', '')");
    let (upper, mut users) = queue(&stack, "'a@example.com'", "'b@example.com'");
    stack.execute(&format!("UPDATE auth.users SET id = upper(id) WHERE id = '{upper}'"));
    users.push(upper);
    stack.all_arrive(&users);

    stack.session(upper).ensure(None, None, None).token();
    let nobody = stack.session(Uuid::new_v4()).ensure(None, None, None);
    assert_eq!(nobody.code(), "INVALID_INPUT");
    let later = Uuid::new_v4();
    stack.execute(&format!("INSERT INTO auth.users VALUES ('{later}', '')"));
    assert_eq!(stack.value("SELECT cometchat.backfill()").as_deref(), Some("1"));
    stack.all_arrive(&[later]);
    assert_eq!(failed(&stack), None);
}

#[test]
fn an_error_that_concerns_all_users_fails_no_user() {
    for (harm, mend, said) in [
        (
            "REVOKE ALL ON auth.users FROM supabase_auth_admin",
            "GRANT ALL ON auth.users TO supabase_auth_admin",
            "42501",
        ),
        (
            "ALTER TABLE auth.users RENAME TO people",
            "ALTER TABLE auth.people RENAME TO users",
            "42P01",
        ),
        (
            "ALTER TABLE cometchat.sync_state RENAME overrides TO others",
            "ALTER TABLE cometchat.sync_state RENAME others TO overrides",
            "42703",
        ),
    ] {
        for count in [1, 5] {
            let stack = Stack::syncing();
            let ada = stack.sign_up("Ada Lovelace");
            stack.settled(ada);
            stack.execute("SELECT cometchat.pause()");
            let users = stack.sign_ups(count);
            stack.execute(harm);
            stack.execute("SELECT cometchat.resume()");
            eventually("it is said", || {
                stack.logged("cannot send").iter().any(|line| line.contains(said))
            });
            assert_eq!(failed(&stack), None, "{harm}");

            stack.execute(mend);
            stack.all_arrive(&users);
            assert_eq!(failed(&stack), None, "{harm}");
        }
    }
}
