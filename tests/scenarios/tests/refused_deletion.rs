//! A deletion that does not come about wipes nothing; one that does, wipes what was the user's own.

use scenarios::{eventually, Session, Stack};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

/// What is kept of a user that is theirs.
fn own(stack: &Stack, user: Uuid) -> Option<String> {
    stack.value(&format!(
        "SELECT concat_ws('|', overrides, name_argument, name_argument_base, email_argument, email_argument_base)
         FROM cometchat.sync_state WHERE user_id = '{user}'"
    ))
}

/// A user with overrides, a chosen name and an e-mail address in our state, in agreement.
fn with_ada(stack: &Stack) -> (Uuid, String) {
    let ada = stack.sign_up("Ada Lovelace");
    stack.service().ensure(Some(ada), Some("Countess"), Some("c@example.com")).token();
    stack.enqueue(ada, &json!({"link": "https://example.com/ada"}));
    stack.settled(ada);
    let kept = own(stack, ada).expect("a row");
    assert!(kept.contains("Countess") && kept.contains("link") && kept.contains("c@example.com"));
    (ada, kept)
}

#[test]
fn a_deletion_refused_by_another_trigger_keeps_the_users_name() {
    let stack = Stack::syncing();
    let (ada, kept) = with_ada(&stack);
    stack.execute(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER zz_no BEFORE DELETE ON auth.users FOR EACH ROW EXECUTE FUNCTION public.no()",
    );

    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    stack.settled(ada);
    assert_eq!(own(&stack, ada), Some(kept));
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
    assert!(!stack.is_deactivated(ada));
}

#[test]
fn a_deletion_refused_by_a_foreign_key_keeps_the_users_name() {
    let stack = Stack::syncing();
    let (ada, kept) = with_ada(&stack);
    for deferred in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        stack.execute(&format!(
            "DROP TABLE IF EXISTS public.orders;
             CREATE TABLE public.orders (by uuid REFERENCES auth.users {deferred});
             INSERT INTO public.orders VALUES ('{ada}')"
        ));
        let mut session = Session::of(stack.db.admin());
        let delete = format!("DELETE FROM auth.users WHERE id = '{ada}'");
        assert_eq!(session.sqlstate(&delete), "23503");
        session.execute("BEGIN; SAVEPOINT s");
        let sql = if deferred.is_empty() {
            delete
        } else {
            format!("{delete}; SET CONSTRAINTS ALL IMMEDIATE")
        };
        assert_eq!(session.sqlstate(&sql), "23503");
        session.execute("ROLLBACK TO s; COMMIT");
    }
    stack.settled(ada);
    assert_eq!(own(&stack, ada), Some(kept));
}

#[test]
fn a_refused_deletion_that_could_not_be_queued_wipes_nothing() {
    let stack = Stack::syncing();
    let (ada, kept) = with_ada(&stack);
    stack.execute(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER zz_no BEFORE DELETE ON auth.users FOR EACH ROW EXECUTE FUNCTION public.no()",
    );
    let mut locker = stack.db.admin();
    locker.batch_execute("BEGIN; SELECT FROM cometchat.sync_state FOR UPDATE").expect("lock");
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.trigger_misses").as_deref(), Some("1"));
    locker.batch_execute("COMMIT").expect("unlock");

    stack.execute("SELECT cometchat.backfill()");

    stack.settled(ada);
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.trigger_misses").as_deref(), Some("0"));
    assert_eq!(own(&stack, ada), Some(kept));
}

#[test]
fn a_deletion_wipes_personal_data_before_anything_is_sent() {
    let stack = Stack::syncing();
    let (ada, _) = with_ada(&stack);
    stack.execute("SELECT cometchat.pause()");

    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    assert_eq!(own(&stack, ada).as_deref(), Some(""));
}

#[test]
fn every_kind_of_deletion_wipes_personal_data() {
    for on_delete in ["deactivate", "delete", "keep"] {
        let stack = Stack::syncing();
        stack.db.set("cometchat.on_delete", Some(on_delete));
        // Our trigger after the deletion does not see it.
        let (ada, _) = with_ada(&stack);
        stack.execute("ALTER TABLE auth.users DISABLE TRIGGER ALL");
        stack.execute(&format!(
            "DELETE FROM public.cometchat_users WHERE user_id = '{ada}';
             DELETE FROM auth.users WHERE id = '{ada}'"
        ));
        assert_ne!(own(&stack, ada).as_deref(), Some(""));

        stack.execute(&format!(
            "UPDATE cometchat.sync_state SET wanted_revision = wanted_revision + 1,
               next_attempt_at = now() WHERE user_id = '{ada}'; SELECT cometchat.wake()"
        ));

        eventually("nothing of hers is left", || {
            own(&stack, ada).is_none_or(|kept| kept.is_empty())
        });
        if on_delete == "deactivate" {
            eventually("she is deactivated", || stack.is_deactivated(ada));
            assert_eq!(own(&stack, ada).as_deref(), Some(""), "and it does not come back");
        }
    }
}

#[test]
fn personal_data_is_wiped_when_cometchat_refuses_the_deletion() {
    let stack = Stack::syncing();
    let (ada, _) = with_ada(&stack);
    stack.execute("ALTER TABLE auth.users DISABLE TRIGGER cometchat_after_delete");
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").uid(&ada.to_string()));

    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    eventually("she is failed", || {
        stack.value("SELECT count(*) FROM cometchat.failed_users").as_deref() == Some("1")
    });
    assert_eq!(own(&stack, ada).as_deref(), Some(""));
}
