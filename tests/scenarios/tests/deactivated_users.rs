//! Deactivated there, banned or deleted here: who comes back, and who does not.

use scenarios::{Stack, NOTHING};
use uuid::Uuid;

fn is_deactivated(stack: &Stack, user: Uuid) -> bool {
    stack.chat_user(user).get("deactivatedAt").is_some()
}

/// As the worker leaves a user whom it deactivated and logged out.
fn deactivate_as_we_do(stack: &Stack, user: Uuid) {
    stack.app().deactivate(&user.to_string());
    stack.execute(
        "UPDATE cometchat.sync_state SET deactivated = true WHERE true;
         UPDATE public.cometchat_users SET cometchat_auth_token = NULL WHERE true",
    );
}

#[test]
fn a_trusted_caller_reactivates_a_user_deactivated_by_others() {
    let (stack, ada) = Stack::with_ada();
    stack.app().deactivate(&ada.to_string());
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "USER_DEACTIVATED");

    let answer = stack.service().ensure(Some(ada), None, None);

    assert!(answer.success());
    assert!(!is_deactivated(&stack, ada));
    assert_eq!(stack.chat_user(ada)["name"], "Countess");
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
}

#[test]
fn the_token_of_a_deactivated_user_is_forgotten() {
    let (stack, ada) = Stack::with_ada();
    stack.app().deactivate(&ada.to_string());
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Countess"}'"#);

    let answer = stack.session(ada).ensure(None, None, None);

    assert_eq!(answer.code(), "USER_DEACTIVATED");
    assert_eq!(stack.stored(ada).token, None, "a client could read it");
    let mut session = stack.session(ada);
    session.execute("SET default_transaction_read_only = on");
    assert_eq!(session.ensure(None, None, None).code(), "READ_ONLY");
}

#[test]
fn a_login_reactivates_a_user_that_we_deactivated() {
    let (stack, ada) = Stack::with_ada();
    deactivate_as_we_do(&stack, ada);

    let answer = stack.session(ada).ensure(None, None, None);

    assert!(answer.success());
    assert_eq!(stack.asked(), ["reactivate_users", "get_user", "create_token"]);
    assert!(!is_deactivated(&stack, ada));
    assert!(!stack.stored(ada).deactivated);
    assert_eq!(stack.session(ada).ensure(None, None, None), answer);
}

#[test]
fn a_banned_or_deleted_user_is_refused_without_a_request() {
    let (stack, ada) = Stack::with_ada();
    for assignment in [
        "banned_until = now() + interval '1 hour'",
        "banned_until = 'infinity'",
        "banned_until = NULL, deleted_at = now()",
    ] {
        stack.change(ada, assignment);
        for answer in [
            stack.session(ada).ensure(None, None, None),
            stack.session(ada).refresh(None),
            stack.service().ensure(Some(ada), None, None),
            stack.service().refresh(Some(ada)),
        ] {
            assert_eq!(answer.code(), "USER_DEACTIVATED", "{assignment}");
        }
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_banned_user_can_be_logged_out_everywhere() {
    let (stack, ada) = Stack::with_ada();
    stack.change(ada, "banned_until = 'infinity'");

    assert!(stack.service().revoke(Some(ada)).success());

    assert_eq!(stack.app().tokens(&ada.to_string()), NOTHING);
    assert_eq!(stack.stored(ada).token, None);
}
