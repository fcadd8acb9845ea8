//! What happens to a user while a session waits for CometChat's answer about them, and is done
//! before that session writes what it learned.

use std::thread;
use std::time::Duration;

use scenarios::{eventually, Answer, Session, Stack};
use serde_json::json;
use simulator::{Fault, Filter};
use uuid::Uuid;

/// A stack in which nobody runs out of time, with a user whose sign-up has arrived.
fn with_synced_ada() -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let metadata = json!({"full_name": "Ada Lovelace", "avatar_url": "https://a.example/1.png"});
    let ada = stack.sign_up_with("ada@example.com", metadata);
    stack.settled(ada);
    stack.asked();
    (stack, ada)
}

/// Runs `call` in a session of its own, and `meanwhile` once CometChat has been asked `operation`.
fn during(
    mut session: Session,
    call: fn(&mut Session) -> Answer,
    stack: &Stack,
    operation: &str,
    meanwhile: impl FnOnce(),
) -> Answer {
    let asked = Filter { operation: Some(operation.into()), ..Filter::default() };
    thread::scope(|scope| {
        let waiting = scope.spawn(move || call(&mut session));
        assert!(stack.chat.wait_for(&asked, 1, Duration::from_secs(30)), "{operation}");
        meanwhile();
        waiting.join().expect("the thread")
    })
}

/// Lifts the ban, and sees her come back with a token that works.
#[track_caller]
fn comes_back(stack: &Stack, ada: Uuid) {
    stack.change(ada, "banned_until = NULL");
    stack.settled(ada);
    assert!(!stack.is_deactivated(ada));
    let token = stack.session(ada).ensure(None, None, None).token();
    assert!(stack.app().tokens(&ada.to_string()).contains(&token), "a token that works");
}

#[test]
fn a_ban_during_a_token_call_is_not_lost() {
    let (stack, ada) = with_synced_ada();
    stack.chat.set_fault(Fault::delay(5000).operation("create_token").perform().times(1));
    let refresh = |session: &mut Session| session.refresh(None);

    during(stack.session(ada), refresh, &stack, "create_token", || {
        stack.change(ada, "banned_until = 'infinity'");
        eventually("the ban is through", || stack.stored(ada).deactivated);
    });

    if stack.edition().is_hosted() {
        stack.settled(ada); // the queue waits for the call there: what is seen first is that it intends to
    }
    assert_eq!(stack.stored(ada).token, None, "the one that was minted works no more");
    stack.settled(ada);
    assert!(stack.is_deactivated(ada));
    assert!(stack.stored(ada).deactivated);
    comes_back(&stack, ada);
}

#[test]
fn a_session_write_during_a_deactivation_does_not_undo_it() {
    let (stack, ada) = with_synced_ada();
    stack.chat.set_fault(Fault::delay(3000).operation("create_token").perform().times(1));
    stack.chat.set_fault(Fault::delay(6000).operation("deactivate_users").perform().times(1));
    let refresh = |session: &mut Session| session.refresh(None);

    during(stack.session(ada), refresh, &stack, "create_token", || {
        stack.change(ada, "banned_until = 'infinity'");
        eventually("she is deactivated", || stack.is_deactivated(ada));
    });

    // The first answer comes late: the user has been looked at again by then.
    eventually("it is known that we did it", || {
        stack.is_settled(ada) && stack.stored(ada).deactivated
    });
    assert_eq!(stack.stored(ada).token, None);
    assert!(stack.is_deactivated(ada));
    comes_back(&stack, ada);
}

#[test]
fn a_revocation_during_a_ban_does_not_undo_it() {
    let (stack, ada) = with_synced_ada();
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, "banned_until = 'infinity'");
    stack.chat.set_fault(Fault::delay(5000).operation("flush_tokens").perform().times(1));
    let revoke = |session: &mut Session| session.revoke(None);

    let answer = during(stack.session(ada), revoke, &stack, "flush_tokens", || {
        stack.execute("SELECT cometchat.resume()");
        eventually("the ban is through", || stack.stored(ada).deactivated);
    });

    assert!(answer.success());
    stack.settled(ada);
    comes_back(&stack, ada);
}

#[test]
fn an_edit_that_arrives_while_a_session_sends_an_older_profile_wins() {
    let (stack, ada) = with_synced_ada();
    // The session's update is the last to arrive.
    stack.chat.set_fault(Fault::delay(5000).operation("update_user").times(1));
    let ensure = |session: &mut Session| session.ensure(None, Some("Countess"), None);

    let answer = during(stack.session(ada), ensure, &stack, "update_user", || {
        stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Ada King"}'"#);
        eventually("the edit is through", || stack.chat_user(ada)["name"] == "Ada King");
        stack.settled(ada);
    });

    assert!(answer.success());
    eventually("the edit is there again", || {
        stack.is_settled(ada) && stack.chat_user(ada)["name"] == "Ada King"
    });
    assert_eq!(stack.chat_user(ada).get("avatar"), None, "gone with the edit");
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), answer.token());
}

#[test]
fn a_session_that_does_a_pending_change_itself_leaves_nothing_to_do() {
    let (stack, ada) = with_synced_ada();
    stack.execute("SELECT cometchat.pause()");
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Ada King"}'"#);
    assert!(!stack.is_settled(ada));

    assert!(stack.session(ada).ensure(None, None, None).success());

    assert!(stack.is_settled(ada));
    let due = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
    assert_eq!(stack.value(due).as_deref(), Some("0"));
    assert_eq!(stack.chat_user(ada)["name"], "Ada King");
}
