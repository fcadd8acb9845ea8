//! Attacks with trigger functions, and with what fires when our definers write.

use scenarios::{RightsTrap, Session, Stack};

#[test]
fn a_role_tries_to_call_trigger_functions_directly() {
    let (stack, ada) = Stack::with_ada();
    for function in [
        "on_auth_user_insert",
        "on_auth_user_before_delete",
        "on_auth_user_after_delete",
        "on_auth_user_update",
        "on_truncate",
        "record_all_missed",
        "record_trigger_failure",
        "create_auth_triggers",
        "drop_auth_triggers",
        "create_foreign_key",
        "grant_usage_on_public",
        "calling_role",
        "switch_role",
        "restrict",
    ] {
        let arguments =
            if function == "record_trigger_failure" { "'x', 'y', NULL, false" } else { "" };
        let sql = format!("SELECT cometchat.{function}({arguments})");
        assert_eq!(stack.session(ada).sqlstate(&sql), "42501");
        assert_eq!(stack.service().sqlstate(&sql), "42501");
        assert_eq!(Session::of(stack.db.connect("postgres")).sqlstate(&sql), "42501");
    }
    for function in [
        "on_auth_user_insert",
        "on_auth_user_before_delete",
        "on_auth_user_after_delete",
        "on_auth_user_update",
        "on_truncate",
        "enqueue_row",
    ] {
        let sql = format!("SELECT cometchat.{function}()");
        assert_eq!(Session::of(stack.db.admin()).sqlstate(&sql), "0A000");
    }
}

#[test]
fn a_user_tries_to_put_our_trigger_functions_on_a_table_of_its_own() {
    let (stack, ada) = Stack::with_ada();
    for schema_is_open in [false, true] {
        if schema_is_open {
            stack.execute("GRANT USAGE ON SCHEMA cometchat TO PUBLIC");
        }
        let mut session = stack.session(ada);
        session.execute("CREATE TEMP TABLE own (id uuid)");
        for function in [
            "enqueue_row",
            "on_auth_user_insert",
            "on_auth_user_before_delete",
            "on_auth_user_after_delete",
        ] {
            let sql = format!(
                "CREATE TRIGGER own AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION cometchat.{function}()"
            );
            assert_eq!(session.sqlstate(&sql), "42501");
        }
    }
}

#[test]
fn the_service_role_and_postgres_try_the_triggers_that_are_not_for_their_tables() {
    let (stack, _) = Stack::with_ada();
    for mut session in [stack.service(), Session::of(stack.db.connect("postgres"))] {
        session.execute("CREATE TEMP TABLE own (id uuid)");
        for function in
            ["on_auth_user_insert", "on_auth_user_before_delete", "on_auth_user_after_delete"]
        {
            let sql = format!(
                "CREATE TRIGGER own AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION cometchat.{function}()"
            );
            assert_eq!(session.sqlstate(&sql), "42501");
        }
    }
}

#[test]
fn a_role_tries_to_hang_code_on_our_tables() {
    let (stack, ada) = Stack::with_ada();
    stack.execute(
        "CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC;
         CREATE FUNCTION own.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION own.seen(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA own TO PUBLIC",
    );
    let mut sessions =
        [stack.session(ada), stack.service(), Session::of(stack.db.connect("postgres"))];
    for session in &mut sessions {
        for table in ["public.cometchat_users", "cometchat.sync_state", "cometchat.control"] {
            for sql in [
                format!("CREATE TRIGGER t BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION own.evil()"),
                format!("CREATE RULE r AS ON INSERT TO {table} DO ALSO SELECT 1"),
                format!("CREATE POLICY p ON {table} USING (true)"),
                format!("CREATE INDEX ON {table} ((1)) WHERE own.seen('x')"),
                format!("CREATE STATISTICS own.s ON (1 + 1), (2 + 2) FROM {table}"),
                format!("ALTER TABLE {table} ADD COLUMN evil text"),
                format!("ALTER TABLE {table} ADD CHECK (own.seen('x'))"),
                format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
                format!("ALTER TABLE {table} OWNER TO CURRENT_USER"),
                format!("CREATE PUBLICATION p FOR TABLE {table}"),
                format!("CREATE TABLE own.child () INHERITS ({table})"),
                format!("TRUNCATE {table}"),
            ] {
                assert_eq!(session.sqlstate(&sql), "42501", "{sql}");
            }
        }
        let sql = "CREATE TABLE own.refers (id bigint REFERENCES public.cometchat_users)";
        assert_eq!(session.sqlstate(sql), "42501");
        assert_eq!(session.sqlstate("CREATE PUBLICATION everything FOR ALL TABLES"), "42501");
        assert_eq!(
            session.sqlstate(
                "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION own.evil()"
            ),
            "42501"
        );
    }
}

#[test]
fn the_owner_of_auth_users_tries_operators_and_casts_of_its_own_on_what_the_trigger_compares() {
    let stack = Stack::plain();
    let trap = RightsTrap::of(&stack.db, "supabase_auth_admin");
    stack.execute("CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin");
    trap.plant(
        &stack.db,
        "CREATE TYPE trap.mail AS (address text);
         CREATE FUNCTION trap.same(trap.mail, trap.mail) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('an operator'); RETURN false; END $$;
         CREATE OPERATOR trap.= (LEFTARG = trap.mail, RIGHTARG = trap.mail, FUNCTION = trap.same);
         CREATE FUNCTION trap.auth_user_differs(record, record) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a look-alike'); RETURN false; END $$;
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email trap.mail, seen timestamptz);
         INSERT INTO auth.users VALUES (gen_random_uuid(), ROW('ada@example.com'))",
    );
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let mut owner = Session::of(trap.session(&stack.db));
    owner.execute("SET search_path = trap, auth, pg_catalog");

    owner.execute("UPDATE users SET seen = now()");
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.sync_state").as_deref(), Some("0"));
    owner.execute("UPDATE users SET email = ROW('eve@example.com')");

    assert_eq!(stack.value("SELECT count(*) FROM cometchat.sync_state").as_deref(), Some("1"));
    trap.caught_at_most(&stack.db, &[]);

    // And a type of its own for the id, once the triggers are there.
    stack.execute(
        "ALTER TABLE cometchat_users DROP CONSTRAINT cometchat_users_user_id_fkey;
         CREATE TYPE trap.id AS (id uuid);
         CREATE FUNCTION trap.of_id(trap.id) RETURNS uuid IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM trap.take('a cast to uuid'); RETURN $1.id; END $$;
         CREATE CAST (trap.id AS uuid) WITH FUNCTION trap.of_id AS IMPLICIT;
         ALTER TABLE auth.users DROP CONSTRAINT users_pkey;
         ALTER TABLE auth.users ALTER COLUMN id TYPE trap.id USING ROW(id)::trap.id;
         GRANT ALL ON TYPE trap.id TO PUBLIC",
    );
    owner.execute(
        "INSERT INTO users (id) VALUES (ROW(gen_random_uuid()));
         UPDATE users SET id = ROW(gen_random_uuid()); DELETE FROM users; TRUNCATE users",
    );
    trap.caught_at_most(&stack.db, &[]);
}

#[test]
fn an_app_tries_broken_rows_on_the_trigger_for_its_own_table() {
    let stack = Stack::new();
    stack.execute(
        "CREATE TABLE public.profiles (user_id text, at int);
         CREATE TRIGGER sync AFTER INSERT OR UPDATE OR DELETE ON public.profiles FOR EACH ROW
         EXECUTE FUNCTION cometchat.enqueue_row('user_id')",
    );
    let ada = stack.sign_up("Ada Lovelace");

    stack.session(ada).execute(
        "INSERT INTO public.profiles VALUES ('x'), (NULL), (repeat('9', 100000)), ('; DROP TABLE x')",
    );

    assert_eq!(stack.value("SELECT count(*) FROM public.profiles").as_deref(), Some("4"));
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.sync_state").as_deref(), Some("0"));
}

#[test]
fn an_owner_of_a_table_tries_casts_of_its_own_in_enqueue_row() {
    let stack = Stack::new();
    let trap = RightsTrap::of(&stack.db, "postgres");
    let mut types = String::from("CREATE TYPE trap.id AS (id text);");
    for target in ["json", "text", "uuid"] {
        types.push_str(&format!(
            "CREATE FUNCTION trap.as_{target}(trap.id) RETURNS {target} IMMUTABLE LANGUAGE plpgsql AS
             $$ BEGIN PERFORM trap.take('a cast to {target}'); RETURN NULL; END $$;
             CREATE CAST (trap.id AS {target}) WITH FUNCTION trap.as_{target} AS ASSIGNMENT;"
        ));
    }
    trap.plant(
        &stack.db,
        &format!("{types} CREATE TABLE trap.odd (owner trap.id, id uuid, more trap.id)"),
    );
    stack.execute(
        "CREATE TRIGGER a AFTER INSERT ON trap.odd FOR EACH ROW EXECUTE FUNCTION cometchat.enqueue_row('owner');
         CREATE TRIGGER b AFTER INSERT ON trap.odd FOR EACH ROW EXECUTE FUNCTION cometchat.enqueue_row()",
    );
    let row = "INSERT INTO trap.odd VALUES (ROW('x'), gen_random_uuid(), ROW('y'))";
    trap.plant(&stack.db, row);

    trap.caught_at_most(&stack.db, &[]);
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.sync_state").as_deref(), Some("1"));
}
