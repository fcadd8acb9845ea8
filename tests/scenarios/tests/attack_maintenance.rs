//! Attacks through a superuser's housekeeping: an index of anybody's that calls us while a superuser
//! analyzes, rebuilds or refreshes.

use std::time::Duration;

use scenarios::{within, Cluster, Database, RightsTrap, Session, Stack, NOTHING};
use simulator::Simulator;
use uuid::Uuid;

/// What is called: with the victim's id in place of `$1`.
const CALLS: [&str; 3] = [
    "public.cometchat_ensure_user('$1', 'Mallory', 'mallory@example.com')",
    "public.cometchat_refresh_token('$1')",
    "public.cometchat_revoke_tokens('$1')",
];

/// A role's own table, index and materialized view, which call `call` once a superuser computes
/// them, and keep the answer. What its owner computes itself is harmless.
fn plant(stack: &Stack, role: &str, call: &str) {
    stack.execute(&format!("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO {role}"));
    let mut session = Session::of(stack.db.connect("authenticator"));
    session.execute(&format!(
        "SET ROLE {role}; CREATE TABLE own.loot (answer text);
         CREATE FUNCTION own.ask() RETURNS void VOLATILE LANGUAGE plpgsql AS $$
         DECLARE answer text;
         BEGIN
           IF session_user = 'authenticator' THEN RETURN; END IF;
           BEGIN
             SELECT pg_catalog.string_agg(a::text, ' ') INTO answer FROM {call} AS a;
           EXCEPTION WHEN OTHERS THEN
             answer := SQLSTATE;
           END;
           INSERT INTO own.loot VALUES (COALESCE(answer, 'no rows'));
         END $$;
         CREATE FUNCTION own.look(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM own.ask(); RETURN x; END $$;
         CREATE TABLE own.t (x int PRIMARY KEY); INSERT INTO own.t VALUES (1);
         CREATE INDEX look ON own.t (own.look(x)); ALTER TABLE own.t CLUSTER ON look;
         CREATE MATERIALIZED VIEW own.m AS SELECT own.look(x) FROM own.t"
    ));
}

/// A victim whom CometChat knows, and the attack of somebody who is signed in.
fn victim(call: &str) -> (Stack, Uuid) {
    let (stack, ada) = Stack::with_ada();
    plant(&stack, "authenticated", &call.replace("$1", &ada.to_string()));
    (stack, ada)
}

/// The answers that the attack got.
fn loot(stack: &Stack) -> Vec<String> {
    let rows = stack.db.admin().query("SELECT answer FROM own.loot", &[]).expect("the loot");
    rows.iter().map(|row| row.get(0)).collect()
}

/// It was tried, and nothing came of it.
#[track_caller]
fn came_to_nothing(stack: &Stack, ada: Uuid, what: &str) {
    let loot = loot(stack);
    assert!(!loot.is_empty(), "{what} did not compute it");
    for answer in &loot {
        assert!(answer.contains("UNAUTHORIZED"), "{what}: {answer}");
        assert!(!answer.contains("authToken"), "{what}: {answer}");
    }
    assert_eq!(stack.asked(), NOTHING, "{what}");
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Ada Lovelace", "{what}");
    assert_eq!(there["metadata"]["@private"]["email"], "ada.lovelace@example.com", "{what}");
    let stored =
        "SELECT string_agg(concat(name_argument, email_argument), '') FROM cometchat.sync_state";
    assert_eq!(stack.value(stored).as_deref().unwrap_or_default(), "", "{what}");
}

const HOUSEKEEPING: [&str; 9] = [
    "ANALYZE own.t",
    "ANALYZE",
    "VACUUM ANALYZE own.t",
    "REINDEX TABLE own.t",
    "REINDEX INDEX CONCURRENTLY own.look",
    "CREATE INDEX ON own.t ((own.look(x) + 1))",
    "VACUUM FULL own.t",
    "CLUSTER own.t",
    "REFRESH MATERIALIZED VIEW own.m",
];

#[test]
fn a_superusers_maintenance_hands_out_no_token() {
    for call in CALLS {
        let (stack, ada) = victim(call);
        for sql in HOUSEKEEPING {
            let mut admin = Session::of(stack.db.admin());
            admin.execute("TRUNCATE own.loot");
            admin.execute(sql);

            came_to_nothing(&stack, ada, sql);
        }
        assert!(stack.stored(ada).token.is_some(), "the victim's stays: {call}");
    }
}

#[test]
fn a_trusted_roles_maintenance_hands_out_no_token() {
    // A member of the table's owner may analyze it, and this one is trusted.
    let (stack, ada) = victim(CALLS[0]);
    stack.execute("GRANT authenticated TO postgres");
    let mut postgres = Session::of(stack.db.connect("postgres"));
    for sql in ["ANALYZE own.t", "REINDEX TABLE own.t", "REFRESH MATERIALIZED VIEW own.m"] {
        postgres.execute(sql);
    }

    came_to_nothing(&stack, ada, "what postgres did");
}

#[test]
fn autovacuum_hands_out_no_token() {
    let cluster = Cluster::start(&["autovacuum_naptime = 1s", "autovacuum_analyze_threshold = 0"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.asked();
    plant(&stack, "authenticated", &CALLS[0].replace("$1", &ada.to_string()));
    let mut owner = Session::of(stack.db.connect("authenticator"));
    owner.execute("SET ROLE authenticated; INSERT INTO own.t SELECT generate_series(2, 200)");

    within(Duration::from_secs(120), "autovacuum came by", || !loot(&stack).is_empty());

    came_to_nothing(&stack, ada, "autovacuum");
}

#[test]
fn the_service_role_gets_no_repair_out_of_a_superusers_maintenance() {
    let (stack, ada) = Stack::with_ada();
    plant(&stack, "service_role", "cometchat.reconcile(true)");
    assert!(stack.app().delete(&ada.to_string()), "something to mend");
    stack.asked();

    stack.execute("ANALYZE own.t");

    assert_eq!(loot(&stack), ["42501"]);
    assert_eq!(stack.asked(), NOTHING);
    let pending = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
    assert_eq!(stack.value(pending).as_deref(), Some("0"));
}

#[test]
fn operators_functions_send_nothing_during_a_superusers_maintenance() {
    for call in ["reconcile()", "health()", "list_remote_users(1, 1)", "send_batch()"] {
        let (stack, _) = Stack::with_ada();
        stack.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cometchat TO service_role");
        plant(&stack, "service_role", &format!("cometchat.{call}"));

        stack.execute("ANALYZE own.t");

        assert_ne!(loot(&stack), NOTHING, "{call} was not computed");
        assert_eq!(stack.asked(), NOTHING, "{call}");
    }
}

#[test]
fn the_auth_server_gets_no_token_while_a_trusted_role_reads_its_table() {
    let (stack, ada) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    stack.execute(
        "GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text) TO supabase_auth_admin",
    );
    let trap = RightsTrap::of(&stack.db, "supabase_auth_admin");
    trap.plant(
        &stack.db,
        &format!(
            "CREATE TABLE trap.loot (answer text); GRANT ALL ON trap.loot TO PUBLIC;
             CREATE FUNCTION trap.ask() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
               -- the call that it makes reads the table too
               IF current_setting('trap.asking', true) = 'on' THEN RETURN; END IF;
               SET trap.asking = 'on';
               INSERT INTO trap.loot SELECT public.cometchat_ensure_user('{ada}', 'Mallory', NULL);
             END $$;
             CREATE INDEX trap_index ON auth.users ((trap.spring('an index')));
             INSERT INTO trap.commands VALUES ('SELECT trap.ask()')"
        ),
    );

    Session::of(stack.db.admin()).ensure(Some(bob), None, None).token();

    let answers = stack.db.admin().query("SELECT answer FROM trap.loot", &[]).expect("the loot");
    assert!(!answers.is_empty(), "it did not ask");
    for answer in answers {
        let answer: String = answer.get(0);
        assert!(answer.contains("UNAUTHORIZED"), "{answer}");
    }
    assert_eq!(stack.asked(), ["create_user"], "for Bob");
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    trap.caught_nobody_but(&stack.db, &[]);
}
