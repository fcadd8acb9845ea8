//! Attacks by the owner of `auth.users` on whoever reads it: every way of ours into that table.

use scenarios::{eventually, Cluster, Database, RightsTrap, Session, Stack};
use simulator::Simulator;
use uuid::Uuid;

const AUTH_SERVER: &str = "supabase_auth_admin";

/// Expressions with constants are computed whenever somebody plans a query, whatever the query is.
const INDEXES: &str = "
    CREATE INDEX trap_index ON auth.users ((trap.spring('an index')));
    CREATE INDEX trap_predicate ON auth.users (id) WHERE trap.holds('a predicate');
    CREATE INDEX trap_row ON auth.users ((trap.spring('a row of ' || id)));
    CREATE STATISTICS auth.trap_statistics ON (trap.spring('statistics')), (id::text) FROM auth.users";

fn planted(stack: &Stack) -> RightsTrap {
    let trap = RightsTrap::of(&stack.db, AUTH_SERVER);
    trap.plant(&stack.db, INDEXES);
    trap
}

#[test]
fn a_signed_in_users_calls_run_its_code_with_no_other_rights() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let trap = planted(&stack);

    // Each in a session of its own: what was computed once is kept.
    stack.session(ada).ensure(None, None, None).token();
    stack.session(ada).ensure(None, Some("Countess"), None).token();
    stack.session(ada).refresh(None).token();
    assert!(stack.session(ada).revoke(None).success());

    trap.caught_nobody_but(&stack.db, &[]);
}

#[test]
fn a_trusted_callers_calls_run_its_code_with_no_other_rights() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    let trap = planted(&stack);

    for role in ["service_role", "postgres", "supabase_admin"] {
        let session = || {
            let mut session = Session::of(stack.db.admin());
            session.execute(&format!("SET SESSION AUTHORIZATION {role}"));
            session
        };
        session().ensure(Some(ada), Some(role), Some("ada@example.com")).token();
        session().refresh(Some(ada)).token();
        assert!(session().revoke(Some(ada)).success());
        session().execute(&format!("SELECT cometchat.enqueue('{ada}', '{{\"name\": \"A\"}}')"));
    }

    trap.caught_nobody_but(&stack.db, &[]);
}

#[test]
fn the_worker_runs_its_code_with_no_other_rights() {
    let stack = Stack::syncing();
    let trap = planted(&stack);

    let ada = stack.sign_up("Ada Lovelace");
    eventually("the sign-up is synced", || stack.stored(ada).token.is_some());
    stack.change(ada, "banned_until = now() + interval '1 hour'");
    eventually("the ban is synced", || stack.asked().contains(&"deactivate_users".to_owned()));
    let delete = format!("DELETE FROM auth.users WHERE id = '{ada}'");
    stack.db.connect(AUTH_SERVER).batch_execute(&delete).expect(&delete);
    eventually("the deletion is synced", || settled(&stack, ada));

    trap.caught_nobody_but(&stack.db, &[]);
}

/// Whether nothing is left to be sent about somebody.
fn settled(stack: &Stack, user: Uuid) -> bool {
    let sql = format!(
        "SELECT next_attempt_at IS NULL AND claim IS NULL FROM cometchat.sync_state WHERE user_id = '{user}'"
    );
    stack.value(&sql).as_deref() == Some("true")
}

#[test]
fn operators_functions_run_its_code_with_no_other_rights() {
    for role in ["postgres", "supabase_admin"] {
        let stack = Stack::new();
        stack.sign_up("Ada Lovelace");
        let trap = planted(&stack);
        stack.unpause_all_but_the_worker();

        for sql in [
            "SELECT cometchat.backfill()",
            "CALL cometchat.process_queue()",
            "SELECT cometchat.health()",
            "SELECT cometchat.reconcile()",
            "SELECT cometchat.reconcile(true)",
            "SELECT cometchat.enable_auth_trigger()",
            "SELECT cometchat.retry_failed()",
            "SELECT * FROM cometchat.progress",
            "SELECT cometchat.disable_auth_trigger()",
            "SELECT cometchat.pause()",
        ] {
            Session::of(stack.db.connect(role)).execute(sql);
        }

        trap.caught_nobody_but(&stack.db, &[]);
        assert_eq!(stack.value("SELECT count(*) FROM cometchat_users").as_deref(), Some("1"));
    }
}

#[test]
fn the_foreign_key_is_checked_with_no_other_rights() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    let trap = planted(&stack);
    let constraint = "cometchat_users_user_id_fkey";
    for role in ["postgres", "supabase_admin"] {
        stack.execute(&format!("ALTER TABLE cometchat_users DROP CONSTRAINT {constraint}"));

        Session::of(stack.db.connect(role)).execute("SELECT cometchat.enable_auth_trigger()");

        let is_there = format!("SELECT count(*) FROM pg_constraint WHERE conname = '{constraint}'");
        assert_eq!(stack.value(&is_there).as_deref(), Some("1"), "as {role}");
    }

    trap.caught_nobody_but(&stack.db, &[]);
}

#[test]
fn creating_the_extension_runs_its_code_with_no_other_rights() {
    let db = Database::like_supabase(Cluster::shared());
    let trap = RightsTrap::of(&db, AUTH_SERVER);
    trap.plant(&db, INDEXES);

    let stack = Stack::on(db, Simulator::start());
    trap.caught_nobody_but(&stack.db, &[]);

    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.execute("DROP EXTENSION cometchat_ext");
    trap.caught_nobody_but(&stack.db, &[]);
}

#[test]
fn it_leaves_nothing_behind_in_the_session_that_reads() {
    let stack = Stack::new();
    let (ada, bob) = (stack.sign_up("Ada Lovelace"), stack.sign_up("Bob"));
    stack.session(bob).ensure(None, None, None).token();
    let trap = planted(&stack);
    trap.plant(
        &stack.db,
        &format!(
            r#"INSERT INTO trap.commands VALUES ('SET "request.jwt.claims" = ''{{"sub": "{bob}"}}'''),
               ('SET search_path = trap'), ('LISTEN trap'), ('CREATE TEMP TABLE trapped ()'),
               ('PREPARE trapped AS SELECT 1'),
               ('SELECT pg_catalog.set_config(''request.jwt.claim.sub'', ''{bob}'', false)')"#
        ),
    );
    let mut session = stack.session(ada);
    let look = "SELECT concat_ws(' | ', current_setting('request.jwt.claims'),
                       current_setting('request.jwt.claim.sub', true), current_setting('search_path'),
                       (SELECT count(*) FROM pg_listening_channels()), to_regclass('trapped'))";
    let before: String = session.client.query_one(look, &[]).expect(look).get(0);

    let answer = session.ensure(None, None, None);

    assert_eq!(answer.uid(), Some(ada.to_string().as_str()), "{answer:?}");
    let after: String = session.client.query_one(look, &[]).expect(look).get(0);
    assert_eq!(after.replace("|  |", "|"), before.replace("|  |", "|"));
    assert_eq!(session.ensure(None, None, None).uid(), Some(ada.to_string().as_str()));
    trap.caught_nobody_but(&stack.db, &[]);
}

#[test]
fn code_planted_by_supabases_postgres_runs_with_no_other_rights_at_login() {
    let stack = Stack::syncing();
    let trap = RightsTrap::of(&stack.db, "postgres");
    trap.plant(
        &stack.db,
        "CREATE FUNCTION trap.plant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           CREATE INDEX IF NOT EXISTS trap_index ON auth.users ((trap.spring('an index')));
           RETURN NEW;
         END $$;
         CREATE TRIGGER plant BEFORE INSERT ON auth.refresh_tokens FOR EACH ROW
         EXECUTE FUNCTION trap.plant()",
    );
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is synced", || stack.stored(ada).token.is_some());

    // The login: the Auth server's own statement.
    let mut auth_server = stack.db.connect(AUTH_SERVER);
    let login = "INSERT INTO auth.refresh_tokens (token) VALUES ('x')";
    auth_server.batch_execute(login).expect(login);
    let planted = "SELECT to_regclass('auth.trap_index') IS NOT NULL";
    assert_eq!(stack.value(planted).as_deref(), Some("true"));
    let bob = stack.sign_up("Bob");
    eventually("the worker has looked", || stack.stored(bob).token.is_some());
    stack.session(ada).refresh(None).token();

    trap.caught_nobody_but(&stack.db, &[AUTH_SERVER]);
}
