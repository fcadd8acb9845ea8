//! A revocation whose transaction comes to nothing has happened at CometChat all the same: the token
//! that the rollback brings back is dead, and nobody is given it.

use std::thread;

use postgres::error::SqlState;
use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Session, Stack, NOTHING};
use simulator::{Fault, Filter};
use uuid::Uuid;

fn flushed(stack: &Stack, user: Uuid) -> bool {
    stack.app().tokens(&user.to_string()).is_empty()
}

/// Two logins in a row, each of which gets a token that CometChat knows.
#[track_caller]
fn logins_work<'a>(stack: &Stack, user: Uuid, sessions: impl IntoIterator<Item = &'a mut Session>) {
    for (n, session) in sessions.into_iter().enumerate() {
        let token = session.ensure(None, None, None).token();
        let alive = stack.app().tokens(&user.to_string());
        assert!(alive.contains(&token), "login {n} got a dead token: {token}, alive: {alive:?}");
    }
    assert_ne!(stack.app().tokens(&user.to_string()), NOTHING);
    stack.asked();
    let stored = stack.stored(user);
    assert!(stack.app().tokens(&user.to_string()).contains(&stored.token.expect("a token")));
    stack.session(user).ensure(None, None, None).token();
    assert_eq!(stack.asked(), NOTHING, "from now on what is stored serves");
}

/// Revokes in this way, which must be undone here; then the same session, or another that was there
/// before, is the first to log in.
#[track_caller]
fn nobody_gets_the_dead_token(stack: &Stack, revoke_in_vain: impl Fn(&mut Session)) {
    for (name, same_first) in [("Ada Lovelace", true), ("Grace Hopper", false)] {
        let user = stack.sign_up(name);
        let (mut session, mut other) = (stack.session(user), stack.session(user));
        session.ensure(None, None, None).token();
        other.ensure(None, None, None).token();

        revoke_in_vain(&mut session);

        assert!(flushed(stack, user), "CometChat has done it");
        let order =
            if same_first { [&mut session, &mut other] } else { [&mut other, &mut session] };
        logins_work(stack, user, order);
    }
}

#[track_caller]
fn revoke(session: &mut Session) {
    assert!(session.revoke(None).success());
}

#[test]
fn a_rollback_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        session.execute("BEGIN");
        revoke(session);
        session.execute("ROLLBACK");
    });
}

#[test]
fn an_error_after_the_revocation_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        session.execute("BEGIN");
        revoke(session);
        assert_eq!(session.sqlstate("SELECT 1 / 0"), "22012");
        session.execute("COMMIT"); // which rolls back
    });
}

#[test]
fn an_error_in_the_revoking_statement_itself_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        // The division needs the answer: it comes after the call, in the same statement.
        let sql = "SELECT 1 / (a ->> 'none')::int FROM public.cometchat_revoke_tokens() AS r(v),
                   LATERAL (SELECT v || '{\"none\": 0}') AS s(a)";
        assert_eq!(session.sqlstate(sql), "22012");
    });
}

#[test]
fn a_savepoint_that_is_rolled_back_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        session.execute("BEGIN; SAVEPOINT here");
        revoke(session);
        session.execute("ROLLBACK TO here; COMMIT");
    });
}

#[test]
fn before_the_commit_too_the_same_transaction_gets_no_dead_token() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    session.execute("BEGIN; SAVEPOINT here");
    revoke(&mut session);
    session.execute("ROLLBACK TO here");
    let token = session.ensure(None, None, None).token();
    session.execute("COMMIT");

    assert!(stack.app().tokens(&ada.to_string()).contains(&token), "{token} is dead");
    logins_work(&stack, ada, [&mut session, &mut stack.session(ada)]);
}

#[test]
fn an_exception_block_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        session.execute(
            "DO $$ BEGIN
               PERFORM public.cometchat_revoke_tokens();
               RAISE EXCEPTION 'no';
             EXCEPTION WHEN raise_exception THEN NULL;
             END $$",
        );
    });
}

#[test]
fn a_savepoint_that_was_released_into_one_that_is_rolled_back_brings_no_dead_token_back() {
    nobody_gets_the_dead_token(&Stack::new(), |session| {
        session.execute("BEGIN; SAVEPOINT outside; SAVEPOINT inside");
        revoke(session);
        session.execute("RELEASE inside; ROLLBACK TO outside; COMMIT");
    });
}

#[test]
fn a_session_that_is_terminated_after_the_answer_brings_no_dead_token_back() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    revoke(&mut session);
    let busy = BlockedSession::with(session.client, "SELECT pg_sleep(60)");
    busy.terminate(&mut stack.db.admin());

    assert!(flushed(&stack, ada));
    logins_work(&stack, ada, [&mut stack.session(ada), &mut stack.session(ada)]);
}

#[test]
fn a_statement_that_is_cancelled_after_the_answer_brings_no_dead_token_back() {
    let (stack, ada) = Stack::with_ada();
    let session = stack.session(ada);
    let sql = "SELECT public.cometchat_revoke_tokens(), pg_sleep(60)";
    let busy = BlockedSession::with(session.client, sql);
    let done = Filter { operation: Some("flush_tokens".into()), ..Filter::default() };
    let done = Filter { status: Some(200), ..done };
    eventually("CometChat has answered", || !stack.chat.requests_where(&done).is_empty());
    let (_, client) = busy.cancel(&mut stack.db.admin());

    assert!(flushed(&stack, ada));
    logins_work(&stack, ada, [&mut Session::of(client), &mut stack.session(ada)]);
}

/// CometChat has done it and is slow to say so.
fn with_an_answer_on_its_way() -> (Stack, Uuid) {
    let (stack, ada) = Stack::with_ada();
    let slow = Fault::delay(60_000).operation("flush_tokens").perform();
    stack.chat.set_fault(slow.times(1));
    (stack, ada)
}

#[test]
fn a_call_that_is_cancelled_before_cometchats_answer_brings_no_dead_token_back() {
    let (stack, ada) = with_an_answer_on_its_way();
    let busy =
        BlockedSession::with(stack.session(ada).client, "SELECT public.cometchat_revoke_tokens()");
    eventually("CometChat has done it", || flushed(&stack, ada));
    let (_, client) = busy.cancel(&mut stack.db.admin());

    logins_work(&stack, ada, [&mut Session::of(client), &mut stack.session(ada)]);
}

#[test]
fn a_session_that_is_terminated_before_cometchats_answer_brings_no_dead_token_back() {
    let (stack, ada) = with_an_answer_on_its_way();
    let busy =
        BlockedSession::with(stack.session(ada).client, "SELECT public.cometchat_revoke_tokens()");
    eventually("CometChat has done it", || flushed(&stack, ada));
    busy.terminate(&mut stack.db.admin());

    logins_work(&stack, ada, [&mut stack.session(ada), &mut stack.session(ada)]);
}

#[test]
fn an_answer_that_never_came_in_a_transaction_that_rolls_back_brings_no_dead_token_back() {
    let (stack, ada) = with_an_answer_on_its_way();
    stack.db.set("cometchat.request_timeout", Some("500ms"));
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    assert_eq!(session.revoke(None).code(), "TIMEOUT");
    session.execute("ROLLBACK");

    assert!(flushed(&stack, ada));
    logins_work(&stack, ada, [&mut session, &mut stack.session(ada)]);
}

#[test]
fn during_the_revoking_transaction_no_session_gets_the_dead_token() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    revoke(&mut session);

    // Nothing is committed, so the token is still stored: who asks may have to wait, or to go without.
    let mut other = stack.session(ada);
    other.execute("SET statement_timeout = '2s'");
    match other.try_ensure(None, None, None) {
        Ok(answer) if answer.success() => {
            let token = answer.token();
            assert!(stack.app().tokens(&ada.to_string()).contains(&token), "{token} is dead");
        }
        Ok(answer) => assert_eq!(answer.code(), "TIMEOUT"),
        Err(error) => assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED)),
    }
    session.execute("COMMIT");
    logins_work(&stack, ada, [&mut other, &mut session]);
}

#[test]
fn a_refresh_that_waits_for_the_rollback_gets_a_token_that_is_kept_alive() {
    let (stack, ada) = Stack::with_ada();
    let (mut session, mut other) = (stack.session(ada), stack.session(ada));
    session.execute("BEGIN");
    revoke(&mut session);
    let refreshed = thread::scope(|scope| {
        let waiting = scope.spawn(|| other.refresh(None).token());
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                     AND state = 'active' AND query LIKE '%cometchat_refresh_token%'
                     AND pid <> pg_backend_pid()";
        eventually("the refresh is under way", || stack.value(waits).as_deref() == Some("1"));
        session.execute("ROLLBACK");
        waiting.join().expect("the thread")
    });

    assert!(stack.app().tokens(&ada.to_string()).contains(&refreshed), "{refreshed} is dead");
    logins_work(&stack, ada, [&mut session, &mut other]);
}
