//! Attacks on the superuser who creates the extension: what others have put into `public`, or into
//! the cluster, before.

use scenarios::{Cluster, Database, RightsTrap, Session, Stack};
use simulator::Simulator;

/// Operators that fit better than Postgres's own, which would need a cast.
const OPERATORS: [(&str, &str, &str); 19] = [
    ("=", "oid", "regclass"),
    ("=", "regclass", "oid"),
    ("=", "oid", "regnamespace"),
    ("=", "oid", "regproc"),
    ("=", "oid", "regprocedure"),
    ("=", "oid", "regrole"),
    ("=", "oid", "integer"),
    ("<>", "oid", "integer"),
    ("<>", "oid", "oid"),
    ("=", "\"char\"", "text"),
    ("=", "\"char\"", "\"char\""),
    ("=", "name", "text"),
    ("=", "name", "name"),
    ("=", "text", "text"),
    ("=", "smallint", "integer"),
    ("||", "text", "text"),
    ("||", "text", "name"),
    ("->>", "jsonb", "text"),
    ("~~", "name", "text"),
];

/// Functions that fit better, or as well: name, arguments, result.
const FUNCTIONS: [(&str, &str, &str); 16] = [
    ("now", "", "timestamptz"),
    ("format", "text, text", "text"),
    ("format", "text, name", "text"),
    ("format", "text, text, text", "text"),
    ("quote_ident", "name", "text"),
    ("to_regclass", "unknown", "regclass"),
    ("current_setting", "text, boolean", "text"),
    ("has_function_privilege", "regrole, regprocedure, text", "boolean"),
    ("has_schema_privilege", "regrole, regnamespace, text", "boolean"),
    ("pg_extension_config_dump", "regclass, unknown", "void"),
    ("pg_get_userbyid", "regrole", "name"),
    ("aclexplode", "anyarray", "text"),
    ("acldefault", "unknown, oid", "aclitem[]"),
    ("array_to_string", "name[], text", "text"),
    ("unnest", "name[]", "name"),
    ("cardinality", "name[]", "integer"),
];

/// Aggregates that fit better: name, argument.
const AGGREGATES: [(&str, &str); 5] = [
    ("array_agg", "name"),
    ("array_agg", "regclass"),
    ("count", "oid"),
    ("bool_or", "boolean"),
    ("max", "name"),
];

const TYPES: [&str; 10] =
    ["text", "name", "jsonb", "uuid", "int4", "int8", "bool", "oid", "regclass", "timestamptz"];

/// Puts all of these into `public`, as whoever may create there.
fn plant(db: &Database) -> RightsTrap {
    let trap = RightsTrap::of(db, "postgres");
    let mut sql = String::new();
    for (n, (operator, left, right)) in OPERATORS.iter().enumerate() {
        let result = if matches!(*operator, "||" | "->>") { "text" } else { "boolean" };
        sql += &format!(
            "CREATE FUNCTION trap.operator_{n}({left}, {right}) RETURNS pg_catalog.{result} LANGUAGE plpgsql
             AS $$ BEGIN PERFORM trap.take('operator {operator}'); RETURN true; END $$;
             CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = trap.operator_{n});"
        ).replace("pg_catalog.boolean", "boolean");
    }
    for (name, arguments, result) in FUNCTIONS {
        let arguments = arguments.replace("unknown", "varchar");
        let give = if result == "void" { "RETURN" } else { "RETURN NULL" };
        sql += &format!(
            "CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql
             AS $$ BEGIN PERFORM trap.take('function {name}'); {give}; END $$;"
        );
    }
    for (n, (name, argument)) in AGGREGATES.iter().enumerate() {
        sql += &format!(
            "CREATE FUNCTION trap.aggregate_{n}(text, {argument}) RETURNS text LANGUAGE plpgsql
             AS $$ BEGIN PERFORM trap.take('aggregate {name}'); RETURN NULL; END $$;
             CREATE AGGREGATE public.{name}({argument}) (SFUNC = trap.aggregate_{n}, STYPE = text);"
        );
    }
    trap.plant(db, &sql);
    for kind in TYPES {
        let sql = format!(
            "CREATE DOMAIN public.{kind} AS pg_catalog.{kind} CHECK (trap.holds('domain {kind}'))"
        );
        trap.plant(db, &sql);
    }
    // Casts go by type, wherever the search path looks.
    trap.plant(
        db,
        "CREATE TYPE public.own AS (x pg_catalog.text);
         CREATE FUNCTION trap.of_own(public.own) RETURNS pg_catalog.text LANGUAGE plpgsql
         AS $$ BEGIN PERFORM trap.take('a cast'); RETURN 'x'; END $$;
         CREATE CAST (public.own AS pg_catalog.text) WITH FUNCTION trap.of_own AS IMPLICIT",
    );
    trap
}

#[test]
fn creating_the_extension_calls_nothing_in_public() {
    for path in ["public", "public, pg_catalog"] {
        let db = Database::like_supabase(Cluster::shared());
        let trap = plant(&db);
        // An owner of a database may decide where its superuser's sessions look first.
        let set = format!("ALTER DATABASE {} SET search_path = {path}", db.name());
        db.connect("postgres").batch_execute(&set).expect(&set);
        Session::of(db.admin()).execute("CREATE EXTENSION cometchat_ext");

        trap.caught_at_most(&db, &[]);
    }
}

#[test]
fn a_superusers_calls_run_nothing_in_public() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.unpause_all_but_the_worker();
    let trap = plant(&stack.db);

    for call in [
        format!("SELECT public.cometchat_ensure_user('{ada}')"),
        format!("SELECT public.cometchat_refresh_token('{ada}')"),
        format!("SELECT cometchat.enqueue('{ada}', '{{\"name\": \"A\"}}')"),
        "SELECT cometchat.enable_auth_trigger()".into(),
        "SELECT cometchat.backfill()".into(),
        "SELECT cometchat.health()".into(),
        "SELECT cometchat.reconcile(true)".into(),
        "SELECT cometchat.retry_failed()".into(),
        "SELECT * FROM cometchat.progress, cometchat.stats, cometchat.failed_users".into(),
        "SELECT * FROM public.cometchat_users".into(),
        "SELECT cometchat.pause()".into(),
        "SELECT cometchat.resume()".into(),
        "SELECT cometchat.disable_auth_trigger()".into(),
        format!("SELECT public.cometchat_revoke_tokens('{ada}')"),
        "CALL cometchat.process_queue(1)".into(),
    ] {
        let mut admin = Session::of(stack.db.admin());
        admin.execute("SET search_path = public, pg_catalog");
        let result = admin.client.batch_execute(&call);
        trap.caught_at_most(&stack.db, &[]);
        result.expect(&call);
    }
}

#[test]
fn existing_objects_with_our_names_are_not_adopted() {
    for (sql, code) in [
        ("CREATE SCHEMA cometchat", "42P06"),
        ("CREATE TABLE public.cometchat_users (user_id uuid)", "42P07"),
        ("CREATE FUNCTION public.cometchat_ensure_user(uuid, text, text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'", "42723"),
    ] {
        let db = Database::like_supabase(Cluster::shared());
        Session::of(db.connect("postgres")).execute(sql);

        let mut admin = Session::of(db.admin());
        let error = admin.client.batch_execute("CREATE EXTENSION cometchat_ext").expect_err(sql);
        let error = error.as_db_error().expect(sql);
        assert_eq!(error.code().code(), code, "{sql}");
        if !sql.contains("FUNCTION") {
            assert!(error.hint().is_some_and(|hint| hint.contains("docs/migrate")), "{error:?}");
        }
    }
}

#[test]
fn an_existing_owner_role_with_privileges_is_refused() {
    // Roles are the whole cluster's: one that has never had the extension.
    let db = Database::like_supabase(Cluster::start(&[]));
    let mut admin = db.admin();
    for make in [
        "CREATE ROLE cometchat_ext LOGIN",
        "CREATE ROLE cometchat_ext SUPERUSER",
        "CREATE ROLE cometchat_ext CREATEROLE",
        "CREATE ROLE cometchat_ext CREATEDB",
        "CREATE ROLE cometchat_ext REPLICATION",
        "CREATE ROLE cometchat_ext BYPASSRLS",
        "CREATE ROLE cometchat_ext; GRANT cometchat_ext TO postgres",
        "CREATE ROLE cometchat_ext; GRANT supabase_admin TO cometchat_ext",
        "CREATE ROLE cometchat_ext; GRANT pg_read_all_data TO cometchat_ext",
    ] {
        admin.batch_execute(make).expect(make);
        let error = admin.batch_execute("CREATE EXTENSION cometchat_ext").expect_err(make);

        let error = error.as_db_error().expect("an error of the server's");
        assert!(error.message().contains("cometchat_ext"), "{make}: {}", error.message());
        assert!(error.message().contains("role"), "{make}: {}", error.message());
        assert!(error.hint().is_some(), "{make}");
        let there = "SELECT FROM pg_extension WHERE extname = 'cometchat_ext'";
        assert!(admin.query_opt(there, &[]).expect(there).is_none(), "{make}");
        admin.batch_execute("DROP ROLE cometchat_ext").expect("drop it");
    }
    // An empty one is as good as ours: a restored cluster has it before the extension.
    let create = "CREATE ROLE cometchat_ext; CREATE EXTENSION cometchat_ext";
    admin.batch_execute(create).expect(create);
}

#[test]
fn the_owner_role_has_no_other_privileges() {
    let stack = Stack::on(Database::like_supabase(Cluster::shared()), Simulator::start());
    let sql = "SELECT concat_ws(' ', rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
                 rolbypassrls, EXISTS (SELECT FROM pg_auth_members WHERE pg_roles.oid IN (member, roleid)),
                 pg_roles.oid = (SELECT relowner FROM pg_class WHERE oid = 'cometchat_users'::regclass))
               FROM pg_roles WHERE rolname = 'cometchat_ext'";

    assert_eq!(stack.value(sql).as_deref(), Some("f f f f f f f t"));
    let mut postgres = Session::of(stack.db.connect("postgres"));
    assert_eq!(postgres.sqlstate("SET ROLE cometchat_ext"), "42501");
}
