//! Between a revocation and its end no token is minted that it will kill: a login meanwhile gets one
//! that outlives the flush, or none; and nobody is kept out by a flush that nobody does any more.

use std::time::{Duration, Instant};

use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, within, Answer, Cluster, Database, Session, Stack};
use simulator::{Fault, FaultKind, Filter, Recorded, Simulator};
use uuid::Uuid;

/// How long CometChat takes for the flush: longer than a call waits for the worker, and short of
/// every timeout.
const SLOW: u64 = 4000;

/// A user with a token, whose revocation CometChat fails to do; the next flush will be slow.
fn revoked_in_vain(stack: &Stack) -> Uuid {
    let ada = stack.sign_up("Ada Lovelace");
    stack.session(ada).ensure(None, None, None).token();
    stack.chat.set_fault(Fault::delay(SLOW).operation("flush_tokens").skip(1).times(1));
    let fails = Fault::status(500, "ERR_EXCEPTION").operation("flush_tokens");
    stack.chat.set_fault(fails.times(1));
    let answer = stack.session(ada).revoke(None);
    assert_eq!((answer.code(), answer.queued()), ("API_ERROR", true));
    assert!(stack.stored(ada).revoke_pending);
    ada
}

fn flushes(stack: &Stack) -> Vec<Recorded> {
    let filter = Filter { operation: Some("flush_tokens".into()), ..Filter::default() };
    stack.chat.requests_where(&filter)
}

/// The slow one is the second: the first has failed.
fn slow_flush(stack: &Stack) -> Option<Recorded> {
    flushes(stack).into_iter().nth(1)
}

/// The worker is at it.
fn with_the_worker_at_it() -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.resume()");
    eventually("there is a worker", || stack.worker().is_some());
    let ada = revoked_in_vain(&stack);
    eventually("the worker has begun", || slow_flush(&stack).is_some());
    (stack, ada)
}

/// A session is at it, as pg_cron would be.
fn with_a_session_at_it() -> (Stack, Uuid, BlockedSession) {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let ada = revoked_in_vain(&stack);
    let busy = start_queue(&stack, ada);
    eventually("the session has begun", || slow_flush(&stack).is_some());
    (stack, ada, busy)
}

fn start_queue(stack: &Stack, user: Uuid) -> BlockedSession {
    let due = format!(
        "SELECT next_attempt_at <= now() FROM cometchat.sync_state WHERE user_id = '{user}'"
    );
    eventually("she is due", || stack.value(&due).as_deref() == Some("true"));
    BlockedSession::with(stack.db.admin(), "CALL cometchat.process_queue()")
}

#[track_caller]
fn is_alive(stack: &Stack, user: Uuid, token: &str) {
    let alive = stack.app().tokens(&user.to_string());
    assert!(alive.iter().any(|other| other == token), "{token} is dead, alive: {alive:?}");
}

/// What the login got is alive once the slow flush has ended, or it got nothing and was told so; the
/// next login has a token that lasts.
#[track_caller]
fn outlives_the_flush(stack: &Stack, user: Uuid, answer: &Answer, queued: bool) {
    eventually("the slow flush has ended", || {
        slow_flush(stack).is_some_and(|flush| flush.status == Some(200))
    });
    if answer.success() {
        is_alive(stack, user, &answer.token());
    } else {
        assert_eq!((answer.code(), answer.queued()), ("TIMEOUT", queued), "{}", answer.0);
    }
    let next = stack.session(user).ensure(None, None, None).token();
    is_alive(stack, user, &next);
    eventually("the revocation is over", || !stack.stored(user).revoke_pending);
    let later = stack.session(user).ensure(None, None, None).token();
    is_alive(stack, user, &later);
    assert_eq!(stack.stored(user).token, Some(later));
}

/// A session with this much time for a call.
fn in_a_hurry(stack: &Stack, user: Uuid) -> Session {
    let mut session = stack.session(user);
    session.execute("SET statement_timeout = '3s'");
    session
}

#[test]
fn a_login_during_the_workers_flush_gets_a_lasting_token() {
    let (stack, ada) = with_the_worker_at_it();
    let answer = stack.session(ada).ensure(None, None, None);
    outlives_the_flush(&stack, ada, &answer, true);
}

#[test]
fn a_hurried_login_during_the_workers_flush_gets_no_dying_token() {
    let (stack, ada) = with_the_worker_at_it();
    let answer = in_a_hurry(&stack, ada).ensure(None, None, None);
    outlives_the_flush(&stack, ada, &answer, true);
}

#[test]
fn a_refresh_during_the_workers_flush_gets_no_dying_token() {
    let (stack, ada) = with_the_worker_at_it();
    let answer = stack.session(ada).refresh(None);
    outlives_the_flush(&stack, ada, &answer, false); // a refresh is never queued
}

#[test]
fn a_login_during_another_sessions_flush_gets_a_lasting_token() {
    let (stack, ada, busy) = with_a_session_at_it();
    let answer = stack.session(ada).ensure(None, None, None);
    outlives_the_flush(&stack, ada, &answer, true);
    busy.done().result.expect("process_queue");
}

#[test]
fn a_hurried_login_during_another_sessions_flush_gets_no_dying_token() {
    let (stack, ada, busy) = with_a_session_at_it();
    let answer = in_a_hurry(&stack, ada).ensure(None, None, None);
    outlives_the_flush(&stack, ada, &answer, true);
    busy.done().result.expect("process_queue");
}

#[test]
fn a_refresh_during_another_sessions_flush_gets_no_dying_token() {
    let (stack, ada, busy) = with_a_session_at_it();
    let answer = stack.session(ada).refresh(None);
    outlives_the_flush(&stack, ada, &answer, false);
    busy.done().result.expect("process_queue");
}

/// The login comes first, flushes, and its new token is slow to arrive: the worker, which is due
/// meanwhile, must not flush that one.
#[test]
fn a_login_in_progress_before_a_flush_gets_no_dying_token() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.resume()");
    eventually("there is a worker", || stack.worker().is_some());
    let ada = revoked_in_vain(&stack);
    stack.chat.clear_faults();
    stack.chat.set_fault(Fault::delay(SLOW).operation("create_token").perform().times(1));

    let answer = stack.session(ada).ensure(None, None, None);

    let token = answer.token();
    eventually("the revocation is over", || {
        !stack.stored(ada).revoke_pending && stack.is_settled(ada)
    });
    is_alive(&stack, ada, &token);
    is_alive(&stack, ada, &stack.session(ada).ensure(None, None, None).token());
}

/// The same where the login's transaction stays open: nobody else can see that it has flushed.
#[test]
fn a_login_in_an_open_transaction_gets_no_dying_token() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    let ada = revoked_in_vain(&stack);
    stack.chat.clear_faults();
    let mut session = stack.session(ada);
    session.execute("BEGIN");
    let token = session.ensure(None, None, None).token();

    let queue = start_queue(&stack, ada);
    queue.done().result.expect("process_queue");
    session.execute("COMMIT");

    is_alive(&stack, ada, &token);
    is_alive(&stack, ada, &stack.session(ada).ensure(None, None, None).token());
}

/// A login that works, at the latest a few seconds from now.
#[track_caller]
fn a_login_works_soon(stack: &Stack, user: Uuid) {
    let mut token = None;
    within(Duration::from_secs(10), "a login works", || {
        let answer = stack.session(user).ensure(None, None, None);
        token = answer.success().then(|| answer.token());
        token.is_some()
    });
    is_alive(stack, user, &token.expect("a token"));
    eventually("the revocation is over", || !stack.stored(user).revoke_pending);
    is_alive(stack, user, &stack.session(user).ensure(None, None, None).token());
}

#[test]
fn a_worker_killed_during_a_flush_locks_no_user_out() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.execute("SELECT cometchat.resume()");
    eventually("there is a worker", || stack.worker().is_some());
    let ada = revoked_in_vain(&stack);
    eventually("the worker has begun", || slow_flush(&stack).is_some());
    let claimed = "SELECT count(*) FROM cometchat.sync_state WHERE claim IS NOT NULL";
    assert_eq!(stack.value(claimed).as_deref(), Some("1"));

    assert!(stack.db.cluster().kill_process(stack.worker().expect("a worker")));

    a_login_works_soon(&stack, ada);
}

#[test]
fn a_session_terminated_during_a_flush_locks_no_user_out() {
    let (stack, ada, busy) = with_a_session_at_it();
    busy.terminate(&mut stack.db.admin());
    let started = Instant::now();

    a_login_works_soon(&stack, ada);

    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A revocation that meets a deactivation under way is left to it: when that fails, before it has flushed anything, and
/// the ban is over, the tokens are ended all the same.
#[test]
fn a_revocation_that_relied_on_a_flush_that_failed_is_carried_out() {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let token = stack.session(ada).ensure(None, None, None).token();
    stack.db.set("cometchat.request_timeout", Some("5s"));
    let hangs = Fault::new(FaultKind::HangBeforeHeader).operation("flush_tokens").times(1);
    stack.chat.set_fault(hangs);
    stack.change(ada, "banned_until = 'infinity'");
    eventually("the deactivation is under way", || stack.was_asked("flush_tokens"));
    stack.change(ada, "banned_until = NULL");
    let answer = stack.session(ada).revoke(None);
    assert_eq!((answer.code(), answer.queued()), ("TIMEOUT", true));
    eventually("the token is ended", || !stack.app().tokens(&ada.to_string()).contains(&token));
}
