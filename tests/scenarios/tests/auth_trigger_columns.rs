//! With our triggers attached the owner of `auth.users` changes its columns as if they were not there,
//! and what changes in columns of any age is seen.

use scenarios::{eventually, Cluster, Database, Session, Stack, NOTHING};
use simulator::Simulator;
use uuid::Uuid;

const AUTH_SERVER: &str = "supabase_auth_admin";

/// Everything that migrations of the Auth server and of its users do to a table, in an order in which it
/// can be done.
const MIGRATION: [&str; 18] = [
    "ALTER TABLE auth.users ALTER COLUMN phone TYPE varchar(30)",
    "ALTER TABLE auth.users ALTER COLUMN phone TYPE text",
    "ALTER TABLE auth.users DROP CONSTRAINT IF EXISTS users_phone_key",
    "ALTER TABLE auth.users ADD CONSTRAINT users_phone_key UNIQUE (phone)",
    "ALTER TABLE auth.users ALTER COLUMN email TYPE text, ALTER COLUMN email DROP DEFAULT",
    "ALTER TABLE auth.users DROP COLUMN banned_until",
    "ALTER TABLE auth.users DROP COLUMN deleted_at, DROP COLUMN is_anonymous",
    "ALTER TABLE auth.users RENAME COLUMN raw_user_meta_data TO meta",
    "ALTER TABLE auth.users RENAME COLUMN meta TO raw_user_meta_data",
    "ALTER TABLE auth.users ALTER COLUMN raw_user_meta_data TYPE json USING raw_user_meta_data::json",
    "ALTER TABLE auth.users ALTER COLUMN raw_user_meta_data TYPE jsonb USING raw_user_meta_data::jsonb",
    "ALTER TABLE auth.users DROP COLUMN confirmed_at,
       ADD COLUMN confirmed_at timestamptz
         GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED",
    "ALTER TABLE auth.users DROP COLUMN phone CASCADE",
    "ALTER TABLE auth.users ADD COLUMN phone varchar(15) DEFAULT NULL UNIQUE",
    "ALTER TABLE auth.users ADD COLUMN deleted_at timestamptz",
    "ALTER TABLE auth.users ADD COLUMN is_anonymous boolean NOT NULL DEFAULT false",
    "CREATE INDEX ON auth.users (is_anonymous)",
    "ALTER TABLE auth.users ADD COLUMN banned_until timestamptz",
];

#[test]
fn every_migration_passes_and_users_are_synced_after_each_step() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let mut owner = Session::of(stack.db.connect(AUTH_SERVER));

    for (n, step) in MIGRATION.iter().enumerate() {
        owner.execute(step);
        if step.ends_with("TO meta") {
            continue; // nothing to sign up with
        }
        let new = stack.sign_up(&format!("User {n}"));
        eventually("a sign-up arrives", || stack.stored(new).token.is_some());
        let name = format!("Ada {n}");
        stack.change(ada, &format!("raw_user_meta_data = '{{\"full_name\": \"{name}\"}}'"));
        eventually("an edit arrives", || stack.chat_user(ada)["name"] == name.as_str());
    }

    // By the columns that were added meanwhile.
    stack.change(ada, "banned_until = 'infinity'");
    eventually("the ban arrives", || stack.is_deactivated(ada));
    stack.change(ada, "banned_until = NULL");
    eventually("its end arrives", || !stack.is_deactivated(ada));
    stack.change(ada, "deleted_at = now()");
    eventually("the soft deletion arrives", || stack.is_deactivated(ada));
    assert_eq!(swallowed(&stack), "0");
}

#[test]
fn a_ban_through_a_column_that_was_added_after_attaching_reaches_cometchat() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, created_at timestamptz);
         SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    );
    let ada = Uuid::new_v4();
    stack.execute(&format!("INSERT INTO auth.users (id) VALUES ('{ada}')"));
    eventually("she arrives", || stack.stored(ada).token.is_some());

    stack.execute("ALTER TABLE auth.users ADD banned_until timestamptz");
    stack.execute("UPDATE auth.users SET banned_until = 'infinity'");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn a_login_queues_no_user_and_each_synced_column_does() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    let big = "jsonb_build_object('full_name', 'Ada', 'blob',
                 (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n))";
    stack.change(ada, &format!("raw_user_meta_data = {big}"));
    let revision = || {
        stack.value(&format!(
            "SELECT wanted_revision FROM cometchat.sync_state WHERE user_id = '{ada}'"
        ))
    };
    let before = revision();

    for nothing_new in [
        "last_sign_in_at = now()",
        "updated_at = now(), last_sign_in_at = now()",
        "encrypted_password = 'x', recovery_token = 'y', confirmation_token = 'z'",
        "raw_app_meta_data = '{\"provider\": \"email\"}'",
        "email = email, banned_until = NULL, is_anonymous = false",
        // written anew, and the same
        &format!("raw_user_meta_data = {big}"),
    ] {
        stack.change(ada, nothing_new);
        assert_eq!(revision(), before, "{nothing_new}");
    }
    for change in [
        "email = 'ada@example.org'",
        "phone = '4912345'",
        "raw_user_meta_data = raw_user_meta_data - 'blob'",
        "raw_user_meta_data = NULL",
        "email_confirmed_at = now()",
        "phone_confirmed_at = now()",
        "banned_until = now() + interval '1 day'",
        "banned_until = NULL",
        "deleted_at = now()",
        "is_anonymous = true",
    ] {
        let before = revision();
        stack.change(ada, change);
        assert_ne!(revision(), before, "{change}");
    }
    assert_eq!(swallowed(&stack), "0");
}

#[test]
fn a_change_of_every_column_that_is_read_is_seen() {
    let read = include_str!("../../../src/store/auth_users/mod.rs");
    let list = read.split_once("pub const COLUMNS").expect("the list").1;
    let list = list.split_once("];").expect("its end").0;
    let statements = [
        include_str!("../../../src/store/sql/auth_users_load.sql"),
        include_str!("../../../src/store/sql/auth_users_status.sql"),
        include_str!("../../../src/store/sql/auth_users_page.sql"),
    ]
    .concat();
    let absent = statements.split("NULL::").skip(1).filter_map(|part| {
        part.split_once(" AS ")?.1.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
    });
    let mut count = 0;
    for column in absent.chain(["email_confirmed_at", "is_anonymous", "id"]) {
        assert!(list.contains(&format!("\"{column}\"")), "{column} is read and not looked at");
        count += 1;
    }
    assert!(count > 8, "{count}");
}

#[test]
fn a_custom_auth_users_may_have_columns_without_equality() {
    let stack = Stack::plain();
    stack.execute(
        "CREATE SCHEMA auth;
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email xml, phone point,
           raw_user_meta_data json, extra json, banned_until date, seen timestamptz);
         SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    );
    let ada = Uuid::new_v4();
    stack.execute(&format!(
        "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ('{ada}', '{{\"name\": \"Ada\"}}')"
    ));
    eventually("she arrives", || stack.stored(ada).token.is_some());
    stack.settled(ada);
    stack.asked();

    stack.execute("UPDATE auth.users SET seen = now()");
    stack.execute("UPDATE auth.users SET raw_user_meta_data = '{\"name\": \"The Countess\"}'");

    eventually("the edit arrives", || stack.chat_user(ada)["name"] == "The Countess");
    assert_eq!(stack.asked(), ["update_user"]);
    assert_eq!(swallowed(&stack), "0");
}

#[test]
fn attaching_again_replaces_old_triggers_and_keeps_enable_always() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let definitions =
        "SELECT string_agg(pg_get_triggerdef(oid) || tgenabled::text, E'\\n' ORDER BY tgname)
                       FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal";
    stack.execute("ALTER TABLE auth.users ENABLE ALWAYS TRIGGER cometchat_before_delete");
    let fresh = stack.value(definitions);
    assert!(fresh
        .as_deref()
        .is_some_and(|all| !all.contains("UPDATE OF") && !all.contains("WHEN")));
    stack.execute(
        "DROP TRIGGER cometchat_update ON auth.users;
         CREATE TRIGGER cometchat_update AFTER UPDATE OF email ON auth.users FOR EACH ROW
         WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION cometchat.on_auth_user_insert();
         ALTER TABLE auth.users DISABLE TRIGGER cometchat_insert",
    );
    assert_ne!(stack.value(definitions), fresh);

    for _ in 0..2 {
        stack.execute("SELECT cometchat.enable_auth_trigger()");
        assert_eq!(stack.value(definitions), fresh);
    }
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    assert_eq!(stack.value(definitions), None);
}

#[test]
fn a_table_that_replaces_auth_users_gets_the_same_triggers() {
    let stack = Stack::on(Database::plain(Cluster::shared()), Simulator::start());
    stack.execute(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
         SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    );
    let ada = Uuid::new_v4();
    stack.execute(&format!("INSERT INTO auth.users VALUES ('{ada}')"));
    eventually("she arrives", || stack.stored(ada).token.is_some());
    stack.execute(
        "BEGIN; CREATE TABLE auth.users_new (id uuid PRIMARY KEY, email text, banned_until timestamptz);
         INSERT INTO auth.users_new SELECT id, email FROM auth.users;
         ALTER TABLE auth.users RENAME TO users_old; ALTER TABLE auth.users_new RENAME TO users; COMMIT",
    );
    let attached = "SELECT ok FROM cometchat.health() WHERE check_name = 'auth trigger'";
    assert_eq!(stack.value(attached).as_deref(), Some("false"));

    stack.execute("SELECT cometchat.enable_auth_trigger()");

    assert_eq!(stack.value(attached).as_deref(), Some("true"));
    stack.settled(ada);
    stack.asked();
    // What happens to the old one tells nothing about people.
    stack.execute("DELETE FROM auth.users_old");
    stack.settled(ada);
    assert_eq!(stack.asked(), NOTHING);
    stack.execute("UPDATE auth.users SET banned_until = 'infinity'");
    eventually("she is deactivated", || stack.is_deactivated(ada));
}

fn swallowed(stack: &Stack) -> String {
    let sql =
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM cometchat.trigger_failures";
    stack.value(sql).expect("a number")
}
