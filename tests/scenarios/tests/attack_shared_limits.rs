//! Attacks on what everybody shares: CometChat's allowance, and the pool's connections.

use scenarios::Stack;

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
