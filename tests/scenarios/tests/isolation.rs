//! Databases whose transactions see one snapshot throughout: tabs that log in at once get the one
//! token all the same, and no serialisation failure.

use std::thread;

use scenarios::{eventually, Answer, Session, Stack};
use serde_json::json;
use simulator::ListenerState;
use uuid::Uuid;

const LEVELS: [&str; 2] = ["repeatable read", "serializable"];

fn at_level(level: &str) -> Stack {
    let stack = Stack::new().with_long_timeouts();
    stack.without_deadlines();
    stack.db.set("default_transaction_isolation", Some(level));
    stack
}

/// What PostgREST makes of a request: a transaction, whose snapshot is older than the call.
fn as_postgrest(session: &mut Session) -> Answer {
    session.execute("BEGIN; SELECT set_config('request.path', '/rpc/cometchat_ensure_user', true)");
    let answer = session.ensure(None, None, None);
    session.execute("COMMIT");
    answer
}

/// Five tabs at once: all are at it before CometChat answers anybody. Four answers are of interest;
/// one too many is refused at once.
fn five_tabs(stack: &Stack, user: Uuid, call: fn(&mut Session) -> Answer) -> Vec<Answer> {
    let level = stack.value("current_setting('transaction_isolation')");
    assert_ne!(level.as_deref(), Some("read committed"));
    stack.chat.set_listener(ListenerState::Paused);
    let (mut answers, refused): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let tabs: Vec<_> = (0..5)
            .map(|_| stack.session(user))
            .map(|mut tab| scope.spawn(move || call(&mut tab)))
            .collect();
        eventually("one is refused", || tabs.iter().any(|tab| tab.is_finished()));
        stack.chat.set_listener(ListenerState::Open);
        tabs.into_iter().map(|tab| tab.join().expect("no error")).partition(Answer::success)
    });
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code(), "RATE_LIMITED");
    answers.dedup();
    answers
}

#[test]
fn tabs_that_log_in_for_the_first_time_at_once_get_one_token() {
    for level in LEVELS {
        for call in [|tab: &mut Session| tab.ensure(None, None, None), as_postgrest] {
            let stack = at_level(level);
            let ada = stack.sign_up("Ada Lovelace");

            let answers = five_tabs(&stack, ada, call);

            assert_eq!(answers.len(), 1, "{level}: {answers:?}");
            assert_eq!(stack.asked(), ["create_user"], "{level}");
            assert_eq!(stack.stored(ada).token, Some(answers[0].token()));
        }
    }
}

#[test]
fn tabs_that_log_in_later_with_a_changed_profile_send_it_once() {
    for level in LEVELS {
        let stack = at_level(level);
        let ada = stack.sign_up("Ada Lovelace");
        let token = stack.session(ada).ensure(None, None, None).token();
        stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"Ada King\"}'");
        stack.asked();

        let answers = five_tabs(&stack, ada, as_postgrest);

        assert_eq!(answers.len(), 1, "{level}: {answers:?}");
        assert_eq!(answers[0].token(), token);
        assert_eq!(stack.asked(), ["update_user"], "{level}");
        assert_eq!(stack.chat_user(ada)["name"], "Ada King");
    }
}

#[test]
fn a_login_right_after_the_sign_up_finds_what_the_worker_has_just_stored() {
    for level in LEVELS {
        let stack = at_level(level);
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        let ada = stack.sign_up("Ada Lovelace");
        let mut tab = stack.session(ada);
        tab.execute("BEGIN; SELECT count(*) FROM pg_class"); // its snapshot
        eventually("she is in agreement", || stack.stored(ada).token.is_some());
        stack.settled(ada);
        stack.asked();

        let answer = tab.ensure(None, None, None);
        tab.execute("COMMIT");

        assert_eq!(stack.stored(ada).token, Some(answer.token()));
        assert_eq!(stack.asked(), scenarios::NOTHING);
    }
}

#[test]
fn concurrent_logins_of_different_users_do_not_fail_each_other() {
    for level in LEVELS {
        let stack = at_level(level);
        let users = stack.sign_ups(12);
        thread::scope(|scope| {
            let logins: Vec<_> = users
                .iter()
                .map(|user| stack.session(*user))
                .map(|mut tab| scope.spawn(move || tab.try_ensure(None, None, None)))
                .collect();
            for login in logins {
                match login.join().expect("the thread") {
                    Ok(answer) => assert!(answer.success(), "{answer:?}"),
                    // Postgres's own, where it cannot tell users on one page apart.
                    Err(error) => {
                        assert_eq!(level, "serializable");
                        assert_eq!(error.code().expect("a code").code(), "40001");
                    }
                }
            }
        });
        for user in users {
            assert!(stack.session(user).ensure(None, None, None).success());
        }
    }
}

#[test]
fn the_worker_syncs_at_any_level() {
    for level in LEVELS {
        let stack = at_level(level);
        stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
        let users = stack.sign_ups(30);
        stack.all_arrive(&users);
        stack.change(users[3], "raw_user_meta_data = '{\"full_name\": \"Ada King\"}'");
        stack.settled(users[3]);
        assert_eq!(stack.chat_user(users[3])["name"], json!("Ada King"));
        let failures = "SELECT count(*) FROM cometchat.trigger_failures WHERE is_called";
        assert_eq!(stack.value(failures).as_deref(), Some("0"));
    }
}
