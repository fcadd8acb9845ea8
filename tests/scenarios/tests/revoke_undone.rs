//! What a revocation that was rolled back leaves: others' tokens as they were, commits as ever, and
//! nothing dead in the database, prepared transactions and restarts of the server included.

use std::time::Duration;

use scenarios::{within, Cluster, Database, Session, Stack, NOTHING};
use simulator::Simulator;
use uuid::Uuid;

/// A server of the test's own with a user who has a token.
fn on_a_server_of_its_own(conf: &[&str]) -> (Stack, Uuid) {
    let mut lines = vec!["shared_preload_libraries = 'cometchat_ext'"];
    lines.extend(conf);
    let stack = Stack::on(Database::like_supabase(Cluster::start(&lines)), Simulator::start());
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.asked();
    (stack, ada)
}

#[track_caller]
fn revoke_in_a_transaction(session: &mut Session) {
    session.execute("BEGIN");
    assert!(session.revoke(None).success());
}

fn is_alive(stack: &Stack, user: Uuid, token: &str) -> bool {
    stack.app().tokens(&user.to_string()).iter().any(|alive| alive == token)
}

/// Nothing is stored, or what is stored works.
fn nothing_dead_is_stored(stack: &Stack, user: Uuid) -> bool {
    stack.stored(user).token.is_none_or(|token| is_alive(stack, user, &token))
}

#[track_caller]
fn a_login_works(stack: &Stack, user: Uuid) {
    let token = stack.session(user).ensure(None, None, None).token();
    assert!(is_alive(stack, user, &token), "{token} is dead");
}

#[test]
fn a_rolled_back_revocation_leaves_other_users_tokens_alone() {
    let (stack, ada) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    let token = stack.session(bob).ensure(None, None, None).token();
    let mut service = stack.service();
    stack.asked();

    service.execute("BEGIN");
    assert!(service.revoke(Some(ada)).success());
    service.execute("ROLLBACK");
    assert_eq!(stack.asked(), ["flush_tokens"]);

    assert_eq!(service.ensure(Some(bob), None, None).token(), token);
    assert_eq!(stack.session(bob).ensure(None, None, None).token(), token);
    assert_eq!(stack.asked(), NOTHING, "nothing was to be done about him");
    assert!(is_alive(&stack, bob, &token));
    a_login_works(&stack, ada);
}

#[test]
fn of_two_revocations_the_rolled_back_one_is_repaired() {
    let (stack, ada) = Stack::with_ada();
    let bob = stack.sign_up("Bob");
    stack.session(bob).ensure(None, None, None).token();
    let mut service = stack.service();
    service.execute("BEGIN");
    assert!(service.revoke(Some(ada)).success());
    service.execute("SAVEPOINT here");
    assert!(service.revoke(Some(bob)).success());
    service.execute("ROLLBACK TO here; COMMIT");

    assert_eq!(stack.stored(ada).token, None, "hers was committed");
    a_login_works(&stack, bob);
    a_login_works(&stack, ada);
}

/// CometChat has done it, and the write that forgets the token fails: no rollback is needed for that.
#[test]
fn a_revocation_that_cannot_be_written_leaves_no_dead_token() {
    let (stack, ada) = Stack::with_ada();
    stack.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON public.cometchat_users
           FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    );
    assert_eq!(stack.session(ada).revoke(None).code(), "DATABASE");
    stack.execute("DROP TRIGGER refuse ON public.cometchat_users");
    a_login_works(&stack, ada);

    stack.db.set("cometchat.request_timeout", Some("500ms"));
    let mut locker = stack.db.admin();
    let lock = "BEGIN; SELECT FROM public.cometchat_users FOR UPDATE";
    locker.batch_execute(lock).expect(lock);
    assert!(!stack.session(ada).revoke(None).success());
    locker.batch_execute("COMMIT").expect("unlock");
    a_login_works(&stack, ada);
}

#[test]
fn a_committed_revocation_stays() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    for savepoint in [false, true] {
        revoke_in_a_transaction(&mut session);
        if savepoint {
            session.execute("SAVEPOINT here; SELECT 1; ROLLBACK TO here"); // after the revocation
        }
        session.execute("COMMIT");

        assert_eq!(stack.asked(), ["flush_tokens"]);
        assert_eq!((stack.stored(ada).token, stack.stored(ada).revoke_pending), (None, false));
        let token = session.ensure(None, None, None).token();
        assert_eq!(stack.asked(), ["create_token"], "no second flush");
        assert_eq!(stack.app().tokens(&ada.to_string()), [token.as_str()]);
        assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
        assert_eq!(stack.asked(), NOTHING);
    }
}

#[test]
fn a_revocation_repeated_after_a_rollback_holds() {
    let (stack, ada) = Stack::with_ada();
    let mut session = stack.session(ada);
    session.execute("BEGIN; SAVEPOINT here");
    assert!(session.revoke(None).success());
    session.execute("ROLLBACK TO here");
    assert!(session.revoke(None).success());
    session.execute("COMMIT");

    assert_eq!(stack.stored(ada).token, None);
    a_login_works(&stack, ada);
}

/// A rollback to a savepoint gives up the lock on the user, too.
#[test]
fn a_token_stored_by_another_session_is_handed_out_only_if_it_works() {
    for end in ["COMMIT", "ROLLBACK"] {
        let (stack, ada) = Stack::with_ada();
        let (mut session, mut other) = (stack.session(ada), stack.session(ada));
        session.execute("BEGIN; SAVEPOINT here");
        assert!(session.revoke(None).success());
        session.execute("ROLLBACK TO here");
        let refreshed = other.refresh(None).token();
        assert!(is_alive(&stack, ada, &refreshed), "{refreshed} is dead before {end}");
        session.execute(end);

        // It may be kept, or be replaced.
        for login in [&mut other, &mut session] {
            let token = login.ensure(None, None, None).token();
            assert!(is_alive(&stack, ada, &token), "{token} is dead after {end}");
        }
        let soon = Duration::from_secs(5);
        within(soon, "nothing dead is stored", || nothing_dead_is_stored(&stack, ada));
        a_login_works(&stack, ada);
    }
}

#[test]
fn a_prepared_transaction_that_is_rolled_back_brings_no_dead_token_back() {
    let (stack, ada) = on_a_server_of_its_own(&["max_prepared_transactions = 5"]);
    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("PREPARE TRANSACTION 'revoke'");
    session.execute("ROLLBACK PREPARED 'revoke'");
    let token = session.ensure(None, None, None).token();
    assert!(is_alive(&stack, ada, &token), "{token} is dead");

    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("PREPARE TRANSACTION 'revoke'");
    drop(session);
    stack.execute("ROLLBACK PREPARED 'revoke'"); // by somebody else
    a_login_works(&stack, ada);

    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("PREPARE TRANSACTION 'revoke'");
    session.execute("COMMIT PREPARED 'revoke'");
    assert_eq!(stack.stored(ada).token, None);
    a_login_works(&stack, ada);
}

/// It forgets a token before it is flushed, whatever becomes of the transaction that asked.
fn start_the_worker(stack: &Stack) {
    stack.execute("SELECT cometchat.resume()");
    within(Duration::from_secs(10), "there is a worker", || stack.worker().is_some());
}

#[test]
fn a_prepared_revocation_rolled_back_after_a_restart_brings_no_dead_token_back() {
    let (stack, ada) = on_a_server_of_its_own(&["max_prepared_transactions = 5"]);
    start_the_worker(&stack);
    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("PREPARE TRANSACTION 'revoke'");
    stack.db.cluster().pg_ctl(&["-m", "fast", "restart"]);
    stack.execute("ROLLBACK PREPARED 'revoke'");

    a_login_works(&stack, ada);
}

#[test]
fn after_a_login_and_a_restart_what_is_stored_works() {
    let (stack, ada) = on_a_server_of_its_own(&[]);
    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("ROLLBACK");
    session.ensure(None, None, None).token();
    stack.db.cluster().pg_ctl(&["-m", "fast", "restart"]);

    assert!(nothing_dead_is_stored(&stack, ada));
    a_login_works(&stack, ada);
}

#[test]
fn without_a_login_the_worker_forgets_the_dead_token_for_good() {
    forgotten_for_good(&[]);
    // Nobody else writes anything to the disk for the time of the test.
    forgotten_for_good(&["synchronous_commit = off", "wal_writer_delay = 10s", "autovacuum = off"]);
}

#[track_caller]
fn forgotten_for_good(conf: &[&str]) {
    let (stack, ada) = on_a_server_of_its_own(conf);
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
    let mut session = stack.session(ada);
    revoke_in_a_transaction(&mut session);
    session.execute("ROLLBACK");

    let soon = Duration::from_secs(10);
    within(soon, "nothing dead is stored", || nothing_dead_is_stored(&stack, ada));
    for mode in ["immediate", "fast"] {
        stack.db.cluster().pg_ctl(&["-m", mode, "restart"]);
        assert!(nothing_dead_is_stored(&stack, ada), "after {mode}");
    }
    a_login_works(&stack, ada);
}

#[test]
fn a_server_that_stops_between_revocation_and_commit_hands_out_no_dead_token_afterwards() {
    for mode in ["fast", "immediate"] {
        let (stack, ada) = on_a_server_of_its_own(&[]);
        start_the_worker(&stack);
        let mut session = stack.session(ada);
        revoke_in_a_transaction(&mut session);
        stack.db.cluster().pg_ctl(&["-m", mode, "restart"]);

        let token = stack.session(ada).ensure(None, None, None).token();
        assert!(is_alive(&stack, ada, &token), "{token} is dead, after {mode}");
    }
}
