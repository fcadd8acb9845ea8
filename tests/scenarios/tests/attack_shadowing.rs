//! Attacks by shadowing: objects that look like ours, Postgres's or Supabase's.

use scenarios::{Session, Stack, NOTHING};
use uuid::Uuid;

/// Code that says with whose rights it runs, should anything of a superuser's call it.
const EVIL: &str =
    "CREATE FUNCTION SCHEMA.evil(anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN IF current_user IN ('supabase_admin', 'cometchat_ext') THEN RAISE 'evil runs as the owner'; END IF;
             RETURN true; END $$;";

/// Temporary domains named like the types of our statements; each runs [`EVIL`] on every value.
fn shadow_types(session: &mut Session) {
    session.execute(&EVIL.replace("SCHEMA", "pg_temp"));
    for kind in ["uuid", "timestamptz", "name", "int4", "int8", "float8", "bool", "jsonb", "text"] {
        session.execute(&format!(
            "CREATE DOMAIN pg_temp.{kind} AS pg_catalog.{kind}
             CHECK (pg_temp.evil('{kind}'::pg_catalog.text))"
        ));
    }
}

#[test]
fn a_user_tries_temporary_types_to_run_code_as_the_owner() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    shadow_types(&mut session);

    // Through the types of the driver's statements: plain text, so that nothing of its fails.
    for call in ["ensure_user()", "refresh_token()", "revoke_tokens()", "ensure_user()"] {
        let sql = format!("SELECT public.cometchat_{call} OPERATOR(pg_catalog.->>) 'success'");
        let answer = session.client.simple_query(&sql).expect(&sql);
        let success = answer.iter().find_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(success, Some("true"), "{call}");
    }
}

#[test]
fn the_service_role_tries_temporary_types_in_the_operators_functions() {
    let (stack, ada) = Stack::with_ada();
    stack.unpause_all_but_the_worker();
    for role in ["service_role", "postgres"] {
        let mut session = Session::of(stack.db.connect("postgres"));
        session.execute(&format!("SET ROLE {role}"));
        shadow_types(&mut session);
        for call in [
            format!("cometchat.enqueue('{ada}', '{{\"name\": \"A\"}}')"),
            "cometchat.backfill()".into(),
            "cometchat.retry_failed()".into(),
            "cometchat.health()".into(),
            "cometchat.reconcile()".into(),
            "cometchat.enable_auth_trigger()".into(),
            "cometchat.disable_auth_trigger()".into(),
            "cometchat.progress".into(),
        ] {
            session.execute(&format!("SELECT count(*) FROM {call}"));
        }
        session.execute("CALL cometchat.process_queue(1)");
    }
}

#[test]
fn a_user_tries_temporary_types_in_the_trigger_of_an_apps_table() {
    let (stack, ada) = Stack::with_ada();
    stack.execute(
        "CREATE TABLE public.profiles (user_id uuid);
         CREATE TRIGGER sync AFTER INSERT ON public.profiles FOR EACH ROW
         EXECUTE FUNCTION cometchat.enqueue_row('user_id')",
    );
    let before = stack.value("SELECT sum(wanted_revision) FROM cometchat.sync_state");
    let mut session = stack.session(ada);
    shadow_types(&mut session);

    // What the trigger's code raises is swallowed, so a failure shows in what it did not do.
    session.execute(&format!("INSERT INTO public.profiles VALUES ('{ada}')"));

    assert_ne!(stack.value("SELECT sum(wanted_revision) FROM cometchat.sync_state"), before);
}

#[test]
fn a_user_tries_temporary_tables_and_views_named_like_ours() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    session.execute(
        "CREATE TEMP TABLE cometchat_users (user_id uuid, cometchat_uid text, cometchat_auth_token text);
         CREATE TEMP TABLE sync_state (user_id uuid); CREATE TEMP TABLE users (id uuid);
         CREATE TEMP VIEW control AS SELECT true AS only_row, false AS paused;
         CREATE TEMP VIEW pg_extension AS SELECT 'cometchat_ext' AS extname, r.oid AS extowner
           FROM pg_catalog.pg_roles AS r WHERE rolname = 'authenticated';
         CREATE TEMP VIEW pg_roles AS SELECT oid, true AS rolsuper, rolname FROM pg_catalog.pg_roles;
         CREATE TEMP VIEW decrypted_secrets AS SELECT 'cometchat_api_key' AS name, 'x' AS decrypted_secret",
    );

    session.refresh(None).token();

    let sql = "SELECT count(*) FROM pg_temp.cometchat_users";
    assert_eq!(session.client.query_one(sql, &[]).expect(sql).get::<_, i64>(0), 0);
    let another = stack.sign_up("Bob");
    assert_eq!(session.ensure(Some(another), None, None).code(), "UNAUTHORIZED");
}

#[test]
fn a_user_tries_a_search_path_with_functions_and_operators_of_its_own() {
    let (stack, ada) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    stack.service().ensure(Some(bob), None, None).token();
    stack.execute("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC");
    let mut session = stack.session(ada);
    session.execute(
        "CREATE FUNCTION own.has_function_privilege(oid, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE FUNCTION own.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
         CREATE FUNCTION own.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
         CREATE FUNCTION own.always(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE FUNCTION own.sub(jsonb, text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
         CREATE FUNCTION own.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR own.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = own.always);
         CREATE OPERATOR own.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = own.sub);
         CREATE OPERATOR own.~* (LEFTARG = text, RIGHTARG = text, FUNCTION = own.never);
         CREATE TABLE own.cometchat_users (user_id uuid); CREATE TABLE own.users (id uuid);
         SET search_path = own, pg_catalog, public",
    );

    assert_eq!(session.ensure(Some(bob), None, None).code(), "UNAUTHORIZED");
    assert!(session.ensure(None, None, None).success());
    let sql = "SELECT count(*) FROM public.cometchat_users";
    assert_eq!(session.client.query_one(sql, &[]).expect(sql).get::<_, i64>(0), 1, "its own row");
}

#[test]
fn the_owner_of_the_database_tries_operators_that_our_views_would_bind() {
    let stack = Stack::new();
    stack.execute("DROP EXTENSION cometchat_ext");
    let evil = "CREATE FUNCTION public.evil(TYPES) RETURNS interval LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'evil runs as %', current_user; END $$;";
    let mut postgres = Session::of(stack.db.connect("postgres"));
    for (operator, left, right) in
        [("*", "bigint", "interval"), ("/", "interval", "integer"), ("*", "interval", "bigint")]
    {
        let types = format!("{left}, {right}");
        postgres.execute(&evil.replace("TYPES", &types));
        postgres.execute(&format!(
            "CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.evil)"
        ));
    }
    stack.execute("CREATE EXTENSION cometchat_ext; SELECT cometchat.enqueue(gen_random_uuid())");

    stack.execute("SELECT * FROM cometchat.progress");

    let bound = "SELECT count(*) FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
                 JOIN pg_class AS c ON c.oid = r.ev_class AND c.relnamespace = 'cometchat'::regnamespace
                 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid IN ('pg_operator'::regclass, 'pg_proc'::regclass)
                 AND (d.refclassid <> 'pg_proc'::regclass
                      OR d.refobjid NOT IN (SELECT p.oid FROM pg_proc AS p
                                            WHERE p.pronamespace = 'cometchat'::regnamespace))";
    assert_eq!(stack.value(bound).as_deref(), Some("0"), "nothing but Postgres's own");
}

#[test]
fn the_owner_of_the_database_tries_a_vault_of_its_own() {
    let stack = Stack::plain();
    stack.db.set("cometchat.api_key_file", None);
    stack.execute("CREATE SCHEMA vault AUTHORIZATION postgres; SET ROLE postgres");
    for vault in [
        "CREATE TABLE vault.decrypted_secrets (name text, decrypted_secret text);
         INSERT INTO vault.decrypted_secrets VALUES ('cometchat_api_key', 'mine')",
        "CREATE VIEW vault.decrypted_secrets AS SELECT 'cometchat_api_key' AS name, vault.evil('x'::text)::text AS decrypted_secret",
        "CREATE MATERIALIZED VIEW vault.decrypted_secrets AS SELECT 'cometchat_api_key' AS name, 'mine' AS decrypted_secret",
    ] {
        stack.execute(&format!(
            "SET ROLE postgres; DROP SCHEMA vault CASCADE; RESET ROLE; CREATE SCHEMA vault AUTHORIZATION postgres;
             SET ROLE postgres; {} {vault}", EVIL.replace("SCHEMA", "vault")
        ));
        let answer = Session::of(stack.db.admin()).ensure(Some(Uuid::new_v4()), None, None);
        assert_eq!(answer.error(), "CometChat is not properly configured: api_key is missing");
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn the_owner_of_the_database_tries_an_auth_users_that_runs_its_code() {
    let stack = Stack::plain();
    let ada = Uuid::new_v4();
    let create = format!(
        "CREATE SCHEMA auth AUTHORIZATION postgres; SET ROLE postgres; {}",
        EVIL.replace("SCHEMA", "auth")
    );
    stack.unpause_all_but_the_worker();
    for look_alike in [
        "CREATE VIEW auth.users AS SELECT gen_random_uuid() AS id WHERE auth.evil(random())".to_owned(),
        "CREATE MATERIALIZED VIEW auth.users AS SELECT gen_random_uuid() AS id WHERE auth.evil(1)".into(),
        // the planner computes it, whoever plans
        "CREATE TABLE auth.users (id uuid PRIMARY KEY); CREATE INDEX ON auth.users (id) WHERE auth.evil(1)".into(),
        "CREATE TYPE auth.mail AS (a text);
         CREATE FUNCTION auth.mail_text(auth.mail) RETURNS text LANGUAGE sql AS 'SELECT auth.evil(1)::text';
         CREATE CAST (auth.mail AS text) WITH FUNCTION auth.mail_text(auth.mail);
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email auth.mail)".into(),
    ] {
        stack.execute(&format!("{create} {look_alike};"));
        let is_table = look_alike.contains("TABLE auth.users");
        if is_table {
            stack.execute(&format!(
                "SET ROLE postgres; INSERT INTO auth.users (id) VALUES ('{ada}')"
            ));
        }
        let mut admin = Session::of(stack.db.connect("postgres"));
        stack.execute("GRANT USAGE ON SCHEMA cometchat TO postgres; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cometchat TO postgres");

        let switches = ["SELECT cometchat.backfill()", "SELECT cometchat.enable_auth_trigger()"];
        if is_table {
            // Any role's table is read: its code runs with that role's own rights.
            assert!(admin.ensure(Some(ada), None, None).success(), "{look_alike}");
            assert!(admin.refresh(Some(ada)).success());
            assert!(admin.revoke(Some(ada)).success());
            switches.iter().for_each(|sql| admin.execute(sql));
            admin.execute(&format!("SELECT cometchat.enqueue('{ada}')"));
            admin.execute("CALL cometchat.process_queue()");
            admin.execute("SELECT * FROM cometchat.reconcile(true)");
        } else {
            // Who exists cannot be known, so nobody does.
            assert_eq!(admin.ensure(Some(ada), None, None).code(), "DATABASE", "{look_alike}");
            assert_eq!(admin.refresh(Some(ada)).code(), "DATABASE");
            for sql in switches {
                assert_eq!(admin.sqlstate(sql), "42P01");
            }
        }
        admin.execute("SELECT * FROM cometchat.health()");
        stack.execute("DROP SCHEMA auth CASCADE");
    }
}
