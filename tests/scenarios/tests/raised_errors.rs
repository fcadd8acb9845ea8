//! Raised, not answered: cancel, shutdown, a missing privilege, malformed input.

use postgres::NoTls;
use scenarios::{eventually, in_three_tries, Session, Stack, Stored, NOTHING};
use simulator::{Fault, FaultKind, Filter};
use uuid::Uuid;

/// A stack whose CometChat falls silent, with a user and plenty of time.
fn silent() -> (Stack, Uuid) {
    let stack = Stack::new();
    stack.without_deadlines();
    let ada = stack.sign_up("Ada Lovelace");
    stack.db.set("cometchat.request_timeout", Some("60s"));
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    (stack, ada)
}

/// Ensures in a thread, does `meanwhile` once CometChat has the request, returns the error.
fn error_of_hanging_call(
    stack: &Stack,
    mut session: Session,
    meanwhile: impl FnOnce(),
) -> postgres::Error {
    std::thread::scope(|scope| {
        let call = scope.spawn(move || session.try_ensure(None, None, None));
        eventually("the request", || !stack.chat.requests_where(&Filter::default()).is_empty());
        meanwhile();
        call.join().expect("the thread").expect_err("an error")
    })
}

fn sqlstate(error: &postgres::Error) -> &str {
    error.code().expect("a Postgres error").code()
}

#[test]
fn a_cancelled_call_is_raised_as_57014_and_leaves_nothing() {
    let (stack, ada) = silent();
    let session = stack.session(ada);
    let cancel = session.client.cancel_token();

    let cancel = || cancel.cancel_query(NoTls).unwrap();
    let error = error_of_hanging_call(&stack, session, cancel);

    assert_eq!(sqlstate(&error), "57014");
    assert_eq!(stack.stored(ada), Stored::default());
    stack.chat.clear_faults();
    assert!(stack.session(ada).ensure(None, None, None).success());
}

#[test]
fn a_session_goes_on_after_a_cancel() {
    let (stack, ada) = silent();
    let mut session = stack.session(ada);
    let pid: i32 = session.client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the request", || !stack.chat.requests().is_empty());
            stack.execute(&format!("SELECT pg_cancel_backend({pid})"));
        });
        let error = session.try_ensure(None, None, None).expect_err("a cancel");
        assert_eq!(sqlstate(&error), "57014");
    });
    stack.chat.clear_faults();

    assert!(session.ensure(None, None, None).success(), "in the same session");
    assert_eq!(stack.app().user_count(), 1);
}

#[test]
fn a_terminated_session_ends() {
    let (stack, ada) = silent();
    let terminate = || {
        stack.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'authenticator'",
        );
    };

    let error = error_of_hanging_call(&stack, stack.session(ada), terminate);

    // The client library may see the end of the connection before the message about it.
    assert!(error.is_closed() || sqlstate(&error) == "57P01", "{error}");
    let fatal = format!("@{} FATAL:  terminating connection due to administrator", stack.db.name());
    assert_eq!(stack.db.cluster().log().matches(&fatal).count(), 1);
    assert_eq!(stack.stored(ada), Stored::default());
}

#[test]
fn the_budget_ends_before_the_statements_own_deadline() {
    let (stack, ada) = silent();
    for set in [
        "SET statement_timeout = '2s'",
        "SET statement_timeout = '2s'; SET cometchat.request_timeout = '1s'",
    ] {
        let mut session = stack.session(ada);
        session.execute(set);
        // Without the margin every try would be cancelled.
        let answer = in_three_tries(|| session.try_ensure(None, None, None));
        assert_eq!(answer.code(), "TIMEOUT", "{set}");
    }
}

#[test]
fn the_budget_ends_before_the_transactions_own_deadline() {
    let (stack, ada) = silent();
    if server_version(&stack) < 17 {
        println!("transaction_timeout came with 17");
        return;
    }
    // Time that the transaction has already taken counts.
    for (before, after) in [("SELECT 1", "SELECT 1"), ("BEGIN; SELECT pg_sleep(1)", "COMMIT")] {
        let answer = in_three_tries(|| {
            let mut session = stack.session(ada);
            session.execute("SET transaction_timeout = '2s'");
            session.client.batch_execute(before)?;
            let answer = session.try_ensure(None, None, None)?;
            // A transaction that is too late ends the session.
            session.client.batch_execute(after).map(|()| answer)
        });
        assert_eq!(answer.code(), "TIMEOUT", "{before}");
    }
}

#[test]
fn pg_stat_activity_shows_what_a_call_waits_for() {
    let (stack, ada) = silent();
    let mut session = stack.session(ada);
    session.execute("SET cometchat.request_timeout = '10s'");
    let expected = if server_version(&stack) < 17 { "Extension" } else { "CometChatHttp" };
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND usename = 'authenticator' AND wait_event_type = 'Extension'
         AND wait_event = '{expected}'"
    );
    std::thread::scope(|scope| {
        let call = scope.spawn(|| session.ensure(None, None, None));
        eventually(expected, || stack.value(&sql).as_deref() == Some("1"));
        assert_eq!(call.join().unwrap().code(), "TIMEOUT");
    });
}

#[test]
fn pg_stat_activity_shows_what_our_processes_wait_for() {
    let stack = Stack::syncing();
    let names =
        "SELECT string_agg(DISTINCT backend_type || ' ' || wait_event, ', ') FROM pg_stat_activity
                 WHERE backend_type = 'cometchat launcher'
                    OR backend_type = 'cometchat worker' AND datname = current_database()";
    let expected = if server_version(&stack) < 17 {
        "cometchat launcher Extension, cometchat worker Extension"
    } else {
        "cometchat launcher CometChatLauncherMain, cometchat worker CometChatWorkerMain"
    };
    eventually(expected, || stack.value(names).as_deref() == Some(expected));
}

/// The server's major version.
fn server_version(stack: &Stack) -> u32 {
    let sql = "SELECT current_setting('server_version_num')::int / 10000";
    stack.value(sql).unwrap().parse().unwrap()
}

#[test]
fn an_anonymous_client_may_call_nothing() {
    let stack = Stack::new();
    let mut anon = Session::of(stack.db.connect("authenticator"));
    anon.execute("SET ROLE anon");
    for sql in [
        "SELECT public.cometchat_ensure_user()",
        "SELECT public.cometchat_refresh_token()",
        "SELECT public.cometchat_revoke_tokens()",
        "SELECT * FROM public.cometchat_users",
        "SELECT * FROM cometchat.sync_state",
    ] {
        assert_eq!(anon.sqlstate(sql), "42501", "{sql}");
    }
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn an_argument_that_is_not_a_uuid_is_refused_by_postgres() {
    let stack = Stack::new();
    let mut service = stack.service();
    for input in ["", "nobody", "6f1c", "a/../b"] {
        let sql = format!("SELECT public.cometchat_ensure_user('{input}')");
        assert_eq!(service.sqlstate(&sql), "22P02", "{input}");
    }
    assert_eq!(stack.asked(), NOTHING);
}
