//! health() names each of our triggers that does not fire, and none of our tables stands in the way of a
//! publication.

use scenarios::{Session, Stack, NOTHING};
use uuid::Uuid;

const TRIGGERS: &str = "SELECT tgname::text FROM pg_trigger
                        WHERE tgrelid = 'auth.users'::regclass AND tgname LIKE 'cometchat%' ORDER BY 1";

/// What health() says of the triggers: ok, and the rest.
fn health(stack: &Stack) -> (bool, String) {
    let sql = "SELECT ok, concat_ws(' | ', detail, hint) FROM cometchat.health()
               WHERE check_name = 'auth trigger'";
    let row = stack.db.admin().query_one(sql, &[]).expect(sql);
    (row.get(0), row.get(1))
}

#[test]
fn health_names_each_trigger_that_is_disabled_replica_only_or_missing() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    assert!(health(&stack).0);
    let names = stack.db.admin().query(TRIGGERS, &[]).expect(TRIGGERS);
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    assert!(names.len() >= 3, "{names:?}");

    for name in names {
        for bad in [
            format!("ALTER TABLE auth.users DISABLE TRIGGER {name}"),
            format!("ALTER TABLE auth.users ENABLE REPLICA TRIGGER {name}"),
            format!("DROP TRIGGER {name} ON auth.users"),
        ] {
            stack.execute(&bad);
            let (ok, said) = health(&stack);
            assert!(
                !ok && said.contains(&name) && said.contains("enable_auth_trigger()"),
                "{bad}: {said}"
            );
            stack.execute("SELECT cometchat.enable_auth_trigger()");
            assert!(health(&stack).0, "{bad}");
        }
        stack.execute(&format!("ALTER TABLE auth.users ENABLE ALWAYS TRIGGER {name}"));
        assert!(health(&stack).0, "an operator may want it to");
    }
}

#[test]
fn health_names_a_trigger_that_is_old_or_disabled_on_a_partition() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth;
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email text) PARTITION BY HASH (id);
         CREATE TABLE auth.one PARTITION OF auth.users FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         SELECT cometchat.enable_auth_trigger()",
    );
    assert!(health(&stack).0, "{:?}", health(&stack));
    stack.execute("ALTER TABLE auth.one DISABLE TRIGGER cometchat_update");
    let (ok, said) = health(&stack);
    assert!(!ok && said.contains("cometchat_update on auth.one"), "{said}");
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    assert!(health(&stack).0);

    stack.execute(
        "DROP TRIGGER cometchat_update ON auth.users;
         CREATE TRIGGER cometchat_update AFTER UPDATE OF email ON auth.users FOR EACH ROW
         EXECUTE FUNCTION cometchat.on_auth_user_insert()",
    );
    let (ok, said) = health(&stack);
    assert!(!ok && said.contains("cometchat_update"), "{said}");
}

#[test]
fn an_id_that_is_not_a_uuid_is_refused_with_a_hint() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id text PRIMARY KEY, email text);
         INSERT INTO auth.users VALUES (gen_random_uuid()), (gen_random_uuid())",
    );
    let mut admin = Session::of(stack.db.admin());
    assert_eq!(admin.sqlstate("SELECT cometchat.enable_auth_trigger()"), "42804");
    let (ok, said) = health(&stack);
    assert!(!ok && said.contains("ALTER TABLE auth.users ALTER COLUMN id TYPE uuid"), "{said}");

    stack.execute("ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid");

    stack.execute("SELECT cometchat.enable_auth_trigger()");
    assert!(health(&stack).0);
    // And back: nobody can be queued, and nobody is hindered.
    stack.execute(
        "ALTER TABLE cometchat_users DROP CONSTRAINT cometchat_users_user_id_fkey;
         ALTER TABLE auth.users ALTER COLUMN id TYPE text;
         INSERT INTO auth.users VALUES ('nobody'); UPDATE auth.users SET email = 'x', id = id || 'x';
         DELETE FROM auth.users; TRUNCATE auth.users CASCADE",
    );
    assert!(!health(&stack).0);
}

#[test]
fn every_table_of_ours_has_a_replica_identity() {
    let stack = Stack::new();
    let without = "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class AS c
      JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
      WHERE c.relkind IN ('r', 'p') AND c.relreplident <> 'f' AND NOT EXISTS (
        SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid
          AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END)";
    assert_eq!(stack.value(without), None);
}

#[test]
fn a_publication_for_all_tables_breaks_nothing() {
    let stack = Stack::syncing();
    stack.execute("CREATE PUBLICATION everything FOR ALL TABLES");
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.trigger_misses").as_deref(), Some("1"));
    locker.batch_execute("COMMIT").expect("unlock");

    Session::of(stack.db.admin()).execute("SELECT cometchat.backfill()");

    assert_eq!(stack.value("SELECT count(*) FROM cometchat.trigger_misses").as_deref(), Some("0"));
    stack.settled(ada);
    assert_eq!(stack.chat_user(ada)["name"], "The Countess");
    stack.execute(&format!(
        "SELECT cometchat.pause(); SELECT cometchat.resume(); SELECT cometchat.retry_failed();
         DELETE FROM auth.users WHERE id = '{ada}'"
    ));
    scenarios::eventually("she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn deleting_a_user_unknown_to_cometchat_sends_nothing() {
    let stack = Stack::syncing();
    let users: Vec<Uuid> = (0..57).map(|_| Uuid::new_v4()).collect();
    let ids = users.iter().map(|id| format!("('{id}', true)")).collect::<Vec<_>>().join(", ");
    stack.execute(&format!("INSERT INTO auth.users (id, is_anonymous) VALUES {ids}"));
    users.iter().for_each(|user| stack.settled(*user));
    assert_eq!(stack.asked(), NOTHING);

    stack.execute("DELETE FROM auth.users WHERE is_anonymous");

    let state = "SELECT count(*) FROM cometchat.sync_state";
    scenarios::eventually("nothing is known of them", || {
        stack.value(state).as_deref() == Some("0")
    });
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn deleting_a_user_that_may_exist_in_cometchat_is_sent() {
    let stack = Stack::syncing();
    // A create whose answer was lost.
    let anonymous = |id: Uuid, is: bool| {
        stack.execute(&format!("INSERT INTO auth.users (id, is_anonymous) VALUES ('{id}', {is})"));
    };
    let (became, asked) = (Uuid::new_v4(), Uuid::new_v4());
    anonymous(became, true);
    stack.settled(became);
    stack.execute("SELECT cometchat.pause()");
    scenarios::eventually("the worker is asleep", || stack.worker().is_none());
    stack.change(became, "is_anonymous = false");
    // As after a crash in the middle of her create: a claim leaves its mark.
    stack.execute(&format!(
        "UPDATE cometchat.sync_state SET unsettled_until = now() WHERE user_id = '{became}'"
    ));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{became}'"));
    // And somebody who asked, whose session was cut off.
    anonymous(asked, true);
    stack.execute(&format!("SELECT cometchat.enqueue('{asked}')"));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{asked}'"));
    stack.asked();

    stack.execute("SELECT cometchat.resume()");

    scenarios::eventually("nothing is left to do", || {
        let open = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL
                    OR claim IS NOT NULL";
        stack.value(open).as_deref() == Some("0")
    });
    // Whoever is not there is no more than asked for.
    assert_eq!(stack.asked(), ["flush_tokens", "flush_tokens"]);
}
