//! Every way in which databases are dumped, copied and put back: what comes back, and that CometChat hears of those
//! who were pending and of nobody else.
//!
//! docs/restore.md has the table.

use scenarios::{eventually, Cluster, Database, NOTHING};

use crate::dump_restore::{all_is_back, kept, unwell, value, Before};

const FOREIGN_KEY: &str = "foreign key: SELECT cometchat.enable_auth_trigger();";

/// `pg_dump` and `pg_restore` in one of their formats.
fn through_pg_restore(before: &Before, name: &str, dump: &[&str], restore: &[&str]) -> Database {
    let path = before.stack.db.dump_as("supabase_admin", name, dump);
    let restored = Database::plain(Cluster::shared());
    restored.pg_restore_as("supabase_admin", &path, restore);
    restored
}

/// All is as it was, paused too; once resumed, the pending are sent.
#[track_caller]
fn is_back(before: &Before, expected: &[[String; 3]], restored: &Database) {
    all_is_back(restored, expected);
    before.configure(restored);
    restored.admin().batch_execute("SELECT cometchat.wake()").expect("wake");
    // Paused it came, and paused it stays, whatever wakes the worker.
    assert!(
        unwell(restored).contains("sending: SELECT cometchat.resume();"),
        "{}",
        unwell(restored)
    );
    before.stack.chat.clear_requests();
    before.resume(restored);
    before.only_the_pending_are_sent(restored);
}

#[test]
fn custom_and_directory_dumps_bring_everything_back() {
    for (name, dump, restore) in [
        ("custom", &["-Fc"][..], &[][..]),
        ("directory", &["-Fd", "-j", "4"], &["-j", "4"]),
        ("no-owner", &["-Fc", "--no-owner"], &["--no-owner"]),
        ("no-acl", &["-Fc", "--no-privileges"], &["--no-privileges"]),
    ] {
        let before = Before::new();
        let expected = kept(&before.stack.db);
        let restored = through_pg_restore(&before, name, dump, restore);
        if name == "no-acl" {
            // The owner of auth.users has no way to it any more, and health() says so.
            before.configure(&restored);
            let grant = "GRANT USAGE ON SCHEMA auth TO supabase_auth_admin;";
            assert!(unwell(&restored).contains(grant), "{}", unwell(&restored));
            restored.admin().batch_execute(grant).expect(grant);
        }
        is_back(&before, &expected, &restored);
        assert_eq!(unwell(&restored), FOREIGN_KEY, "{name}");
    }
}

#[test]
fn a_schema_alone_brings_no_user_and_sends_nothing() {
    let before = Before::new();
    let restored = through_pg_restore(&before, "schema", &["-Fc", "--schema-only"], &[]);
    before.configure(&restored);
    before.stack.chat.clear_requests();
    let rows = "SELECT (SELECT count(*) FROM cometchat.sync_state) + (SELECT count(*) FROM public.cometchat_users)
                     + (SELECT count(*) FROM cometchat.pauses)";
    assert_eq!(value(&restored, rows).as_deref(), Some("0"));
    restored
        .admin()
        .batch_execute("SELECT cometchat.enable_auth_trigger(), cometchat.wake()")
        .expect("enable");
    assert_eq!(before.stack.asked(), NOTHING);
}

/// As `supabase db dump` does it: a dump of the schema without the schemas that Supabase manages, `auth` among them,
/// and one of the data, loaded with triggers off into a new project.
#[test]
fn a_schema_and_the_data_apart_as_supabase_dumps_them() {
    let before = Before::new();
    let expected = kept(&before.stack.db);
    let managed =
        "--exclude-schema=vault|extensions|graphql|graphql_public|realtime|storage|pgbouncer";
    let schema = ["--schema-only", "--quote-all-identifiers", managed, "--exclude-schema=auth"];
    let (_, schema) = before.dump("schema", &schema);
    // Supabase's tool leaves these out, which each project has.
    let statements = schema.split(";\n");
    let kept_ones: Vec<&str> = statements.filter(|sql| !sql.contains(" EVENT TRIGGER ")).collect();
    let (_, data) = before.dump("data", &["--data-only", "--quote-all-identifiers", managed]);
    let cluster = Cluster::shared();
    let name = format!("supabase-schema-{}.sql", before.stack.db.name());
    let schema = cluster.secret_file(&name, kept_ones.join(";\n"));
    let name = format!("supabase-{}.sql", before.stack.db.name());
    let data =
        cluster.secret_file(&name, format!("SET session_replication_role = replica;\n{data}"));

    let restored = Database::like_supabase(cluster);
    restored.restore(&schema);
    restored.admin().batch_execute("SELECT cometchat.enable_auth_trigger()").expect("enable");
    restored.restore(&data);

    is_back(&before, &expected, &restored);
    assert_eq!(unwell(&restored), "");
}

/// On Supabase `postgres` dumps; only a superuser creates the extension.
#[test]
fn what_postgres_dumps_a_superuser_puts_back() {
    let before = Before::new();
    let expected = kept(&before.stack.db);
    let path = before.stack.db.dump_as("postgres", "postgres", &["-Fc"]);
    let restored = Database::plain(Cluster::shared());
    restored.pg_restore_as("supabase_admin", &path, &[]);
    is_back(&before, &expected, &restored);
}

/// On Supabase `postgres` is no superuser, and our state is not its to write: people, mappings and tokens come back,
/// `backfill()` makes the rest of them, and CometChat's users are adopted.
#[test]
fn what_postgres_restores_is_completed_by_backfill() {
    let before = Before::new();
    let path = before.stack.db.dump_as("postgres", "by-postgres", &["-Fc", "--data-only"]);
    let restored = Database::like_supabase(Cluster::shared());
    restored
        .admin()
        .batch_execute("CREATE EXTENSION cometchat_ext; SELECT cometchat.pause()")
        .expect("a superuser creates it");
    before.configure(&restored);
    let said = restored.pg_restore_what_can_be("postgres", &path, &[]);
    assert!(said.contains("permission denied for table sync_state"), "{said}");
    let mapped = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    assert_eq!(value(&restored, mapped), value(&before.stack.db, mapped));

    let there = before.stack.app().user_count();
    before.stack.asked();
    let begin = "SELECT cometchat.enable_auth_trigger(), cometchat.backfill(), cometchat.resume()";
    restored.connect("postgres").batch_execute(begin).expect(begin);
    let left = "SELECT pending FROM cometchat.progress";
    eventually("everybody is in agreement", || value(&restored, left).as_deref() == Some("0"));
    let failed = "SELECT string_agg(user_id || ' ' || error_code, ',') FROM cometchat.failed_users";
    assert_eq!(value(&restored, failed), value(&before.stack.db, failed));
    assert_eq!(unwell(&restored), "");
    // The nine who waited are new; the mapped one was there. Ten and the mapped ones have a token.
    assert_eq!(before.stack.app().user_count(), there + 9);
    let synced = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    assert_eq!(value(&restored, synced).as_deref(), Some("49"));
}

#[test]
fn a_copy_by_template_has_everything_and_sends_nothing_until_it_is_configured() {
    let before = Before::new();
    let expected = kept(&before.stack.db);
    let copy = Database::copy_of(&before.stack.db);
    eventually("the copy has a worker, or is paused", || !unwell(&copy).is_empty());
    all_is_back(&copy, &expected);
    assert_eq!(before.stack.asked(), NOTHING);
    let key = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conname = 'cometchat_users_user_id_fkey'";
    assert_eq!(value(&copy, key).as_deref(), Some("1"));
    // Its settings are the database's own, and are not copied.
    copy.admin().batch_execute("SELECT cometchat.resume()").expect("resume");
    let conf = "SELECT detail FROM cometchat.health() WHERE check_name = 'configuration'";
    assert!(value(&copy, conf).is_some_and(|detail| detail.contains("not properly configured")));
    assert_eq!(before.stack.asked(), NOTHING);
    before.configure(&copy);
    before.stack.chat.clear_requests();
    before.only_the_pending_are_sent(&copy);
}
