//! The edition for supabase.com: installed, installed again, missing what it stands on, moved and removed.

use scenarios::edition::{is_available, Edition};
use scenarios::{eventually, Cluster, Database, Stack, NOTHING};

fn script(name: &str) -> String {
    let path = format!("{}/../../sql/hosted/{name}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect(name)
}

/// Why the file is refused, and the hint.
fn refusal(db: &Database, role: &str) -> (String, String) {
    let error = db.connect(role).batch_execute(Edition::file()).expect_err("the file is refused");
    let error = error.as_db_error().expect("an error of the server's");
    (error.message().to_owned(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn what_is_missing_is_named_with_the_command_that_mends_it() {
    if !is_available() {
        return;
    }
    let db = Database::like_supabase(Cluster::shared());
    let run = |sql: &str| db.admin().batch_execute(sql).expect(sql);
    let nothing_left = || {
        let sql = "SELECT to_regnamespace('cometchat') IS NULL AND to_regclass('public.cometchat_users') IS NULL";
        assert!(
            db.admin().query_one(sql, &[]).expect(sql).get::<_, bool>(0),
            "nothing is left behind"
        );
    };
    for (message, command) in [
        ("extension \"http\" is not installed", "CREATE EXTENSION http WITH SCHEMA extensions;"),
        ("extension \"pg_cron\" is not installed", "CREATE EXTENSION pg_cron;"),
    ] {
        let (said, hint) = refusal(&db, "postgres");
        assert_eq!(said, message);
        assert!(hint.starts_with(command), "{hint}");
        nothing_left();
        match message {
            "extension \"http\" is not installed" => run(command),
            _ => Edition::stand_in_for_cron(&db),
        }
    }
    run("ALTER VIEW vault.decrypted_secrets RENAME TO gone");
    let (said, hint) = refusal(&db, "postgres");
    assert_eq!(said, "the Vault is not installed");
    assert!(hint.starts_with("CREATE EXTENSION supabase_vault CASCADE;"), "{hint}");
    run("ALTER VIEW vault.gone RENAME TO decrypted_secrets");
    assert_eq!(refusal(&db, "supabase_admin").0, "this file must not be run by a superuser");
    run("CREATE TABLE public.cometchat_users (mine int)");
    assert_eq!(refusal(&db, "postgres").0, "relation \"public.cometchat_users\" already exists");
    run("DROP TABLE public.cometchat_users; CREATE SCHEMA cometchat");
    assert_eq!(refusal(&db, "postgres").0, "schema \"cometchat\" belongs to supabase_admin");
    run("DROP SCHEMA cometchat");
    nothing_left();
    Edition::run_file_alone(&db);
    run("CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'DELETE FROM cron.job WHERE jobid = $1 RETURNING true'",
    );
    db.connect("postgres").batch_execute(&script("uninstall")).expect("uninstall.sql");
    run("CREATE EXTENSION cometchat_ext");
    assert_eq!(
        refusal(&db, "postgres").0,
        "the extension cometchat_ext is installed in this database"
    );
}

#[test]
fn running_the_file_again_keeps_everything() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let ada = stack.sign_up("Ada Lovelace");
    let token = stack.session(ada).ensure(None, None, None).token();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let state = "(SELECT jsonb_agg(s) FROM cometchat.sync_state AS s)::text || (SELECT jsonb_agg(s) FROM cometchat.settings AS s)";
    let (before, objects) = (stack.value(state), stack.value(OBJECTS));
    Edition::run_file(&stack.db);
    assert_eq!(stack.value(state), before);
    assert_eq!(stack.value(OBJECTS), objects, "the same objects, owners and privileges");
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
    let bob = stack.sign_up("Bob");
    let queued = format!("(SELECT count(*) FROM cometchat.sync_state WHERE user_id = '{bob}')");
    assert_eq!(stack.value(&queued).as_deref(), Some("1"), "the trigger is attached still");
    // An app's view on one of ours is in nobody's way.
    stack
        .db
        .connect("postgres")
        .batch_execute("CREATE VIEW public.mine AS SELECT * FROM cometchat.progress")
        .expect("a view");
    Edition::run_file(&stack.db);
    assert!(stack.value("SELECT synced FROM public.mine").is_some());
}

const OBJECTS: &str = "SELECT md5(string_agg(o, ' ' ORDER BY o)) FROM (
    SELECT concat(p.oid::regprocedure, p.proowner, p.proacl, p.prosrc, p.proconfig) AS o FROM pg_proc AS p
    WHERE p.pronamespace = 'cometchat'::regnamespace AND p.proname <> 'is_allowed_base_url'
    UNION ALL SELECT concat(c.oid::regclass, c.relowner, c.relacl) FROM pg_class AS c
    WHERE c.relnamespace = 'cometchat'::regnamespace
    UNION ALL SELECT concat(t.tgname, t.tgrelid) FROM pg_trigger AS t WHERE t.tgname LIKE 'cometchat%'
    UNION ALL SELECT concat(p.polname) FROM pg_policy AS p) AS all_of_them";

#[test]
fn the_trigger_comes_and_goes_without_owning_auth_users() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    let mut owner = stack.db.connect("postgres");
    // Of the functions that are made again too.
    stack.execute("ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT EXECUTE ON FUNCTIONS TO anon, authenticated");
    let triggers = "(SELECT count(*) FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgname LIKE 'cometchat%')";
    for _ in 0..2 {
        owner
            .batch_execute(
                "SELECT cometchat.enable_auth_trigger(), cometchat.enable_auth_trigger()",
            )
            .expect("enable");
        assert_eq!(stack.value(triggers).as_deref(), Some("5"));
        owner.batch_execute("SELECT cometchat.disable_auth_trigger()").expect("disable");
        assert_eq!(stack.value(triggers).as_deref(), Some("0"));
    }
    let grants = "(SELECT detail FROM cometchat.health() WHERE check_name = 'grants')";
    assert_eq!(stack.value(grants).as_deref(), Some("as the extension came"));
}

#[test]
fn uninstalling_leaves_nothing() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    stack.edition().stop_cron();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.execute("CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'DELETE FROM cron.job WHERE jobid = $1 RETURNING true'");
    // The app's own are not ours, whatever their names are.
    stack.execute(
        "SELECT cron.schedule('cometchat-report', '0 1 * * *', 'SELECT 1'),
                cron.schedule('comparing', '0 2 * * *', 'SELECT * FROM cometchat.reconcile(true);');
         INSERT INTO cron.job_run_details (jobid, status, end_time)
         SELECT j.jobid, 'succeeded', now() - interval '2 hours' FROM cron.job AS j",
    );
    let cleaning = stack.value("(SELECT command FROM cron.job WHERE jobname = 'cometchat-log')");
    stack.execute(&cleaning.expect("the job that cleans"));
    let jobs = "(SELECT string_agg(j.jobname, ' ' ORDER BY j.jobname) FROM cron.job AS j
                 JOIN cron.job_run_details AS d ON d.jobid = j.jobid)";
    assert_eq!(stack.value(jobs).as_deref(), Some("cometchat-report comparing"));
    stack.db.connect("postgres").batch_execute(&script("uninstall")).expect("uninstall.sql");
    let jobs = "(SELECT string_agg(j.jobname, ' ') FROM cron.job AS j)";
    assert_eq!(stack.value(jobs).as_deref(), Some("cometchat-report"));
    let left = "(SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'cometchat%')
                + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'cometchat%')
                + (SELECT count(*) FROM pg_namespace WHERE nspname = 'cometchat')
                + (SELECT count(*) FROM pg_class WHERE relname = 'cometchat_users')";
    assert_eq!(stack.value(left).as_deref(), Some("0"));
    stack.sign_up("Ada Lovelace");
}

/// What must not differ before and after a move: mappings, tokens, hashes, pending work.
const KEPT: &str =
    "(SELECT jsonb_agg(to_jsonb(u) ORDER BY u.user_id) FROM public.cometchat_users AS u)::text
    || (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.user_id) FROM cometchat.sync_state AS s)::text";

#[test]
fn moving_to_the_extension_and_back_repeats_no_request() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    stack.edition().stop_cron();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    let token = stack.session(ada).ensure(None, Some("Countess"), None).token();
    stack.enqueue(ada, &serde_json::json!({ "metadata": { "a": [1, 2.5, "ü"] }, "tags": ["x"] }));
    let answer = stack.session(ada).ensure(None, None, None);
    assert_eq!(answer.token(), token);
    let bob = stack.sign_up("Bob"); // queued, and not sent yet
    stack.asked();
    let before = stack.value(KEPT);

    stack.execute(&script("move_to_extension"));
    assert_eq!(stack.value(KEPT), before, "rows, tokens, hashes and pending work are as they were");
    assert_eq!(
        stack.session(ada).ensure(None, None, None).token(),
        token,
        "the stored answer is current"
    );
    assert_eq!(stack.asked(), NOTHING);
    stack.execute("SELECT cometchat.resume()");
    eventually("Bob arrives", || stack.stored(bob).token.is_some());
    assert_eq!(stack.asked(), ["create_user"]);
    let health = "(SELECT string_agg(check_name, ', ') FROM cometchat.health() WHERE NOT ok)";
    assert_eq!(stack.value(health), None);

    stack.execute("SELECT cometchat.pause()");
    stack.execute("UPDATE cometchat.sync_state SET recent_attempts = NULL WHERE true");
    let before = stack.value(KEPT);
    stack.execute(&script("move_from_extension"));
    Edition::run_file(&stack.db);
    stack.db.connect("postgres").batch_execute(&script("move_in")).expect("move_in.sql");
    assert_eq!(stack.value(KEPT), before);
    for (name, value) in
        [("app_id", scenarios::APP), ("region", "us"), ("api_base_url", &stack.chat.base_url())]
    {
        stack.db.set(&format!("cometchat.{name}"), Some(value));
    }
    stack.asked();
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
    assert_eq!(stack.asked(), NOTHING);
    let eve = stack.sign_up("Eve");
    let mut owner = stack.db.connect("postgres");
    owner.batch_execute("SELECT cometchat.resume()").expect("resume");
    owner.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert!(stack.stored(eve).token.is_some(), "the trigger is attached");
    assert_eq!(stack.asked(), ["create_user"]);
}

/// As many start over: with the tables and functions of public gone, sign-ups go on, and the file brings them back.
#[test]
fn a_public_schema_that_was_dropped_comes_back_with_the_file() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted();
    stack.edition().stop_cron();
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    let mut owner = stack.db.connect("postgres");
    owner.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    stack.execute(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION postgres;
         GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role",
    );
    let bob = stack.sign_up("Bob");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    let hint =
        "(SELECT split_part(hint, ',', 1) FROM cometchat.health() WHERE check_name = 'table owner')";
    assert_eq!(stack.value(hint).as_deref(), Some("-- Run cometchat_hosted.sql again"));
    Edition::run_file(&stack.db);
    owner.batch_execute("SELECT cometchat.enable_auth_trigger()").expect("enable");
    owner.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    assert!(stack.stored(bob).token.is_some());
    assert!(!stack.chat_user(ada)["deactivatedAt"].is_null(), "and the deletion is not lost");
}
