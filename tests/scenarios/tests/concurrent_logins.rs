//! Several sessions at once: one works, up to three wait, more are refused; users are independent.

use std::thread;

use scenarios::{eventually, Answer, Session, Stack, NOTHING};
use simulator::{Fault, FaultKind, Filter, ListenerState};
use uuid::Uuid;

/// What a session is to do.
type Call = fn(&mut Session) -> Answer;

/// A stack in which time is no matter, and a user.
fn with_long_timeouts() -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.without_deadlines();
    let ada = stack.sign_up("Ada Lovelace");
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.db.set("cometchat.connect_timeout", Some("60s"));
    (stack, ada)
}

/// How many sessions of this database work on a user, or wait for one.
fn busy(stack: &Stack) -> i64 {
    let sql = "SELECT count(DISTINCT pid) FROM pg_locks
               WHERE locktype = 'advisory' AND objsubid >= 2
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    stack.db.admin().query_one(sql, &[]).expect(sql).get(0)
}

/// Makes these calls at once: all are under way before CometChat accepts a connection.
/// `meanwhile` runs when they are.
fn at_once(stack: &Stack, calls: Vec<(Session, Call)>, meanwhile: impl FnOnce()) -> Vec<Answer> {
    stack.chat.set_listener(ListenerState::Paused);
    let count = calls.len() as i64;
    thread::scope(|scope| {
        let running: Vec<_> = calls
            .into_iter()
            .map(|(mut session, call)| scope.spawn(move || call(&mut session)))
            .collect();
        eventually("all calls to be under way", || busy(stack) == count);
        meanwhile();
        stack.chat.set_listener(ListenerState::Open);
        running.into_iter().map(|call| call.join().expect("the thread")).collect()
    })
}

fn ensure(session: &mut Session) -> Answer {
    session.ensure(None, None, None)
}

fn refresh(session: &mut Session) -> Answer {
    session.refresh(None)
}

fn revoke(session: &mut Session) -> Answer {
    session.revoke(None)
}

#[test]
fn four_sessions_at_once_make_one_user_and_get_one_answer() {
    let (stack, ada) = with_long_timeouts();
    let calls = (0..4).map(|_| (stack.session(ada), ensure as Call)).collect();

    let answers = at_once(&stack, calls, || ());

    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.success()), "{answers:?}");
    assert_eq!(stack.asked(), ["create_user"]);
    assert_eq!(stack.app().tokens(&ada.to_string()), [answers[0].token()]);
}

#[test]
fn a_fifth_concurrent_call_is_refused_at_once() {
    let (stack, ada) = with_long_timeouts();
    let calls = (0..4).map(|_| (stack.session(ada), ensure as Call)).collect();

    let answers = at_once(&stack, calls, || {
        for answer in [
            stack.session(ada).ensure(None, None, None),
            stack.session(ada).refresh(None),
            stack.service().ensure(Some(ada), None, None),
        ] {
            assert_eq!((answer.code(), answer.error()), ("RATE_LIMITED", "Too many requests"));
            assert!(!answer.queued());
        }
    });

    assert!(answers.iter().all(Answer::success));
    assert_eq!(stack.asked(), ["create_user"]);
    assert!(stack.session(ada).refresh(None).success(), "the places are free again");
}

#[test]
fn a_revocation_that_is_the_fifth_call_is_owed() {
    let (stack, ada) = with_long_timeouts();
    let calls = (0..4).map(|_| (stack.session(ada), ensure as Call)).collect();

    let answers = at_once(&stack, calls, || {
        let answer = stack.session(ada).revoke(None);
        assert_eq!((answer.code(), answer.queued()), ("RATE_LIMITED", true));
    });

    assert!(answers.iter().all(Answer::success));
    // Whichever of the four was the next to have the user has carried it out.
    assert_eq!(stack.asked(), ["create_user", "get_user", "flush_tokens", "create_token"]);
    let token = stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.app().tokens(&ada.to_string()), [token]);
}

#[test]
fn a_stored_answer_waits_for_no_other_session() {
    let (stack, ada) = with_long_timeouts();
    let stored = stack.session(ada).ensure(None, None, None);
    let calls = (0..4).map(|_| (stack.session(ada), refresh as Call)).collect();

    let answers = at_once(&stack, calls, || {
        assert_eq!(stack.session(ada).ensure(None, None, None), stored);
    });

    let mut tokens: Vec<String> = answers.iter().map(Answer::token).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "each refresh is a device of its own");
    assert!(tokens.contains(&stack.stored(ada).token.expect("a token")));
}

#[test]
fn users_do_not_wait_for_each_other() {
    let (stack, ada) = with_long_timeouts();
    let bob = stack.sign_up("Bob Marley");
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).uid(&ada.to_string()));
    let mut session = stack.session(ada);
    let cancel = session.client.cancel_token();
    thread::scope(|scope| {
        let hanging = scope.spawn(move || session.try_ensure(None, None, None));
        eventually("the request", || !stack.chat.requests_where(&Filter::default()).is_empty());

        assert!(stack.session(bob).ensure(None, None, None).success());
        assert!(!hanging.is_finished());

        cancel.cancel_query(postgres::NoTls).expect("cancel");
        assert!(hanging.join().expect("the thread").is_err());
    });
    assert!(stack.stored(bob).token.is_some());
}

#[test]
fn a_waiting_call_gives_up_within_its_own_timeout() {
    let (stack, ada) = with_long_timeouts();
    let calls = vec![(stack.session(ada), ensure as Call)];

    let answers = at_once(&stack, calls, || {
        let mut impatient = stack.session(ada);
        impatient.execute("SET cometchat.request_timeout = '100ms'");
        assert_eq!(impatient.ensure(None, None, None).code(), "TIMEOUT");
    });

    assert!(answers[0].success());
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn a_waiting_call_can_be_cancelled() {
    let (stack, ada) = with_long_timeouts();
    let calls = vec![(stack.session(ada), ensure as Call)];
    let mut waiting = stack.session(ada);
    let cancel = waiting.client.cancel_token();

    let answers = at_once(&stack, calls, || {
        thread::scope(|scope| {
            let waiting = scope.spawn(move || waiting.try_ensure(None, None, None));
            eventually("the wait", || busy(&stack) == 2);
            cancel.cancel_query(postgres::NoTls).expect("cancel");
            let error = waiting.join().expect("the thread").expect_err("a cancel");
            assert_eq!(error.code().expect("a Postgres error").code(), "57014");
        });
    });

    assert!(answers[0].success());
}

#[test]
fn a_concurrent_login_and_revocation_never_leave_a_dead_token() {
    let (stack, ada) = with_long_timeouts();
    stack.session(ada).ensure(None, None, None).token();
    for _ in 0..3 {
        let calls = vec![
            (stack.session(ada), revoke as Call),
            (stack.session(ada), refresh),
            (stack.session(ada), revoke),
            (stack.session(ada), refresh),
        ];

        let answers = at_once(&stack, calls, || ());

        assert!(answers.iter().all(Answer::success), "{answers:?}");
        let valid = stack.app().tokens(&ada.to_string());
        match stack.stored(ada).token {
            Some(token) => assert!(valid.contains(&token)),
            None => assert_eq!(valid, NOTHING),
        }
    }
}

#[test]
fn a_transaction_that_stays_open_keeps_the_next_waiting_until_it_ends() {
    let (stack, ada) = with_long_timeouts();
    let mut first = stack.session(ada);
    first.execute("BEGIN");
    let answer = first.ensure(None, None, None);
    let mut second = stack.session(ada);
    thread::scope(|scope| {
        let waiting = scope.spawn(move || second.ensure(None, None, None));
        eventually("the wait", || busy(&stack) == 2);
        first.execute("COMMIT");
        assert_eq!(waiting.join().expect("the thread"), answer);
    });
    assert_eq!(stack.asked(), ["create_user"]);
}

#[test]
fn an_applications_own_advisory_locks_are_no_obstacle() {
    let (stack, ada) = with_long_timeouts();
    let (high, low) = ada.as_u64_pair();
    let mut other = stack.db.admin();
    for key in [high, low, high ^ low] {
        let sql = "SELECT pg_advisory_lock($1), pg_advisory_lock($2, $3)";
        let key = key as i64;
        other.query(sql, &[&key, &((key >> 32) as i32), &(key as i32)]).expect(sql);
    }

    assert!(stack.session(ada).ensure(None, None, None).success());
}
