//! Attacks by putting something else in a table's place: while a statement of ours waits for it, and
//! by renaming the schema that it is in.

use std::thread;

use scenarios::{eventually, Cluster, Database, RightsTrap, Session, Stack};
use simulator::Simulator;
use uuid::Uuid;

/// A superuser's `auth.users` in a schema of an ordinary role's, who may drop what is in it. It has
/// no key: a foreign key would have the attacker wait for our table as well.
fn in_the_attackers_schema() -> (Stack, RightsTrap, Uuid) {
    let db = Database::plain(Cluster::shared());
    let trap = RightsTrap::of(&db, "postgres");
    let ada = Uuid::new_v4();
    let sql = format!(
        "CREATE SCHEMA auth AUTHORIZATION postgres; CREATE TABLE auth.users (id uuid, email text);
         INSERT INTO auth.users VALUES ('{ada}', 'ada@example.com')"
    );
    db.admin().batch_execute(&sql).expect(&sql);
    let stack = Stack::on(db, Simulator::start());
    (stack, trap, ada)
}

const SWAPS: [&str; 2] = [
    "CREATE TABLE auth.users (id uuid, email text);
     CREATE INDEX ON auth.users ((trap.spring('an index')))",
    "CREATE VIEW auth.users AS SELECT gen_random_uuid() AS id, trap.spring('a view') AS email",
];

const CALLER: &str = "client backend";
const WORKER: &str = "cometchat worker";

/// Does `call` and swaps the table while `who` waits for it, and has looked whose it is before.
fn swapped(stack: &Stack, trap: &RightsTrap, swap: &str, who: &str, call: impl FnOnce() + Send) {
    let mut attacker = Session::of(trap.session(&stack.db));
    attacker.execute("BEGIN; DROP TABLE auth.users CASCADE");
    thread::scope(|scope| {
        let caller = scope.spawn(call);
        let waits = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity
             WHERE datname = '{}' AND wait_event_type = 'Lock' AND backend_type = '{who}'",
            stack.db.name()
        );
        eventually("it waits", || {
            let needs_no_lock = who == CALLER && caller.is_finished();
            needs_no_lock || stack.value(&waits).as_deref() == Some("true")
        });
        attacker.execute(&format!("{swap}; COMMIT"));
        caller.join().expect("the call");
    });
    trap.caught_at_most(&stack.db, &[]);
}

#[test]
fn a_table_that_is_swapped_while_a_call_waits_for_it_is_read_with_the_new_owners_rights() {
    for swap in SWAPS {
        let (stack, trap, ada) = in_the_attackers_schema();
        let mut session = stack.session(ada);
        swapped(&stack, &trap, swap, CALLER, move || {
            if let Ok(answer) = session.try_ensure(None, None, None) {
                assert!(!answer.success(), "{answer:?}");
            }
        });
    }
}

#[test]
fn a_table_that_is_swapped_while_an_operator_waits_for_it_is_read_with_the_new_owners_rights() {
    for call in ["SELECT cometchat.backfill()", "SELECT cometchat.enable_auth_trigger()"] {
        for swap in SWAPS {
            let (stack, trap, _) = in_the_attackers_schema();
            let mut admin = stack.db.admin();
            swapped(&stack, &trap, swap, CALLER, move || {
                let _ = admin.batch_execute(call);
            });
        }
    }
}

#[test]
fn a_table_that_is_swapped_while_the_worker_waits_for_it_is_read_with_the_new_owners_rights() {
    for swap in SWAPS {
        let (stack, trap, ada) = in_the_attackers_schema();
        stack.execute("SELECT cometchat.resume()");
        eventually("there is a worker", || stack.worker().is_some());
        let mut admin = stack.db.admin();
        swapped(&stack, &trap, swap, WORKER, move || {
            let enqueue = format!("SELECT cometchat.enqueue('{ada}')");
            admin.batch_execute(&enqueue).expect(&enqueue);
        });
        // It sees the new one.
        let complaint = format!("cannot send in database \"{}\"", stack.db.name());
        eventually("the worker has looked", || {
            settled(&stack, ada) || stack.db.cluster().log().contains(&complaint)
        });
        trap.caught_at_most(&stack.db, &[]);
    }
}

fn settled(stack: &Stack, user: Uuid) -> bool {
    let sql = format!(
        "SELECT NOT EXISTS (SELECT FROM cometchat.sync_state WHERE user_id = '{user}'
                            AND (next_attempt_at IS NOT NULL OR claim IS NOT NULL))"
    );
    stack.value(&sql).as_deref() == Some("true")
}

// The schema public belongs to the owner of the database.
#[test]
fn a_view_in_a_new_public_in_place_of_our_table_runs_with_no_superusers_rights() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    let trap = RightsTrap::of(&stack.db, "postgres");
    trap.plant(
        &stack.db,
        "ALTER SCHEMA public RENAME TO hidden; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;
         CREATE VIEW public.cometchat_users AS
           SELECT id, user_id, trap.spring('a view') AS cometchat_uid, cometchat_auth_token, created_at, updated_at
           FROM (VALUES (1, gen_random_uuid(), NULL::text, now(), now()))
             AS v(id, user_id, cometchat_auth_token, created_at, updated_at);
         GRANT ALL ON public.cometchat_users TO PUBLIC;
         CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON public.cometchat_users
         FOR EACH ROW EXECUTE FUNCTION trap.fire()",
    );

    let mut session = stack.session(ada);
    let _ = session.client.batch_execute("SELECT hidden.cometchat_ensure_user()");
    let _ = session.client.batch_execute("SELECT hidden.cometchat_refresh_token()");
    for sql in [
        "SELECT cometchat.enable_auth_trigger()",
        "SELECT cometchat.backfill()",
        "SELECT cometchat.health()",
        "SELECT cometchat.reconcile(true)",
        "UPDATE cometchat.control SET paused = false WHERE true",
        "CALL cometchat.process_queue()",
    ] {
        let _ = Session::of(stack.db.admin()).client.batch_execute(sql);
    }

    trap.caught_at_most(&stack.db, &["cometchat_ext"]);
}
