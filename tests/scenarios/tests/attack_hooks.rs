//! Attacks with what may be hung on our tables and functions: triggers of those who were granted too
//! much, settings, owners, event triggers, support functions, and membership in the owner.

use postgres::error::SqlState;
use scenarios::{eventually, Cluster, Database, RightsTrap, Session, Stack};
use simulator::Simulator;
use uuid::Uuid;

const OURS: &str = "cometchat_ext";

/// What `postgres` hangs on our tables also asks for a victim's token.
fn asking_for(stack: &Stack, victim: Uuid) -> RightsTrap {
    let trap = RightsTrap::of(&stack.db, "postgres");
    trap.plant(
        &stack.db,
        &format!(
            "CREATE TABLE trap.loot (answer text); GRANT ALL ON trap.loot TO PUBLIC;
             CREATE FUNCTION trap.ask() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
               IF pg_catalog.pg_trigger_depth() = 1 THEN
                 INSERT INTO trap.loot SELECT public.cometchat_ensure_user('{victim}', 'Mallory', NULL);
               END IF;
             END $$;
             INSERT INTO trap.commands VALUES ('SELECT trap.ask()'),
               ('ALTER FUNCTION cometchat.on_auth_user_insert() SET search_path = trap'),
               ('ALTER FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean) SECURITY INVOKER')"
        ),
    );
    trap
}

/// It asked, and was told nothing.
#[track_caller]
fn asked_in_vain(stack: &Stack, victim: Uuid) {
    let asked = "SELECT string_agg(DISTINCT answer::jsonb ->> 'errorCode', ' ') FROM trap.loot";
    // As a rule it may not even call: then nothing is written down.
    assert!(matches!(stack.value(asked).as_deref(), None | Some("UNAUTHORIZED")));
    let told = "SELECT count(*) FROM trap.loot WHERE answer LIKE '%authToken%'";
    assert_eq!(stack.value(told).as_deref(), Some("0"));
    assert_eq!(stack.chat_user(victim)["name"], "Victim");
    let altered = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'cometchat'::regnamespace
        AND proname IN ('on_auth_user_insert', 'record_trigger_failure')
        AND NOT (prosecdef AND 'search_path=pg_catalog, pg_temp' = ANY (proconfig))";
    assert_eq!(stack.value(altered).as_deref(), Some("0"));
}

/// `postgres` was granted everything on our tables, TRIGGER included, and uses it.
fn triggers(stack: &Stack, trap: &RightsTrap, kind: &str) {
    stack.execute(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO postgres;
         GRANT ALL ON ALL TABLES IN SCHEMA cometchat TO postgres",
    );
    for table in [
        "public.cometchat_users",
        "cometchat.sync_state",
        "cometchat.control",
        "cometchat.trigger_misses",
    ] {
        let sql = match kind {
            "deferred" => format!(
                "CREATE CONSTRAINT TRIGGER evil AFTER INSERT OR UPDATE OR DELETE ON {table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.fire()"
            ),
            when => format!(
                "CREATE TRIGGER evil {when} INSERT OR UPDATE OR DELETE ON {table}
                 FOR EACH ROW EXECUTE FUNCTION trap.fire()"
            ),
        };
        trap.plant(&stack.db, &sql);
    }
}

#[test]
fn a_trigger_on_our_tables_runs_as_an_unprivileged_role() {
    for when in ["BEFORE", "AFTER"] {
        let stack = Stack::syncing();
        let (ada, victim) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Victim"));
        for user in [ada, victim] {
            eventually("synced", || stack.stored(user).token.is_some());
        }
        let trap = asking_for(&stack, victim);
        triggers(&stack, &trap, when);

        stack.session(ada).refresh(None).token();
        let bob = stack.sign_up("Bob");
        eventually("the worker goes on", || stack.stored(bob).token.is_some());
        let delete = format!("DELETE FROM auth.users WHERE id = '{bob}'");
        Session::of(stack.db.connect("supabase_auth_admin")).execute(&delete);
        eventually("the deletion is synced", || stack.stored(bob).deactivated);
        Session::of(stack.db.admin()).refresh(Some(ada)).token();

        // Before 18 Postgres runs what waits for the commit with the rights of whoever commits: here
        // the Auth server, whose statement the sign-up and the cascade are.
        trap.caught_nobody_but(&stack.db, &[OURS, "supabase_auth_admin"]);
        asked_in_vain(&stack, victim);
    }
}

const OPERATORS_CALLS: [&str; 7] = [
    "SELECT cometchat.enqueue(gen_random_uuid())",
    "SELECT cometchat.backfill()",
    "SELECT cometchat.pause()",
    "SELECT cometchat.resume()",
    "SELECT cometchat.retry_failed()",
    "SELECT cometchat.reconcile(true)",
    "CALL cometchat.process_queue()",
];

#[test]
fn a_trigger_on_our_tables_gains_no_more_where_a_superuser_operates() {
    let stack = Stack::new();
    let victim = stack.sign_up("Victim");
    stack.session(victim).ensure(None, None, None).token();
    stack.sign_up("Bob");
    let trap = asking_for(&stack, victim);
    triggers(&stack, &trap, "BEFORE");

    for sql in OPERATORS_CALLS {
        let _ = Session::of(stack.db.admin()).client.batch_execute(sql);
    }

    trap.caught_nobody_but(&stack.db, &[OURS]);
    asked_in_vain(&stack, victim);
}

#[test]
fn a_deferred_trigger_gains_no_more_where_a_superuser_operates() {
    let stack = Stack::new();
    stack.sign_up("Bob");
    let trap = RightsTrap::of(&stack.db, "postgres");
    triggers(&stack, &trap, "deferred");

    for sql in OPERATORS_CALLS {
        let _ = Session::of(stack.db.admin()).client.batch_execute(sql);
    }

    trap.caught_at_most(&stack.db, &[OURS]);
}

#[test]
fn a_deferred_trigger_does_not_run_as_the_committing_role() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    eventually("synced", || stack.stored(ada).token.is_some());
    let trap = RightsTrap::of(&stack.db, "postgres");
    triggers(&stack, &trap, "deferred");

    let mut admin = Session::of(stack.db.admin());
    let _ = stack.session(ada).try_ensure(None, Some("Countess"), None);
    let _ = admin.try_ensure(Some(ada), Some("Duchess"), None);
    let _ = admin.client.batch_execute(&format!("SELECT public.cometchat_refresh_token('{ada}')"));
    let bob = stack.sign_up("Bob");
    // What is written is refused, at the sign-up already, or it is not.
    let complaint = format!("cannot send in database \"{}\"", stack.db.name());
    eventually("the worker has tried", || {
        let swallowed = "SELECT is_called FROM cometchat.trigger_failures";
        stack.stored(bob).token.is_some()
            || stack.value(swallowed).as_deref() == Some("true")
            || stack.db.cluster().log().contains(&complaint)
    });
    trap.caught_at_most(&stack.db, &[OURS, "supabase_auth_admin"]);
}

#[test]
fn only_a_superuser_changes_our_functions_or_adds_event_triggers() {
    let stack = Stack::new();
    let name = stack.db.name();
    let (owner, maker) = (format!("owner_{name}"), format!("maker_{name}"));
    stack.execute(&format!(
        "CREATE ROLE {owner} LOGIN; CREATE ROLE {maker} LOGIN CREATEROLE;
         CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO PUBLIC;
         CREATE FUNCTION own.on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         ALTER DATABASE {name} OWNER TO {owner}; GRANT USAGE ON SCHEMA cometchat TO PUBLIC"
    ));
    for role in [&owner, &maker, "postgres", "service_role"] {
        let mut session = Session::of(stack.db.admin());
        session.execute(&format!("SET SESSION AUTHORIZATION {role}"));
        for function in [
            "public.cometchat_ensure_user(uuid, text, text)",
            "cometchat.health()",
            "cometchat.on_auth_user_insert()",
            "cometchat.record_trigger_failure(text, text, uuid, boolean)",
        ] {
            for change in [
                "SET search_path = own",
                "SET role = supabase_admin",
                "SET session_replication_role = replica",
                "RESET ALL",
                "SECURITY INVOKER",
                "OWNER TO CURRENT_USER",
                "LEAKPROOF",
                "SUPPORT own.on_event",
                "RENAME TO another",
                "SET SCHEMA own",
                "DEPENDS ON EXTENSION plpgsql",
            ] {
                let sql = format!("ALTER FUNCTION {function} {change}");
                assert_eq!(session.sqlstate(&sql), "42501", "{role}: {sql}");
            }
        }
        for sql in [
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION own.on_event()",
            "CREATE FUNCTION own.f(int) RETURNS int LANGUAGE sql SUPPORT generate_series_int4_support AS 'SELECT 1'",
            "ALTER TABLE cometchat.sync_state OWNER TO CURRENT_USER",
            "ALTER TABLE public.cometchat_users ADD CHECK (true)",
            "ALTER ROLE supabase_admin SET search_path = own",
            "ALTER EXTENSION cometchat_ext UPDATE",
        ] {
            assert_eq!(session.sqlstate(sql), "42501", "{role}: {sql}");
        }
    }
}

// Until version 15 of Postgres whoever has CREATEROLE may grant every role but a superuser's, to
// itself as well. Then what is ours is theirs, and what must not be is the superuser who calls it.
#[test]
fn a_role_that_may_create_roles_gains_no_superuser_by_joining_ours() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    let trap = RightsTrap::of(&stack.db, "postgres");
    match trap.session(&stack.db).batch_execute("GRANT cometchat_ext TO postgres") {
        Err(error) => return assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE)),
        Ok(()) => eprintln!("it has joined"),
    }
    // Where the last two are refused, so much the better.
    for sql in [
        "CREATE INDEX ON public.cometchat_users ((trap.spring('an index of the mapping')))",
        "CREATE INDEX ON cometchat.sync_state ((trap.spring('an index of the state')))",
        "CREATE INDEX ON cometchat.control ((trap.spring('an index of the switch')))",
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON cometchat.sync_state FOR EACH ROW EXECUTE FUNCTION trap.fire()",
        "ALTER FUNCTION cometchat.backfill() SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION cometchat.retry_failed(user_id uuid DEFAULT NULL) RETURNS bigint
         LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.take('a function of ours'); RETURN 0; END $$",
        "CREATE OR REPLACE FUNCTION cometchat.on_auth_user_insert() RETURNS trigger
         LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.take('our trigger function'); RETURN NULL; END $$",
    ] {
        let _ = trap.session(&stack.db).batch_execute(sql);
    }

    let mut admin = Session::of(stack.db.admin());
    for sql in [
        &format!("SELECT public.cometchat_ensure_user('{ada}', 'Countess')"),
        "SELECT cometchat.health()",
        "SELECT cometchat.backfill()",
        "SELECT cometchat.retry_failed()",
        "SELECT cometchat.enable_auth_trigger(), cometchat.resume()",
    ] {
        let _ = admin.client.batch_execute(sql);
        trap.caught_at_most(&stack.db, &[OURS, "supabase_auth_admin"]);
    }
    stack.sign_up("Bob");
    eventually("there is a worker", || stack.worker().is_some());
    trap.caught_at_most(&stack.db, &[OURS, "supabase_auth_admin"]);
}
