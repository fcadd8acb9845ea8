//! Attacks on trust: becoming somebody who may ask for everybody.

use scenarios::{Session, Stack, NOTHING};
use uuid::Uuid;

/// Mallory, signed in, and Ada, whom CometChat knows; it was asked nothing since.
fn mallory_and_ada() -> (Stack, Uuid, Uuid) {
    let (stack, ada) = Stack::with_ada();
    let mallory = stack.sign_up("Mallory");
    (stack, mallory, ada)
}

/// Ada's errorCode as a function of somebody's gets it.
#[track_caller]
fn helped(session: &mut Session, function: &str, ada: Uuid) -> Option<String> {
    let sql = format!("SELECT {function}($1) ->> 'errorCode'");
    session.client.query_one(&sql, &[&ada]).expect(&sql).get(0)
}

#[test]
fn a_user_tries_definer_functions_of_every_role() {
    let (stack, mallory, ada) = mallory_and_ada();
    stack.execute("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC");
    for owner in ["authenticated", "service_role", "postgres", "supabase_admin"] {
        stack.execute(&format!(
            "SET ROLE {owner};
             CREATE FUNCTION own.by_{owner}(user_id uuid) RETURNS jsonb LANGUAGE sql SECURITY DEFINER
             AS 'SELECT public.cometchat_ensure_user(user_id)';
             CREATE FUNCTION own.revoke_by_{owner}(user_id uuid) RETURNS jsonb LANGUAGE plpgsql
             SECURITY DEFINER AS 'BEGIN RETURN public.cometchat_revoke_tokens(user_id); END'"
        ));
        let mut session = stack.session(mallory);
        for function in [format!("own.by_{owner}"), format!("own.revoke_by_{owner}")] {
            let code = helped(&mut session, &function, ada);
            assert_eq!(code.as_deref(), Some("UNAUTHORIZED"), "{function}");
        }
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_user_tries_views_triggers_and_do_blocks_of_postgres() {
    let (stack, mallory, ada) = mallory_and_ada();
    stack.execute(&format!(
        "SET ROLE postgres;
         CREATE VIEW public.peek AS SELECT public.cometchat_ensure_user('{ada}') AS answer;
         CREATE TABLE public.said (answer jsonb);
         CREATE FUNCTION public.say() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
           $$ BEGIN NEW.answer := public.cometchat_refresh_token('{ada}'); RETURN NEW; END $$;
         CREATE TRIGGER say BEFORE INSERT ON public.said FOR EACH ROW EXECUTE FUNCTION public.say()"
    ));
    let mut session = stack.session(mallory);
    session.execute("INSERT INTO public.said DEFAULT VALUES");
    session.execute(&format!(
        "DO $$ BEGIN IF public.cometchat_ensure_user('{ada}') ->> 'errorCode' <> 'UNAUTHORIZED'
                     THEN RAISE 'let in'; END IF; END $$"
    ));
    let sql = "SELECT answer ->> 'errorCode' FROM public.peek
               UNION ALL SELECT answer ->> 'errorCode' FROM public.said";
    let rows = session.client.query(sql, &[]).expect(sql);
    let codes: Vec<Option<&str>> = rows.iter().map(|row| row.get(0)).collect();

    assert_eq!(codes, [Some("UNAUTHORIZED"); 2]);
}

#[test]
fn a_role_tries_to_become_a_role_without_membership() {
    let (stack, ..) = mallory_and_ada();
    let name = format!("{}_mallory", stack.db.name());
    stack.execute(&format!("CREATE ROLE {name} LOGIN; GRANT authenticated TO {name}"));
    let mut session = Session::of(stack.db.connect(&name));

    for role in ["service_role", "postgres", "supabase_admin"] {
        assert_eq!(session.sqlstate(&format!("SET ROLE {role}")), "42501");
        assert_eq!(session.sqlstate(&format!("SET SESSION AUTHORIZATION {role}")), "42501");
        assert_eq!(
            session.sqlstate(&format!("SELECT set_config('role', '{role}', false)")),
            "42501"
        );
        let function = format!(
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET role = '{role}' AS 'SELECT 1';
             SELECT pg_temp.f()"
        );
        assert_eq!(session.sqlstate(&function), "42501");
    }
    assert_eq!(session.sqlstate("SET is_superuser = on"), "55P02");
}

#[test]
fn a_definer_function_of_postgres_tries_to_set_the_role() {
    let (stack, mallory, _) = mallory_and_ada();
    stack.execute(
        "SET ROLE postgres; CREATE FUNCTION public.become() RETURNS void LANGUAGE plpgsql
         SECURITY DEFINER AS 'BEGIN SET LOCAL ROLE service_role; END'",
    );

    assert_eq!(stack.session(mallory).sqlstate("SELECT public.become()"), "42501");
}

#[test]
fn the_apis_login_role_tries_its_membership_of_service_role() {
    let (stack, _, ada) = mallory_and_ada();
    let call = format!("SELECT public.cometchat_ensure_user('{ada}')");
    let mut session = Session::of(stack.db.connect("authenticator"));
    assert_eq!(session.sqlstate(&call), "42501", "it inherits nothing");
    stack.execute(
        "GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text) TO authenticator",
    );

    assert_eq!(session.ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
}

#[test]
fn a_user_tries_to_be_trusted_by_a_setting() {
    let (stack, mallory, ada) = mallory_and_ada();
    let mut session = stack.session(mallory);
    for setting in ["trusted", "trust", "caller", "role"] {
        assert_eq!(session.sqlstate(&format!("SET cometchat.{setting} = 'on'")), "42602");
        let set = format!("SELECT set_config('cometchat.{setting}', 'on', false)");
        assert_eq!(session.sqlstate(&set), "42602");
    }
    session.execute("SET row_security = off; SET application_name = 'supabase_admin'");
    assert_eq!(session.sqlstate("SET session_replication_role = replica"), "42501");

    assert_eq!(session.ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
}

#[test]
fn a_client_tries_every_function_for_operators() {
    let (stack, mallory, _) = mallory_and_ada();
    let sql =
        "SELECT format('%s cometchat.%I(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END,
                 proname, (SELECT string_agg(format('NULL::%s', t::regtype), ', ' ORDER BY n)
                           FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n)))
               FROM pg_proc WHERE pronamespace = 'cometchat'::regnamespace";
    let calls = stack.db.admin().query(sql, &[]).expect(sql);
    assert!(calls.len() > 20);
    for role in ["authenticated", "anon"] {
        let mut session = stack.session(mallory);
        session.execute(&format!("SET ROLE {role}"));
        for call in &calls {
            assert_eq!(session.sqlstate(call.get(0)), "42501");
        }
    }
    // A DBA who opens the schema has opened nothing by that.
    stack.execute("GRANT USAGE ON SCHEMA cometchat TO PUBLIC");
    let mut session = stack.session(mallory);
    for call in &calls {
        let code = session.sqlstate(call.get(0));
        assert!(code == "42501", "{code}: {}", call.get::<_, &str>(0));
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn the_service_role_tries_to_hand_its_trust_on() {
    let (stack, mallory, ada) = mallory_and_ada();
    // Without grant option that is a warning, and nothing is granted.
    stack.service().execute(
        "GRANT EXECUTE ON FUNCTION cometchat.enqueue(uuid, jsonb) TO authenticated;
         GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text) TO anon",
    );

    assert_eq!(stack.session(mallory).ensure(Some(ada), None, None).code(), "UNAUTHORIZED");
    let anon =
        "has_function_privilege('anon', 'cometchat_ensure_user(uuid, text, text)', 'EXECUTE')";
    assert_eq!(stack.value(anon).as_deref(), Some("false"));
}

#[test]
fn the_service_role_tries_what_only_operators_do() {
    let (stack, _) = Stack::with_ada();
    let mut session = stack.service();
    for sql in ["pause()", "resume()", "reconcile(true)"] {
        assert_eq!(session.sqlstate(&format!("SELECT * FROM cometchat.{sql}")), "42501");
    }
    stack.execute(
        "SET ROLE postgres; CREATE FUNCTION public.mend() RETURNS SETOF record LANGUAGE sql
         SECURITY DEFINER AS 'SELECT * FROM cometchat.reconcile(true)'",
    );
    assert_eq!(session.sqlstate("SELECT public.mend()"), "42501", "nor through a definer");
}

#[test]
fn the_owner_of_the_database_tries_to_change_our_functions() {
    let (stack, _) = Stack::with_ada();
    let mut session = Session::of(stack.db.connect("postgres"));
    let ensure = "public.cometchat_ensure_user(uuid, text, text)";
    for sql in [
        format!("ALTER FUNCTION {ensure} SET search_path = public"),
        format!("ALTER FUNCTION {ensure} RESET ALL"),
        format!("ALTER FUNCTION {ensure} OWNER TO postgres"),
        format!("ALTER FUNCTION {ensure} SECURITY INVOKER"),
        format!("ALTER FUNCTION {ensure} SUPPORT cometchat.enqueue"),
        "CREATE OR REPLACE FUNCTION cometchat.enqueue(user_id uuid, profile jsonb DEFAULT NULL)
         RETURNS void LANGUAGE sql AS ''"
            .into(),
        "CREATE FUNCTION cometchat.more() RETURNS int LANGUAGE sql AS 'SELECT 1'".into(),
        "ALTER EXTENSION cometchat_ext UPDATE".into(),
        "ALTER EXTENSION cometchat_ext DROP TABLE public.cometchat_users".into(),
        "DROP EXTENSION cometchat_ext".into(),
        "ALTER SCHEMA cometchat OWNER TO postgres".into(),
    ] {
        assert_eq!(session.sqlstate(&sql), "42501", "{sql}");
    }
    // It owns public, and may drop what is in there; what belongs to an extension goes with that.
    let drop = format!("DROP FUNCTION {ensure}; DROP TABLE public.cometchat_users");
    assert_eq!(session.sqlstate(&drop), "2BP01");
}

#[test]
fn a_role_without_superuser_tries_to_bind_our_library_by_itself() {
    let (stack, mallory) = Stack::with_ada();
    for mut session in
        [stack.session(mallory), stack.service(), Session::of(stack.db.connect("postgres"))]
    {
        for symbol in ["ensure_user", "claim_batch", "configuration", "list_remote_users"] {
            let sql = format!(
                "CREATE FUNCTION pg_temp.f() RETURNS jsonb LANGUAGE c
                 AS '$libdir/cometchat_ext', 'cometchat_{symbol}_wrapper'"
            );
            assert_eq!(session.sqlstate(&sql), "42501");
        }
        assert_eq!(session.sqlstate("LOAD '/tmp/evil.so'"), "42501");
    }
}

// A cascade runs with the rights of the table's owner, and is no security-restricted operation.
#[test]
fn an_owner_of_a_table_tries_the_cascade_of_a_trusted_roles_deletion() {
    let (stack, _, ada) = mallory_and_ada();
    let name = format!("{}_owner", stack.db.name());
    stack.execute(&format!(
        "CREATE ROLE {name} LOGIN; GRANT authenticated TO {name};
         CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC;
         CREATE TABLE own.parent (id int PRIMARY KEY); INSERT INTO own.parent VALUES (1);
         GRANT ALL ON own.parent TO PUBLIC;
         SET SESSION AUTHORIZATION {name};
         CREATE TABLE own.said (answer jsonb);
         CREATE TABLE own.child (id int REFERENCES own.parent ON DELETE CASCADE);
         INSERT INTO own.child VALUES (1);
         CREATE FUNCTION own.say() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
           INSERT INTO own.said SELECT public.cometchat_ensure_user('{ada}', 'Mallory');
           RETURN OLD;
         END $$;
         CREATE TRIGGER say BEFORE DELETE ON own.child FOR EACH ROW EXECUTE FUNCTION own.say()"
    ));
    for role in ["supabase_admin", "postgres"] {
        stack.execute(&format!(
            "SET ROLE {role}; DELETE FROM own.parent WHERE true; RESET ROLE;
             INSERT INTO own.parent VALUES (1); INSERT INTO own.child VALUES (1)"
        ));
    }

    let said = "SELECT string_agg(DISTINCT answer ->> 'errorCode', ' ') || count(*) FROM own.said";
    assert_eq!(stack.value(said).as_deref(), Some("UNAUTHORIZED2"));
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    assert_eq!(stack.asked(), NOTHING);
}
