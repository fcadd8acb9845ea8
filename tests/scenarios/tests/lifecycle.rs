//! The whole life of a user, as CometChat hears of it without anybody calling us.

use scenarios::{eventually, Stack, Stored, NOTHING};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

/// A stack with a user whose sign-up has arrived; nothing was asked since.
fn with_synced_ada() -> (Stack, Uuid) {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    stack.asked();
    (stack, ada)
}

fn name(stack: &Stack, user: Uuid) -> String {
    stack.chat_user(user)["name"].as_str().expect("a name").to_owned()
}

#[test]
fn a_sign_up_is_created_with_a_token_that_is_stored() {
    let (stack, ada) = with_synced_ada();

    assert_eq!(name(&stack, ada), "Ada Lovelace");
    let email = &stack.chat_user(ada)["metadata"]["@private"]["email"];
    assert_eq!(*email, json!("ada.lovelace@example.com"));
    assert_eq!(stack.stored(ada).token, stack.app().tokens(&ada.to_string()).pop());
}

#[test]
fn a_burst_of_profile_edits_is_at_most_two_requests_and_the_last_state_wins() {
    let (stack, ada) = with_synced_ada();
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.chat.set_fault(Fault::delay(10_000).operation("update_user").times(1));

    let sql = "UPDATE auth.users SET raw_user_meta_data = $1 WHERE id = $2";
    let mut auth_server = stack.db.connect("supabase_auth_admin");
    auth_server.batch_execute("SET synchronous_commit = off").expect("set");
    for n in 1..=20 {
        let metadata = json!({"full_name": format!("Ada {n}")});
        auth_server.execute(sql, &[&metadata, &ada]).expect(sql);
        if n == 1 {
            eventually("the first is under way", || !stack.chat.requests().is_empty());
        }
    }
    eventually("the last has arrived", || name(&stack, ada) == "Ada 20");
    stack.settled(ada);

    assert_eq!(name(&stack, ada), "Ada 20");
    let asked = stack.asked();
    assert!(asked.len() <= 2 && asked.iter().all(|o| o == "update_user"), "{asked:?}");
}

#[test]
fn a_new_email_address_arrives_in_the_private_metadata() {
    let (stack, ada) = with_synced_ada();

    stack.change(ada, "email = 'countess@example.com'");
    stack.settled(ada);

    let metadata = &stack.chat_user(ada)["metadata"];
    assert_eq!(*metadata, json!({"@private": {"email": "countess@example.com"}}));
}

#[test]
fn a_login_queues_nothing() {
    let (stack, ada) = with_synced_ada();
    let state = format!("SELECT s::text FROM cometchat.sync_state AS s WHERE user_id = '{ada}'");
    let before = stack.value(&state);

    stack.change(ada, "last_sign_in_at = now(), updated_at = now(), email = email");

    assert_eq!(stack.value(&state), before);
}

#[test]
fn a_banned_user_is_logged_out_everywhere_and_comes_back_when_unbanned() {
    let (stack, ada) = with_synced_ada();

    stack.change(ada, "banned_until = 'infinity'");
    stack.settled(ada);

    assert_eq!(stack.asked(), ["flush_tokens", "deactivate_users"]);
    assert!(stack.is_deactivated(ada));
    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
    assert_eq!(stack.stored(ada).token, None);
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "USER_DEACTIVATED");
    assert_eq!(stack.asked(), NOTHING);

    stack.change(ada, "banned_until = NULL");
    stack.settled(ada);

    assert!(!stack.is_deactivated(ada));
    assert!(stack.stored(ada).token.is_some());
}

#[test]
fn an_expired_ban_is_lifted_automatically() {
    let (stack, ada) = with_synced_ada();

    stack.change(ada, "banned_until = now() + interval '10 s'");

    let deactivated = || stack.chat.counters().answered("deactivate_users", 200) == 1;
    eventually("the ban arrives", deactivated);
    eventually("it is lifted", || !stack.is_deactivated(ada));
    eventually("the token is back", || stack.stored(ada).token.is_some());
}

#[test]
fn a_softly_deleted_user_is_deactivated() {
    let (stack, ada) = with_synced_ada();

    stack.change(ada, "deleted_at = now(), email = NULL, raw_user_meta_data = '{}'");
    stack.settled(ada);

    assert!(stack.is_deactivated(ada));
    assert_eq!(stack.stored(ada).token, None);
}

/// Deletes a user under a setting of `on_delete`, and waits until that is through.
fn delete_under(on_delete: &str) -> (Stack, Uuid) {
    let (stack, ada) = with_synced_ada();
    stack.enqueue(ada, &json!({"name": "The Countess"}));
    stack.settled(ada);
    stack.db.set("cometchat.on_delete", Some(on_delete));
    stack.asked();

    stack.execute(&format!("DELETE FROM auth.users WHERE id = '{ada}'"));

    assert_eq!(stack.stored(ada).uid, None, "the mapping goes with the user");
    let personal = format!(
        "SELECT count(*) FROM cometchat.sync_state AS s WHERE user_id = '{ada}' AND
         s::text ~* 'ada|countess|example.com'"
    );
    // At once, as a rule; by the next one who handles the user where the row was locked.
    eventually("what was personal is wiped", || stack.value(&personal).as_deref() == Some("0"));
    eventually("the farewell is through", || {
        let open = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL
                    OR claim IS NOT NULL";
        stack.value(open).as_deref() == Some("0")
    });
    (stack, ada)
}

#[test]
fn a_deleted_user_is_deactivated_and_a_new_sign_up_with_the_same_id_is_reactivated() {
    let (stack, ada) = delete_under("deactivate");
    assert_eq!(stack.asked(), ["flush_tokens", "deactivate_users"]);
    assert!(stack.is_deactivated(ada));

    let sql = "INSERT INTO auth.users (id, raw_user_meta_data) VALUES ($1, $2)";
    let again = json!({"full_name": "Ada Again"});
    stack.db.connect("supabase_auth_admin").execute(sql, &[&ada, &again]).expect(sql);
    eventually("she has a token", || stack.stored(ada).token.is_some());

    assert!(!stack.is_deactivated(ada));
    assert_eq!(name(&stack, ada), "Ada Again");
    assert_eq!(stack.stored(ada).uid, Some(ada.to_string()));
}

#[test]
fn on_delete_delete_removes_the_user_for_good() {
    let (stack, ada) = delete_under("delete");

    assert_eq!(stack.asked(), ["delete_user"]);
    assert_eq!(stack.app().user(&ada.to_string()), None);
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn on_delete_keep_sends_nothing() {
    let (stack, ada) = delete_under("keep");

    assert_eq!(stack.asked(), NOTHING);
    assert!(!stack.is_deactivated(ada));
    assert_eq!(stack.stored(ada), Stored::default());
}
