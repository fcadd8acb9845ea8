//! Every way in which rows of `auth.users` come, change and go is seen by our triggers.

use scenarios::{eventually, Session, Stack, NOTHING};
use serde_json::json;
use uuid::Uuid;

const FAILURES: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cometchat.trigger_failures";

/// Some users who have arrived.
fn with_users(count: usize) -> (Stack, Vec<Uuid>) {
    let stack = Stack::syncing();
    let users = stack.sign_ups(count);
    stack.all_arrive(&users);
    users.iter().for_each(|user| stack.settled(*user));
    (stack, users)
}

#[track_caller]
fn all_are_deactivated(stack: &Stack, users: &[Uuid]) {
    eventually("all are deactivated", || users.iter().all(|user| stack.is_deactivated(*user)));
}

#[test]
fn truncate_is_sent_like_a_deletion() {
    let (stack, users) = with_users(5);
    stack.enqueue(users[0], &json!({"link": "https://example.com/ada"}));
    stack.settled(users[0]);

    stack.execute("TRUNCATE auth.users CASCADE");

    all_are_deactivated(&stack, &users);
    let kept = "SELECT count(*) FROM cometchat.sync_state
                WHERE num_nonnulls(overrides, name_argument, email_argument) > 0";
    eventually("nothing of theirs is left", || stack.value(kept).as_deref() == Some("0"));
    // Once more, of nobody, is nobody's work.
    stack.asked();
    stack.execute("TRUNCATE auth.users CASCADE");
    let other = stack.sign_ups(1);
    stack.all_arrive(&other);
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn truncate_works_without_privileges_of_ours_and_without_the_foreign_key() {
    let (stack, users) = with_users(2);
    stack.execute(
        "GRANT USAGE ON SCHEMA auth TO supabase_storage_admin;
         GRANT TRUNCATE ON ALL TABLES IN SCHEMA auth, public TO supabase_storage_admin",
    );
    let mut role = Session::of(stack.db.connect("supabase_storage_admin"));
    role.execute("TRUNCATE auth.users CASCADE");
    all_are_deactivated(&stack, &users);

    stack.execute("ALTER TABLE cometchat_users DROP CONSTRAINT cometchat_users_user_id_fkey");
    let users = stack.sign_ups(2);
    stack.all_arrive(&users);
    role.execute("TRUNCATE auth.users CASCADE");
    all_are_deactivated(&stack, &users);
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
}

#[test]
fn truncate_that_is_rolled_back_changes_nothing() {
    let (stack, users) = with_users(2);
    stack.asked();
    stack.execute("BEGIN; TRUNCATE auth.users CASCADE; ROLLBACK");
    let other = stack.sign_ups(1);
    stack.all_arrive(&other);
    assert_eq!(stack.asked(), ["create_user"]);
    assert!(stack.stored(users[0]).token.is_some());
}

#[test]
fn truncate_waits_for_no_lock_of_ours_and_misses_no_user() {
    for lock in [
        "SELECT FROM cometchat.sync_state FOR UPDATE",
        "LOCK TABLE cometchat.sync_state IN EXCLUSIVE MODE",
        "LOCK TABLE cometchat.sync_state",
    ] {
        let (stack, users) = with_users(3);
        let mut locker = stack.db.admin();
        locker.batch_execute(&format!("BEGIN; {lock}")).expect(lock);
        let mut session = Session::of(stack.db.admin());
        session.execute("SET statement_timeout = '10s'; TRUNCATE auth.users CASCADE");
        assert_ne!(stack.value(FAILURES).as_deref(), Some("0"), "{lock}");
        locker.batch_execute("COMMIT").expect("unlock");

        stack.execute("SELECT cometchat.backfill()");

        all_are_deactivated(&stack, &users);
    }
}

#[test]
fn truncate_of_a_partition_is_seen_where_it_empties_the_mapping() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE auth.low PARTITION OF auth.users
           FOR VALUES FROM (MINVALUE) TO ('80000000-0000-0000-0000-000000000000');
         CREATE TABLE auth.rest PARTITION OF auth.users DEFAULT;
         SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    );
    let [low, high] = ["0", "f"].map(|first| {
        let id = format!("{first}{}", &Uuid::new_v4().to_string()[1..]);
        stack.execute(&format!("INSERT INTO auth.users VALUES ('{id}')"));
        id.parse().expect("a uuid")
    });
    stack.all_arrive(&[low, high]);

    stack.execute("TRUNCATE auth.low CASCADE");

    all_are_deactivated(&stack, &[low]);
    stack.settled(high);
    assert!(!stack.is_deactivated(high));
    assert!(!stack.session(high).ensure(None, None, None).token().is_empty());
}

/// `auth.users`, partitioned.
fn partitioned() -> Stack {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth;
         CREATE TABLE auth.users (id uuid, region text, email text, banned_until timestamptz,
                                  PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE auth.users_eu PARTITION OF auth.users FOR VALUES IN ('eu');
         CREATE TABLE auth.users_us (email text, id uuid NOT NULL, region text NOT NULL,
                                     banned_until timestamptz);
         ALTER TABLE auth.users ATTACH PARTITION auth.users_us FOR VALUES IN ('us');
         SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    );
    stack
}

fn insert(stack: &Stack, region: &str) -> Uuid {
    let id = Uuid::new_v4();
    stack.execute(&format!("INSERT INTO auth.users (id, region) VALUES ('{id}', '{region}')"));
    id
}

#[test]
fn attached_and_detached_partitions_are_seen_and_moved_rows_stay() {
    let stack = partitioned();
    stack.execute("CREATE TABLE auth.users_in PARTITION OF auth.users FOR VALUES IN ('in')");
    let users = ["eu", "us", "in"].map(|region| insert(&stack, region));
    stack.all_arrive(&users);
    stack.enqueue(users[0], &json!({"name": "Countess"}));
    users.iter().for_each(|user| stack.settled(*user));
    stack.asked();

    stack.execute(&format!("UPDATE auth.users SET region = 'us' WHERE id = '{}'", users[0]));
    stack.settled(users[0]);
    assert_eq!(stack.asked(), NOTHING, "she has only moved");
    assert_eq!(stack.chat_user(users[0])["name"], "Countess");

    stack.execute("UPDATE auth.users SET banned_until = 'infinity' WHERE region = 'us'");
    all_are_deactivated(&stack, &users[..2]);
    stack.execute("DELETE FROM auth.users WHERE region = 'in'");
    all_are_deactivated(&stack, &users);
    // A partition that is detached is no part of it any more.
    stack.execute("ALTER TABLE auth.users DETACH PARTITION auth.users_in");
    stack.execute(&format!(
        "INSERT INTO auth.users_in (id, region) VALUES ('{}', 'in')",
        Uuid::new_v4()
    ));
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
}

#[test]
fn every_statement_that_writes_is_seen() {
    let stack = Stack::syncing();
    let [a, b, c, d] = [(); 4].map(|()| Uuid::new_v4());
    stack.execute(&format!(
        "INSERT INTO auth.users (id) VALUES ('{a}') ON CONFLICT (id) DO NOTHING;
         MERGE INTO auth.users AS u USING (VALUES ('{b}'::uuid)) AS n(id) ON u.id = n.id
           WHEN NOT MATCHED THEN INSERT (id) VALUES (n.id) WHEN MATCHED THEN DELETE;
         WITH new AS (INSERT INTO auth.users (id) VALUES ('{c}') RETURNING 1) SELECT * FROM new"
    ));
    let mut admin = stack.db.admin();
    let mut copy = admin.copy_in("COPY auth.users (id) FROM STDIN").expect("COPY");
    std::io::Write::write_all(&mut copy, format!("{d}\n").as_bytes()).expect("a row");
    copy.finish().expect("COPY");
    stack.all_arrive(&[a, b, c, d]);

    stack.execute(&format!(
        "INSERT INTO auth.users (id) VALUES ('{a}')
           ON CONFLICT (id) DO UPDATE SET banned_until = 'infinity';
         MERGE INTO auth.users AS u USING (VALUES ('{b}'::uuid)) AS n(id) ON u.id = n.id
           WHEN NOT MATCHED THEN INSERT (id) VALUES (n.id) WHEN MATCHED THEN DELETE;
         WITH old AS (DELETE FROM auth.users WHERE id = '{c}' RETURNING 1) SELECT * FROM old"
    ));
    all_are_deactivated(&stack, &[a, b, c]);
    assert_eq!(stack.value(FAILURES).as_deref(), Some("0"));
}

#[test]
fn a_changed_id_deletes_one_user_and_creates_another() {
    let (stack, users) = with_users(1);
    stack.execute("ALTER TABLE cometchat_users DROP CONSTRAINT cometchat_users_user_id_fkey");
    let new = Uuid::new_v4();

    stack.change(users[0], &format!("id = '{new}'"));

    stack.all_arrive(&[new]);
    all_are_deactivated(&stack, &users);
}

#[test]
fn the_row_counts_as_other_triggers_leave_it() {
    let (stack, users) = with_users(1);
    stack.execute(
        "CREATE FUNCTION public.ban() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN NEW.banned_until := ''infinity''; RETURN NEW; END';
         CREATE TRIGGER zz_ban BEFORE UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION public.ban()",
    );
    stack.change(users[0], "last_sign_in_at = now()");
    all_are_deactivated(&stack, &users);

    stack.execute("DROP TRIGGER zz_ban ON auth.users");
    let id = users[0];
    let change = |what: &str| format!("UPDATE auth.users SET {what} WHERE id = '{id}';");
    stack.execute(&format!(
        "BEGIN; {} {} {} SAVEPOINT s; {} ROLLBACK TO s; COMMIT",
        change("banned_until = NULL"),
        change("raw_user_meta_data = '{\"name\": \"One\"}'"),
        change("raw_user_meta_data = '{\"name\": \"Two\"}'"),
        change("banned_until = 'infinity'"),
    ));
    eventually("only the end counts", || {
        !stack.is_deactivated(id) && stack.chat_user(id)["name"] == "Two"
    });
}
