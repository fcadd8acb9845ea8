//! Attacks on what everybody shares: CometChat's allowance, and the pool's connections.

use std::thread;

use scenarios::{eventually, Stack};
use simulator::ListenerState;

#[test]
fn a_user_tries_a_loop_in_many_sessions() {
    let (stack, mallory) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    stack.db.set("cometchat.user_rate_limit", Some("3"));

    let answers: Vec<_> = (0..20).map(|_| stack.session(mallory).refresh(None)).collect();

    let sent = stack.asked().len();
    assert!(sent <= 4, "{sent} requests of one who may cause three a minute");
    assert_eq!(answers[19].code(), "RATE_LIMITED");
    assert_eq!(answers[19].error(), "Too many requests");
    assert!(!answers[19].queued(), "nothing is left to the worker either");
    assert!(stack.session(bob).ensure(None, None, None).success(), "others have their own");
    assert!(stack.service().refresh(Some(mallory)).success(), "and the server is not limited");
}

#[test]
fn a_user_tries_to_get_round_its_limit() {
    let (stack, mallory) = Stack::with_ada();
    stack.db.set("cometchat.user_rate_limit", Some("2"));
    let mut session = stack.session(mallory);
    for _ in 0..5 {
        session.refresh(None);
    }
    stack.asked();

    for _ in 0..3 {
        session.execute("BEGIN; SELECT public.cometchat_refresh_token(); ROLLBACK");
        session.execute("DISCARD PLANS");
        session.execute("RESET request.jwt.claims");
        session.execute(&format!(
            "SET request.jwt.claim.sub = '{}'",
            mallory.to_string().to_uppercase()
        ));
        assert_eq!(session.refresh(None).code(), "RATE_LIMITED");
        session.revoke(None);
    }

    // Revocations have a budget of their own: nobody is kept from ending their sessions.
    let (revocations, others): (Vec<_>, Vec<_>) =
        stack.asked().into_iter().partition(|operation| operation == "flush_tokens");
    assert!(revocations.len() <= 2, "{revocations:?}");
    assert!(others.len() <= 1, "{others:?} after the limit");
    assert_eq!(session.sqlstate("SET cometchat.user_rate_limit = -1"), "42501");
}

#[test]
fn a_user_tries_to_hold_more_than_four_connections() {
    let (stack, mallory) = Stack::with_ada();
    stack.without_deadlines();
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.db.set("cometchat.connect_timeout", Some("60s"));
    stack.chat.set_listener(ListenerState::Paused);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let mut session = stack.session(mallory);
                scope.spawn(move || session.refresh(None))
            })
            .collect();
        let refused = || calls.iter().filter(|call| call.is_finished()).count();
        eventually("four of eight are refused at once", || refused() == 4);
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%cometchat_refresh%'
                   AND datname = current_database() AND pid <> pg_backend_pid()";
        assert_eq!(stack.value(sql).as_deref(), Some("4"));
        stack.chat.set_listener(ListenerState::Open);
        let answers: Vec<_> =
            calls.into_iter().map(|call| call.join().expect("the thread")).collect();
        let crowded = answers
            .iter()
            .filter(|a| !a.success())
            .inspect(|a| assert_eq!(a.code(), "RATE_LIMITED"));
        assert_eq!(crowded.count(), 4);
    });
}
