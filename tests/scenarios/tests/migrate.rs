//! `docs/migrate.sql`, as it is in the docs, over the tables that server routes have kept.

use std::fs::File;
use std::path::Path;

use scenarios::{Cluster, Database};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/migrate.sql");

const ADA: &str = "00000000-0000-4000-8000-0000000a0001";
const BOB: &str = "00000000-0000-4000-8000-0000000a0002";

/// A database with two users, and a table of the app's own with its rows.
fn app(table: &str, rows: &str) -> Database {
    let db = Database::plain(Cluster::shared());
    let sql = format!(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
         INSERT INTO auth.users (id) VALUES ('{ADA}'), ('{BOB}');
         CREATE TABLE public.cometchat_users ({table});
         INSERT INTO public.cometchat_users {rows}"
    );
    db.admin().batch_execute(&sql).expect(&sql);
    db
}

/// Whom it kept: user, uid, token, and the day of the last change.
#[track_caller]
fn migrated(db: &Database) -> Vec<String> {
    let mut admin = db.admin();
    let error =
        admin.batch_execute("CREATE EXTENSION cometchat_ext").expect_err("it is in the way");
    let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default().to_owned();
    assert!(hint.contains("docs/migrate.sql"), "{hint}");
    db.restore(Path::new(SCRIPT));
    let sql = "SELECT concat_ws(' ', right(user_id::text, 1), cometchat_uid, cometchat_auth_token,
                                created_at::date, updated_at::date)
               FROM public.cometchat_users ORDER BY user_id";
    admin.query(sql, &[]).expect(sql).iter().map(|row| row.get(0)).collect()
}

fn aside(db: &Database, sql: &str) -> String {
    let sql = format!("SELECT ({sql})::text");
    db.admin().query_one(&sql, &[]).expect(&sql).get(0)
}

#[test]
fn a_text_user_id_and_no_timestamps() {
    let db = app(
        "id serial, user_id text, cometchat_uid varchar(100), cometchat_auth_token text, plan text",
        &format!(
            "(user_id, cometchat_uid, cometchat_auth_token, plan) VALUES
             ('{ADA}', 'ada', 'old', 'free'), ('{}', 'Ada', 'new', 'pro'), (' {BOB}', 'bob', '', NULL),
             ('guest-17', 'guest', 'x', NULL), ('00000000-0000-4000-8000-00000000dead', 'gone', 'y', NULL),
             (NULL, 'nobody', 'z', NULL), ('{BOB}', NULL, 'no uid', NULL)",
            ADA.to_uppercase()
        ),
    );
    let rows = migrated(&db);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].starts_with("1 ada new 20"), "the last row counts: {rows:?}");
    assert!(rows[1].starts_with("2 bob 20"), "{rows:?}");
    let before = "SELECT count(*) || ' ' || max(plan) FROM cometchat_before.cometchat_users";
    assert_eq!(aside(&db, before), "7 pro", "the rest is kept aside");
}

#[test]
fn a_uuid_without_uid_or_token_but_with_timestamps_of_every_kind() {
    let db = app(
        "user_id uuid, created_at text, updated_at bigint",
        &format!(
            "VALUES ('{ADA}', '2024-05-01 12:00:00+00', NULL), ('{BOB}', 'yesterday', 1714564800000),
                    ('{ADA}', 'long ago', 1714651200)"
        ),
    );
    let expected =
        [format!("1 {ADA} 2024-05-02 2024-05-02"), format!("2 {BOB} 2024-05-01 2024-05-01")];
    assert_eq!(migrated(&db), expected);
}

#[test]
fn a_table_as_the_extensions_own() {
    let db = app(
        "id bigserial PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
         cometchat_uid text NOT NULL, cometchat_auth_token text, created_at timestamptz DEFAULT now(),
         updated_at timestamp",
        &format!(
            "(user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at) VALUES
             ('{ADA}', 'Ada_L', 'ada', '2024-01-01', '2024-02-01'),
             ('{ADA}', 'ada_l', 'older', '2024-01-01', '2024-01-15'),
             ('{BOB}', 'ADA_L', 'thief', '2023-01-01', NULL)"
        ),
    );
    assert_eq!(migrated(&db), ["1 ada_l ada 2024-01-01 2024-02-01"]);
}

#[test]
fn a_failure_changes_nothing() {
    let db = app("user_id uuid", &format!("VALUES ('{ADA}')"));
    db.admin().batch_execute("CREATE SCHEMA cometchat").expect("in the way");
    let mut psql = db.cluster().program("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin", "-h"]);
    psql.arg(db.cluster().dir()).args(["-d", db.name()]);
    let output = psql.stdin(File::open(SCRIPT).expect("the script")).output().expect("psql");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("schema \"cometchat\" already exists") && said.contains("Rename"),
        "{said}"
    );
    assert_eq!(aside(&db, "SELECT count(*) FROM public.cometchat_users"), "1");
}
