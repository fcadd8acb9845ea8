//! An attempt ends half-way, since CometChat refuses one of its requests or its outcome cannot be written: what it
//! had brought about, and what it still owes, is not forgotten.

use scenarios::{eventually, Stack};
use serde_json::json;
use simulator::{Fault, FaultKind};
use uuid::Uuid;

/// A stack with a user whose sign-up has arrived, and the user's token.
fn with_synced_ada() -> (Stack, Uuid, String) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let token = stack.session(ada).ensure(None, None, None).token();
    (stack, ada, token)
}

/// A stack that is paused, with somebody who was banned before CometChat was first asked: what is known, for
/// certain, is that there is nothing to know.
fn with_unknown_ada(prepare: impl FnOnce(&Stack, Uuid)) -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    prepare(&stack, ada);
    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");
    stack.settled(ada);
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "banned_until = NULL");
    (stack, ada)
}

fn has_failed(stack: &Stack, user: Uuid, code: &str) -> bool {
    let failed = format!("SELECT error_code FROM cometchat.failed_users WHERE user_id = '{user}'");
    stack.value(&failed).as_deref() == Some(code)
}

#[test]
fn an_owed_revocation_is_carried_out_though_the_profile_is_refused() {
    let (stack, ada, token) = with_synced_ada();
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("flush_tokens").times(1));
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").operation("update_user"));
    let answer = stack.session(ada).revoke(None);
    assert_eq!((answer.code(), answer.queued()), ("API_ERROR", true));

    stack.execute("SELECT cometchat.resume()");

    eventually("the edit is given up", || has_failed(&stack, ada, "ERR_BAD_REQUEST"));
    assert!(!stack.app().tokens(&ada.to_string()).contains(&token));
    assert!(!stack.stored(ada).revoke_pending);
}

#[test]
fn a_banned_user_is_deactivated_though_cometchat_fails_to_end_the_tokens() {
    let (stack, ada, token) = with_synced_ada();
    let fails = Fault::status(500, "ERR_AUTH_TOKENS_DELETE_FAILED").operation("flush_tokens");
    stack.chat.set_fault(fails);
    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is deactivated", || stack.is_deactivated(ada));
    stack.chat.clear_faults();
    stack.settled(ada);
    assert!(stack.stored(ada).revoke_pending, "the tokens are still to be ended");

    stack.change(ada, "banned_until = NULL");
    eventually("she is back", || stack.stored(ada).token.is_some() && stack.is_settled(ada));

    let alive = stack.app().tokens(&ada.to_string());
    assert!(!alive.contains(&token), "a token from before the ban works");
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), alive[0]);
}

#[test]
fn a_banned_user_is_deactivated_though_cometchat_refuses_to_end_the_tokens() {
    let (stack, ada, _) = with_synced_ada();
    stack.chat.set_fault(Fault::status(400, "ERR_BAD_REQUEST").operation("flush_tokens"));
    stack.change(ada, "banned_until = 'infinity'");

    eventually("that is told", || has_failed(&stack, ada, "ERR_BAD_REQUEST"));
    assert!(stack.is_deactivated(ada));
}

#[test]
fn a_deactivation_without_the_end_of_the_tokens_counts_as_ours_though_its_answer_is_lost() {
    let (stack, ada, _) = with_synced_ada();
    let fails = Fault::status(500, "ERR_AUTH_TOKENS_DELETE_FAILED").operation("flush_tokens");
    stack.chat.set_fault(fails.times(3));
    let lost = Fault::new(FaultKind::Reset).operation("deactivate_users").perform();
    stack.chat.set_fault(lost.times(1));
    stack.change(ada, "banned_until = 'infinity'");
    eventually("she is deactivated", || stack.is_deactivated(ada));
    stack.settled(ada);

    stack.change(ada, "banned_until = NULL");
    eventually("she is back", || !stack.is_deactivated(ada) && stack.stored(ada).token.is_some());
}

#[test]
fn whom_a_trusted_call_reactivated_before_it_failed_is_known_to_be_there() {
    let (stack, ada) = with_unknown_ada(|stack, ada| {
        stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).expect("a user");
        stack.app().deactivate(&ada.to_string()); // by others
    });
    // The read before the reactivation finds nobody; the one after it fails.
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("get_user").skip(1));
    assert!(!stack.service().ensure(Some(ada), None, None).success());
    assert!(!stack.is_deactivated(ada), "reactivated, and no further");
    stack.chat.clear_faults();

    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn an_anonymous_user_whom_the_worker_reactivated_before_it_failed_is_not_passed_over() {
    let (stack, ada) = with_unknown_ada(|stack, ada| {
        stack.app().add_user(json!({"uid": ada.to_string(), "name": "Ada"})).expect("a user");
        stack.change(ada, "is_anonymous = true");
    });
    assert!(stack.is_deactivated(ada));
    stack.chat.set_fault(Fault::status(503, "ERR_EXCEPTION").operation("get_user").times(1));
    stack.execute("SELECT cometchat.resume()");
    eventually("she is reactivated", || !stack.is_deactivated(ada));
    stack.settled(ada);

    stack.change(ada, "banned_until = 'infinity'");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}

#[test]
fn what_a_call_sent_and_could_not_write_is_in_doubt() {
    let (stack, ada) = with_unknown_ada(|_, _| {});
    stack.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON public.cometchat_users
           FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    );
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "DATABASE");
    assert!(!stack.is_deactivated(ada), "created");
    stack.execute("DROP TRIGGER refuse ON public.cometchat_users");

    stack.change(ada, "banned_until = 'infinity'");
    stack.execute("SELECT cometchat.resume()");

    eventually("she is deactivated", || stack.is_deactivated(ada));
}
