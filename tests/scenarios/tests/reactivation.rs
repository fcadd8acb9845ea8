//! Banned or deleted, and back again: whatever came between, somebody whom we deactivated is
//! reactivated, with a token that works.

use scenarios::{eventually, Cluster, Database, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind, Simulator};
use uuid::Uuid;

/// A stack with a user whose sign-up has arrived.
fn with_synced_ada() -> (Stack, Uuid) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    (stack, ada)
}

fn ban(stack: &Stack, user: Uuid) {
    stack.change(user, "banned_until = 'infinity'");
}

/// Lifts the ban, and sees her come back by the worker alone.
#[track_caller]
fn comes_back(stack: &Stack, ada: Uuid) {
    stack.change(ada, "banned_until = NULL");
    stack.settled(ada);
    // A deactivation whose answer was lost could come after the reactivation, for a while.
    eventually("that is certain", || !stack.stored(ada).deactivated);
    is_back(stack, ada);
}

#[track_caller]
fn is_back(stack: &Stack, ada: Uuid) {
    assert!(!stack.is_deactivated(ada));
    assert!(!stack.stored(ada).deactivated);
    let token = stack.stored(ada).token.expect("a token");
    assert!(stack.app().tokens(&ada.to_string()).contains(&token), "a token that works");
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
}

#[test]
fn a_revocation_during_a_ban_does_not_outlast_it() {
    let (stack, ada) = with_synced_ada();
    ban(&stack, ada);
    stack.settled(ada);

    let answer = stack.service().revoke(Some(ada));

    assert_eq!(answer.0, json!({"success": true, "cometchatUid": ada.to_string()}));
    assert!(stack.stored(ada).deactivated);
    comes_back(&stack, ada);
}

#[test]
fn a_refresh_after_an_unsent_unban_reactivates_the_user() {
    let (stack, ada) = with_synced_ada();
    ban(&stack, ada);
    stack.settled(ada);
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "banned_until = NULL");
    stack.asked();

    let token = stack.session(ada).refresh(None).token();

    assert_eq!(stack.asked(), ["reactivate_users", "create_token"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), [token]);
    stack.execute("SELECT cometchat.resume()");
    stack.settled(ada);
    is_back(&stack, ada);
}

#[test]
fn a_revocation_during_the_deactivation_does_no_harm() {
    let (stack, ada) = with_synced_ada();
    // Longer than the revocation waits for the worker.
    stack.chat.set_fault(Fault::delay(4000).operation("deactivate_users").perform().times(1));
    ban(&stack, ada);
    eventually("she is deactivated", || stack.is_deactivated(ada));

    stack.service().revoke(Some(ada));

    stack.settled(ada);
    assert_eq!(stack.stored(ada).token, None);
    comes_back(&stack, ada);
}

#[test]
fn a_deactivation_with_a_lost_answer_counts_as_ours() {
    let (stack, ada) = with_synced_ada();
    let lost = Fault::new(FaultKind::Reset).operation("deactivate_users").perform();
    stack.chat.set_fault(lost.times(2));

    ban(&stack, ada);
    stack.settled(ada);

    assert!(stack.is_deactivated(ada));
    comes_back(&stack, ada);
}

#[test]
fn after_a_deletion_with_a_lost_answer_the_id_can_sign_up_again() {
    let (stack, ada) = with_synced_ada();
    let lost = Fault::new(FaultKind::Reset).operation("deactivate_users").perform();
    stack.chat.set_fault(lost.times(1));
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    let open = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL
                OR claim IS NOT NULL";
    eventually("the farewell is through", || stack.value(open).as_deref() == Some("0"));
    assert!(stack.is_deactivated(ada));

    let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, $2)";
    let again = json!({"full_name": "Ada Again"});
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada, &again]).expect(sql);
    stack.settled(ada);

    is_back(&stack, ada);
    assert_eq!(stack.chat_user(ada)["name"], "Ada Again");
}

#[test]
fn a_ban_lifted_before_the_deactivation_leaves_a_working_token() {
    let (stack, ada) = with_synced_ada();
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("deactivate_users"));
    ban(&stack, ada);
    let tokens = || stack.app().tokens(&ada.to_string());
    eventually("her tokens are flushed", || tokens().is_empty() && stack.stored(ada).deactivated);

    comes_back(&stack, ada);
}

#[test]
fn a_worker_killed_in_a_deactivation_has_recorded_it_as_ours() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.db.set("cometchat.request_timeout", Some("60s"));
    let unanswered = Fault::delay(60_000).operation("deactivate_users").perform().times(1);
    stack.chat.set_fault(unanswered);
    ban(&stack, ada);
    eventually("she is deactivated", || stack.is_deactivated(ada));

    stack.db.set("cometchat.request_timeout", Some("2s")); // and no longer in doubt than twice that
    assert!(stack.db.cluster().kill_process(stack.worker().expect("a worker")));

    stack.settled(ada);
    comes_back(&stack, ada);
}

#[test]
fn a_user_deactivated_by_others_before_a_ban_stays_deactivated_after_it() {
    let (stack, ada) = with_synced_ada();
    stack.app().deactivate(&ada.to_string());
    ban(&stack, ada);
    stack.settled(ada);
    assert!(!stack.stored(ada).deactivated, "that was not us");

    stack.change(ada, "banned_until = NULL");
    let failed = "SELECT max(error_code) FROM cometchat.failed_users";
    eventually("that is seen", || stack.value(failed).as_deref() == Some("USER_DEACTIVATED"));
    assert!(stack.is_deactivated(ada));
}

/// All that such a call leaves behind is that the user is there: never mapped, not deactivated any more.
#[test]
fn whom_a_call_reactivated_before_it_failed_is_known_to_be_there() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.app().add_user(json!({"uid": ada.to_string(), "name": "Somebody"})).expect("a user");
    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");
    eventually("deactivated", || stack.is_deactivated(ada));
    stack.settled(ada);
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "banned_until = NULL");
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("get_user"));
    assert!(!stack.session(ada).ensure(None, None, None).success());
    assert!(!stack.is_deactivated(ada), "reactivated, and no further");
    stack.chat.clear_faults();
    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));
    stack.execute("SELECT cometchat.resume()");
    eventually("deactivated", || stack.is_deactivated(ada));
}
