//! Dump and restore: mappings, tokens and pending work come back, CometChat hears of the pending
//! only, and `health()` says what is left to be done.

use std::path::PathBuf;

use scenarios::{eventually, Cluster, Database, Stack, APP, NOTHING};
use serde_json::json;
use simulator::{Fault, Filter, DEV_API_KEY};
use uuid::Uuid;

/// What is worth keeping, row by row.
const KEPT: &str = "
  SELECT 'mapping', user_id::text, (to_jsonb(u) - 'id')::text FROM public.cometchat_users AS u
  UNION ALL SELECT 'state', user_id::text, s::text FROM cometchat.sync_state AS s
  UNION ALL SELECT 'user', id::text, jsonb_build_array(email, raw_user_meta_data)::text
  FROM auth.users ORDER BY 1, 2";

/// A database with everything in it: forty who are synced (one with overrides, one under another
/// uid, one deactivated), ten who wait, and one who failed. Nothing is sent any more.
pub struct Before {
    pub stack: Stack,
    mapped: Uuid,
    pending: Vec<Uuid>,
    failed: Uuid,
}

impl Before {
    pub fn new() -> Before {
        Before::on(Stack::syncing())
    }

    /// The same in a given stack.
    pub fn on(stack: Stack) -> Before {
        let synced: Vec<Uuid> = (0..40).map(|n| stack.sign_up(&format!("User {n}"))).collect();
        let done = "SELECT count(*) FROM cometchat.sync_state
                    WHERE next_attempt_at IS NOT NULL OR claim IS NOT NULL";
        let settle = || eventually("all is quiet", || stack.value(done).as_deref() == Some("0"));
        settle();
        stack.enqueue(synced[0], &json!({"name": "The Countess", "tags": ["a"]}));
        stack.change(synced[1], "banned_until = 'infinity'");
        let failed = Uuid::new_v4();
        stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").uid(&failed.to_string()));
        let sql = "INSERT INTO auth.users (id) VALUES ($1)";
        stack.db.connect("supabase_auth_admin").execute(sql, &[&failed]).expect(sql);
        settle();

        stack.execute("SELECT cometchat.pause()");
        eventually("the worker has left", || stack.worker().is_none());
        let mapped = stack.sign_up("Mapped by Hand");
        stack.app().add_user(json!({"uid": "ann", "name": "Ann"})).expect("a user in CometChat");
        stack.map(mapped, "ann", None);
        let mut pending: Vec<Uuid> = (0..9).map(|n| stack.sign_up(&format!("New {n}"))).collect();
        pending.push(mapped);
        stack.asked();
        Before { stack, mapped, pending, failed }
    }

    /// `pg_dump`, and a look that the key is not in it.
    #[track_caller]
    pub fn dump(&self, name: &str, options: &[&str]) -> (PathBuf, String) {
        let (path, text) = self.stack.db.dump(name, options);
        assert!(!text.contains(DEV_API_KEY), "the key is in the dump");
        (path, text)
    }

    /// Configures a database as this one is, and points it to the same CometChat.
    pub fn configure(&self, db: &Database) {
        let key = db.cluster().secret_file(&format!("key-{}", db.name()), DEV_API_KEY);
        db.set("cometchat.app_id", Some(APP));
        db.set("cometchat.region", Some("us"));
        db.set("cometchat.api_key_file", key.to_str());
        db.set("cometchat.rate_limit", Some("-1"));
        db.set("cometchat.api_base_url", Some(&self.stack.chat.base_url()));
    }

    /// It was paused when it was dumped, and so is what was restored.
    #[track_caller]
    pub fn resume(&self, restored: &Database) {
        let paused = "SELECT paused FROM cometchat.control";
        assert_eq!(value(restored, paused).as_deref(), Some("true"), "the pause is lost");
        restored.admin().batch_execute("SELECT cometchat.resume()").expect("resume");
    }

    /// Whom CometChat heard of since the last look are those who were pending, and nobody else.
    #[track_caller]
    pub fn only_the_pending_are_sent(&self, restored: &Database) {
        let left = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
        eventually("the pending arrive", || value(restored, left).as_deref() == Some("0"));
        let mut heard: Vec<String> =
            self.stack.chat.requests().into_iter().filter_map(|r| r.uid).collect();
        heard.sort();
        heard.dedup();
        let uid = |user: &Uuid| if *user == self.mapped { "ann".into() } else { user.to_string() };
        let mut expected: Vec<String> = self.pending.iter().map(uid).collect();
        expected.sort();
        assert_eq!(heard, expected);
        let creates = Filter { operation: Some("create_user".into()), ..Filter::default() };
        // Who is there already, as "ann" is, is adopted.
        assert_eq!(self.stack.chat.requests_where(&creates).len(), self.pending.len());
        let synced = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
        assert_eq!(value(restored, synced).as_deref(), Some("49")); // 39 and 10: one is banned
        let failed =
            "SELECT string_agg(user_id || ' ' || error_code, ',') FROM cometchat.failed_users";
        assert_eq!(value(restored, failed), Some(format!("{} ERR_BAD_REQUEST", self.failed)));
    }
}

#[track_caller]
pub fn value(db: &Database, sql: &str) -> Option<String> {
    db.admin().query_one(&format!("SELECT ({sql})::text"), &[]).expect(sql).get(0)
}

pub fn kept(db: &Database) -> Vec<[String; 3]> {
    let rows = db.admin().query(KEPT, &[]).expect("what is worth keeping");
    rows.iter().map(|row| [0, 1, 2].map(|column| row.get(column))).collect()
}

#[track_caller]
pub fn all_is_back(db: &Database, expected: &[[String; 3]]) {
    let there = kept(db);
    for (there, expected) in there.iter().zip(expected) {
        assert_eq!(there, expected);
    }
    assert_eq!(there.len(), expected.len());
}

pub fn unwell(db: &Database) -> String {
    let sql = "SELECT COALESCE(string_agg(check_name || ': ' || hint, ' | '), '')
               FROM cometchat.health() WHERE NOT ok AND check_name <> 'failed users'";
    value(db, sql).expect("text")
}

#[test]
fn a_full_dump_brings_everything_back_and_only_the_pending_are_sent() {
    let before = Before::new();
    let kept = kept(&before.stack.db);
    let (path, text) = before.dump("full", &[]);
    assert!(text.contains("CREATE EXTENSION IF NOT EXISTS cometchat_ext"));
    assert!(
        !text.contains("CREATE TABLE cometchat.sync_state"),
        "the extension's tables are its own"
    );

    let restored = Database::plain(Cluster::shared());
    restored.restore(&path);

    all_is_back(&restored, &kept);
    assert_eq!(before.stack.asked(), NOTHING);
    before.configure(&restored);
    before.stack.chat.clear_requests();
    before.resume(&restored);
    before.only_the_pending_are_sent(&restored);

    let bound = "SELECT count(*) FROM pg_depend WHERE classid = 'pg_trigger'::regclass
                 AND refclassid = 'pg_extension'::regclass AND deptype = 'x'";
    assert_eq!(value(&restored, bound).as_deref(), Some("5"), "DROP EXTENSION takes them along");
    // The triggers came with the dump of auth.users; the foreign key, which is the extension's,
    // did not.
    let hint = "foreign key: SELECT cometchat.enable_auth_trigger();";
    assert_eq!(unwell(&restored), hint);
    restored.admin().batch_execute("SELECT cometchat.enable_auth_trigger()").expect("enable");
    assert_eq!(unwell(&restored), "");
    let new = "INSERT INTO auth.users (id) VALUES (gen_random_uuid())";
    restored.admin().batch_execute(new).expect("a sign-up");
    let synced = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
    eventually("a sign-up arrives", || value(&restored, synced).as_deref() == Some("50"));
    restored.admin().batch_execute("DROP EXTENSION cometchat_ext").expect("no CASCADE");
}

#[test]
fn a_dump_of_the_data_alone_goes_into_a_prepared_database() {
    let before = Before::new();
    let kept = kept(&before.stack.db);
    // Chosen schemas, and no trigger fires while they are written, as tools around Supabase do it.
    // With -n, pg_dump takes the data of an extension's own schema along only if it is named.
    let schemas = ["--data-only", "-n", "auth", "-n", "public", "-e", "cometchat_ext"];
    let (_, text) = before.dump("data", &schemas);
    let cluster = Cluster::shared();
    let name = format!("replica-{}.sql", before.stack.db.name());
    let path =
        cluster.secret_file(&name, format!("SET session_replication_role = replica;\n{text}"));

    let restored = Database::like_supabase(cluster);
    let install = "CREATE EXTENSION cometchat_ext; SELECT cometchat.enable_auth_trigger()";
    restored.admin().batch_execute(install).expect("install");
    restored.restore(&path);

    all_is_back(&restored, &kept);
    before.configure(&restored);
    before.stack.chat.clear_requests();
    before.resume(&restored);
    before.only_the_pending_are_sent(&restored);
    assert_eq!(unwell(&restored), "");
}

#[test]
fn a_dump_that_cleans_goes_over_the_living_database_once_the_key_is_away() {
    for options in [&["--clean"][..], &["--clean", "--if-exists"]] {
        let before = Before::new();
        let kept = kept(&before.stack.db);
        let (path, _) = before.dump("clean", options);
        before.stack.execute("DELETE FROM auth.users WHERE email LIKE 'user.1%'");
        // Postgres refuses to drop what the key depends on, and the key is no part of the dump.
        let cluster = before.stack.db.cluster();
        let mut psql = cluster.program("psql");
        psql.args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-U", "supabase_admin", "-h"]);
        psql.arg(cluster.dir()).args(["-d", before.stack.db.name()]);
        let refused =
            psql.stdin(std::fs::File::open(&path).expect("the dump")).output().expect("psql");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("cometchat_users_user_id_fkey"),
            "{said}"
        );
        let key = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'
                   AND conrelid = 'public.cometchat_users'::regclass";
        assert_eq!(value(&before.stack.db, key).as_deref(), Some("1"));
        before
            .stack
            .db
            .connect("postgres")
            .batch_execute("SELECT cometchat.drop_foreign_key()")
            .expect("drop");
        assert_eq!(value(&before.stack.db, key).as_deref(), Some("0"));

        before.stack.db.restore(&path);

        all_is_back(&before.stack.db, &kept);
        let hint = "foreign key: SELECT cometchat.enable_auth_trigger();";
        assert!(unwell(&before.stack.db).contains(hint), "{}", unwell(&before.stack.db));
        before.stack.execute("SELECT cometchat.enable_auth_trigger()");
        assert_eq!(value(&before.stack.db, key).as_deref(), Some("1"));
        assert!(!unwell(&before.stack.db).contains(hint));
    }
}
