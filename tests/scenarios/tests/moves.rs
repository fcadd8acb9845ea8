//! The ground under the extension moves: schemas are dropped and made again, tables come late, rows come by
//! replication. Sign-ups commit, and whoever is there in the end is in CometChat, once.

use scenarios::{eventually, Cluster, Database, Stack, NOTHING};
use simulator::{Filter, Simulator};
use uuid::Uuid;

/// How often CometChat was asked to create this user.
fn creates(stack: &Stack, user: Uuid) -> usize {
    let filter = Filter {
        operation: Some("create_user".into()),
        uid: Some(user.to_string()),
        ..Filter::default()
    };
    stack.chat.requests_where(&filter).len()
}

/// As `prisma migrate reset` and `supabase db reset` do it: the extension goes with the schema `public`, in which it is.
#[test]
fn dropping_the_schema_public_takes_everything_along_and_a_new_install_adopts_everybody() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.all_arrive(&[ada]);
    stack.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'cometchat'";
    assert_eq!(stack.value(left).as_deref(), Some("0"));
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'cometchat%'";
    assert_eq!(stack.value(triggers).as_deref(), Some("0"));

    let bob = stack.sign_up("Bob Marley"); // commits
    let worker = "SELECT count(*) FROM pg_stat_activity
                  WHERE backend_type = 'cometchat worker' AND datname = current_database()";
    eventually("the worker has left", || stack.value(worker).as_deref() == Some("0"));
    stack.asked();

    stack.execute("CREATE EXTENSION cometchat_ext");
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.backfill()");
    stack.all_arrive(&[ada, bob]);
    // She is there already, and is adopted.
    assert_eq!(stack.app().user_count(), 2);
}

#[test]
fn an_auth_users_that_comes_after_its_users_is_attached_without_the_foreign_key() {
    let stack = Stack::plain();
    let (ada, bob) = (Uuid::new_v4(), Uuid::new_v4());
    for user in [ada, bob] {
        stack.execute(&format!("SELECT cometchat_ensure_user('{user}', 'Somebody')"));
    }
    stack.execute("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY)");
    stack.execute(&format!("INSERT INTO auth.users VALUES ('{ada}')"));
    let key = "SELECT count(*) FROM pg_constraint WHERE conname = 'cometchat_users_user_id_fkey'";

    let mut warnings = Vec::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    eventually("the warning is logged", || {
        let log = stack.db.cluster().log();
        let ours = log.lines().filter(|line| line.contains(&format!("@{}", stack.db.name())));
        warnings = ours
            .filter(|line| line.contains("foreign key from cometchat_users"))
            .map(str::to_owned)
            .collect();
        !warnings.is_empty()
    });
    assert_eq!(stack.value(key).as_deref(), Some("0"));
    let attached = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgname LIKE 'cometchat%'";
    assert_eq!(stack.value(attached).as_deref(), Some("5"));

    // As the hint says.
    stack.execute(&format!("INSERT INTO auth.users VALUES ('{bob}')"));
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    assert_eq!(stack.value(key).as_deref(), Some("1"));
}

/// The trigger of the README on a table of one's own.
#[test]
fn drop_extension_takes_a_trigger_along_that_depends_on_it() {
    let stack = Stack::syncing();
    stack.execute(
        "CREATE TABLE members (user_id uuid PRIMARY KEY);
         CREATE TRIGGER tell_cometchat AFTER INSERT OR UPDATE ON members
         FOR EACH ROW EXECUTE FUNCTION cometchat.enqueue_row('user_id')",
    );
    let error =
        stack.db.admin().batch_execute("DROP EXTENSION cometchat_ext").expect_err("it depends");
    assert_eq!(error.code().map(|code| code.code()), Some("2BP01"));
    stack.execute("ALTER TRIGGER tell_cometchat ON members DEPENDS ON EXTENSION cometchat_ext");
    stack.execute("DROP EXTENSION cometchat_ext");
    stack.execute("INSERT INTO members VALUES (gen_random_uuid())");
}

/// The apply worker of a subscription fires no ordinary triggers.
#[test]
fn users_that_come_by_replication_are_found_by_reconcile_and_sent_once() {
    let conf = ["shared_preload_libraries = 'cometchat_ext'", "wal_level = logical"];
    let source = Database::like_supabase(Cluster::start(&conf));
    let cluster = source.cluster().again();
    for sql in [
        "CREATE PUBLICATION users FOR TABLE auth.users",
        "SELECT pg_create_logical_replication_slot('moves', 'pgoutput')",
    ] {
        source.admin().batch_execute(sql).expect(sql);
    }
    let sign_up = |id: Uuid, name: &str| {
        let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, jsonb_build_object('name', $2::text))";
        source.admin().execute(sql, &[&id, &name]).expect(sql);
    };
    let stack = Stack::on(Database::like_supabase(cluster.again()), Simulator::start()).sync();
    let [ada, bob, carl] = [(); 3].map(|()| Uuid::new_v4());
    sign_up(ada, "Ada");
    let mut subscriber = stack.db.admin();
    // In the server that it publishes from, the slot must be there before.
    subscriber
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION users CONNECTION 'host={} user=supabase_admin dbname={}' PUBLICATION users
             WITH (create_slot = false, slot_name = 'moves')",
            cluster.dir().display(),
            source.name()
        ))
        .expect("subscribe");
    let arrived = |count: &str| {
        eventually("the rows are replicated", || {
            stack.value("SELECT count(*) FROM auth.users").as_deref() == Some(count)
        });
    };
    arrived("1"); // copied
    sign_up(bob, "Bob");
    sign_up(carl, "Carl");
    arrived("3"); // applied
    assert_eq!(stack.asked(), NOTHING, "no trigger fires");

    stack.execute("SELECT count(*) FROM cometchat.reconcile(true)");
    stack.all_arrive(&[ada, bob, carl]);
    // Edits and deletions are seen likewise.
    let edit = format!(
        "UPDATE auth.users SET raw_user_meta_data = '{{\"name\": \"Robert\"}}' WHERE id = '{bob}'"
    );
    source.admin().batch_execute(&edit).expect(&edit);
    source.admin().execute("DELETE FROM auth.users WHERE id = $1", &[&carl]).expect("a deletion");
    arrived("2");
    stack.execute("SELECT count(*) FROM cometchat.reconcile(true)");
    eventually("Bob is Robert", || stack.chat_user(bob)["name"] == "Robert");
    eventually("Carl is deactivated", || stack.is_deactivated(carl));
    for user in [ada, bob, carl] {
        assert_eq!(creates(&stack, user), 1);
    }
    for sql in [
        "ALTER SUBSCRIPTION users DISABLE",
        "ALTER SUBSCRIPTION users SET (slot_name = NONE)",
        "DROP SUBSCRIPTION users",
    ] {
        subscriber.batch_execute(sql).expect(sql);
    }
    source
        .admin()
        .batch_execute("SELECT pg_drop_replication_slot('moves')")
        .expect("drop the slot");
}

#[test]
fn a_pause_does_not_stop_a_subscription_to_all_tables() {
    let conf = ["wal_level = logical"];
    let source = Database::like_supabase(Cluster::start(&conf));
    let cluster = source.cluster().again();
    for sql in [
        "CREATE EXTENSION cometchat_ext",
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "SELECT pg_create_logical_replication_slot('everything', 'pgoutput')",
    ] {
        source.admin().batch_execute(sql).expect(sql);
    }
    let target = Database::like_supabase(cluster.again());
    target.admin().batch_execute("CREATE EXTENSION cometchat_ext").expect("the extension");
    let subscribe = format!(
        "CREATE SUBSCRIPTION everything CONNECTION 'host={} user=supabase_admin dbname={}'
         PUBLICATION everything WITH (create_slot = false, slot_name = 'everything', copy_data = false)",
        cluster.dir().display(),
        source.name()
    );
    target.admin().batch_execute(&subscribe).expect("subscribe");
    for sql in [
        "SELECT cometchat.pause()",
        "SELECT cometchat.resume()",
        "SELECT cometchat.pause()",
        "INSERT INTO auth.users (id) VALUES (gen_random_uuid())",
    ] {
        source.admin().batch_execute(sql).expect(sql);
    }
    let seen = "SELECT count(*) FROM auth.users";
    eventually("what came after the pause is replicated", || {
        target.admin().query_one(seen, &[]).expect(seen).get::<_, i64>(0) == 1
    });
    for sql in [
        "ALTER SUBSCRIPTION everything DISABLE",
        "ALTER SUBSCRIPTION everything SET (slot_name = NONE)",
        "DROP SUBSCRIPTION everything",
    ] {
        target.admin().batch_execute(sql).expect(sql);
    }
}
