//! The edition for supabase.com: locks and deadlines, of the queue, of an update, of the removal.

use std::thread;
use std::time::{Duration, Instant};

use scenarios::edition::{is_available, Edition};
use scenarios::{eventually, Stack};
use simulator::Fault;
use uuid::Uuid;

/// Whoever is claimed shortly before a run's end has no time left; that is not CometChat's fault.
#[test]
fn a_short_statement_timeout_costs_nobody_an_attempt() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let users = stack.sign_ups(60);
    stack.chat.update(|settings| settings.latency_ms = 100);
    for _ in 0..2 {
        assert_eq!(stack.run_queue_with("SET statement_timeout = '4s'"), None);
        let lost = "(SELECT count(*) FROM cometchat.sync_state WHERE attempts > 0)";
        assert_eq!(stack.value(lost).as_deref(), Some("0"));
    }
    stack.chat.update(|settings| settings.latency_ms = 0);
    assert_eq!(stack.run_queue(), None);
    stack.all_arrive(&users);
}

/// Whom the queue has in flight while an open transaction has locked them: the others go on.
#[track_caller]
fn nobody_waits_for(stack: &Stack, user: Uuid, statement: &str) -> postgres::Client {
    let others = stack.sign_ups(3);
    stack.chat.set_fault(Fault::delay(2000).times(1));
    let mut open = stack.db.connect("supabase_auth_admin");
    thread::scope(|scope| {
        let running = scope.spawn(|| stack.run_queue_with("SET statement_timeout = '20s'"));
        eventually("the request is there", || !stack.chat.requests().is_empty());
        open.batch_execute(&format!("BEGIN; {statement} WHERE id = '{user}'")).expect(statement);
        assert_eq!(running.join().expect("the thread"), None);
    });
    stack.all_arrive(&others);
    let claims = "(SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL)";
    assert_eq!(stack.value(claims).as_deref(), Some("1"), "one is still claimed");
    stack.asked();
    assert_eq!(stack.run_queue_with("SET statement_timeout = '20s'"), None);
    assert!(stack.asked().is_empty(), "nothing is sent again and again");
    open
}

#[test]
fn an_open_transaction_with_an_edit_holds_up_nobody_else() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    let edit = "UPDATE users SET raw_user_meta_data = '{\"full_name\": \"Countess\"}'";
    let mut open = nobody_waits_for(&stack, ada, edit);
    open.batch_execute("COMMIT").expect("commit");
    eventually("the edit arrives", || {
        stack.execute("UPDATE cometchat.sync_state SET unsettled_until = now() WHERE isfinite(unsettled_until)");
        stack.run_queue();
        stack.stored(ada).token.is_some() && stack.chat_user(ada)["name"] == "Countess"
    });
}

#[test]
fn an_open_transaction_with_a_deletion_holds_up_nobody_else() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    let mut open = nobody_waits_for(&stack, ada, "DELETE FROM users");
    open.batch_execute("COMMIT").expect("commit");
    eventually("the deletion arrives", || {
        stack.execute(
            "UPDATE cometchat.sync_state SET unsettled_until = now(), next_attempt_at = now()
                       WHERE isfinite(unsettled_until)",
        );
        stack.run_queue();
        stack.app().user(&ada.to_string()).is_some_and(|user| !user["deactivatedAt"].is_null())
    });
}

/// An app's own transaction may have locked the mapping, and a call's the row that all sending shares.
#[test]
fn a_locked_mapping_and_a_locked_pause_hold_up_nobody_else() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    assert_eq!(stack.run_queue_with("SET statement_timeout = '20s'"), None);
    stack.execute(&format!(
        "UPDATE public.cometchat_users SET cometchat_auth_token = NULL WHERE user_id = '{ada}'"
    ));
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"Countess\"}'");
    let others = stack.sign_ups(3);
    let mut open = stack.db.admin();
    let lock = "BEGIN; SELECT FROM public.cometchat_users FOR UPDATE; SELECT FROM cometchat.sending FOR UPDATE";
    open.batch_execute(lock).expect(lock);
    assert_eq!(stack.run_queue_with("SET statement_timeout = '20s'"), None);
    stack.all_arrive(&others);
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    stack.sign_ups(3);
    assert_eq!(stack.run_queue_with("SET statement_timeout = '20s'"), None);
    open.batch_execute("COMMIT").expect("commit");
    stack.chat.clear_faults();
    stack.execute(
        "UPDATE cometchat.sync_state SET next_attempt_at = now(), unsettled_until = now()
                   WHERE next_attempt_at IS NOT NULL",
    );
    assert_eq!(stack.run_queue_with("SET statement_timeout = '20s'"), None);
    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
}

/// Who is recorded, or to be backfilled, and has called in a transaction that is open still.
#[test]
fn an_open_transaction_with_a_call_holds_up_nobody_else() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    for pending in [
        format!("INSERT INTO cometchat.trigger_misses VALUES ('{ada}')"),
        "DELETE FROM cometchat.trigger_misses WHERE true;
         INSERT INTO cometchat.running_backfill VALUES (true, '00000000-0000-0000-0000-000000000000', 1)"
            .to_owned(),
    ] {
        stack.execute(&pending);
        let mut open = stack.service();
        open.execute("BEGIN");
        assert!(open.ensure(Some(ada), None, None).success());
        let others = stack.sign_ups(1);
        assert_eq!(stack.run_queue(), None);
        stack.all_arrive(&others);
        open.execute("ROLLBACK");
    }
    assert_eq!(stack.run_queue(), None);
    assert!(stack.stored(ada).token.is_some(), "and nobody is forgotten");
}

#[test]
fn a_sign_up_during_an_update_is_queued_at_once() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let mut updating = stack.db.connect("postgres");
    let (all_but_commit, _) = Edition::file().rsplit_once("COMMIT;").expect("a transaction");
    updating.batch_execute(all_but_commit).expect("the newer file");
    let ada = stack.sign_up("Ada Lovelace");
    let queued = format!("(SELECT count(*) FROM cometchat.sync_state WHERE user_id = '{ada}')");
    assert_eq!(stack.value(&queued).as_deref(), Some("1"));
    let failures = "(SELECT is_called FROM cometchat.trigger_failures)";
    assert_eq!(stack.value(failures).as_deref(), Some("false"), "the trigger met no lock");
    updating.batch_execute("COMMIT").expect("commit");
}

/// Somebody reads auth.users for long, a dump say. Behind whoever waits for the table, sign-ups would wait too.
#[test]
fn a_removal_does_not_keep_sign_ups_waiting() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'DELETE FROM cron.job WHERE jobid = $1 RETURNING true'");
    let mut reader = stack.db.admin();
    reader.batch_execute("BEGIN; SELECT FROM auth.users").expect("read");
    let path = format!("{}/../../sql/hosted/uninstall.sql", env!("CARGO_MANIFEST_DIR"));
    let uninstall = std::fs::read_to_string(path).expect("uninstall.sql");
    let mut owner = stack.db.connect("postgres");
    // Without a deadline of its own it would go on for ever.
    owner.batch_execute("SET statement_timeout = '20s'").expect("a deadline");
    let began = Instant::now();
    let error = owner.batch_execute(&uninstall).expect_err("auth.users is locked");
    assert_eq!(error.code().map(|code| code.code()), Some("55P03"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    owner.batch_execute("ROLLBACK").expect("rollback");
    reader.batch_execute("COMMIT").expect("commit");
    owner.batch_execute(&uninstall).expect("uninstall.sql");
}
