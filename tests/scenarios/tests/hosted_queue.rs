//! The edition for supabase.com: the queue without a worker.

use std::thread;

use scenarios::edition::is_available;
use scenarios::{eventually, Stack};
use simulator::{Fault, FaultKind, ListenerState};
use uuid::Uuid;

/// Runs the queue as often as it takes until all have arrived.
#[track_caller]
fn all_arrive(stack: &Stack, users: &[Uuid]) {
    eventually("all arrive", || {
        stack.run_queue();
        users.iter().all(|user| stack.stored(*user).token.is_some())
    });
}

#[test]
fn people_go_before_the_backlog() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute("SELECT cometchat.disable_auth_trigger()");
    let many = stack.sign_ups(20);
    stack.execute("SELECT cometchat.enable_auth_trigger(); SELECT cometchat.backfill()");
    let person = stack.sign_up("Ada Lovelace");
    assert_eq!(stack.run_queue(), None);
    let first = stack.chat.requests().into_iter().next().and_then(|request| request.uid);
    let run = stack.value(
        "SELECT to_jsonb(c) || to_jsonb(s) FROM cometchat.control AS c, cometchat.sending AS s",
    );
    assert_eq!(first, Some(person.to_string()), "the person is first: {run:?}");
    all_arrive(&stack, &many);
}

/// A run sees by the last one that the server's clock was set back since.
#[test]
fn after_a_step_back_of_the_clock_nobody_waits_for_it() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let users = stack.sign_ups(3);
    stack.execute(
        "UPDATE cometchat.control SET process_queue_run_at = now() + interval '1 hour' WHERE true;
         UPDATE cometchat.sync_state SET next_attempt_at = now() + interval '1 hour' WHERE true;
         UPDATE cometchat.sending SET not_before = now() + interval '1 hour' WHERE true",
    );
    all_arrive(&stack, &users);
    let ahead = "SELECT process_queue_run_at > now() FROM cometchat.control";
    assert_eq!(stack.value(ahead).as_deref(), Some("false"));
}

/// One at a time probes; when CometChat accepts again, all arrive.
#[test]
fn a_rejected_key_pauses_and_a_probe_resumes() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.chat.set_fault(Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    let users = stack.sign_ups(5);
    stack.run_queue();
    assert_eq!(stack.asked().len(), 2, "one, and another to be sure");
    stack.execute("UPDATE cometchat.sending SET probe_at = now() + interval '1 hour' WHERE true");
    stack.run_queue();
    assert!(stack.asked().is_empty(), "until the next probe");
    let paused = "SELECT paused_reason FROM cometchat.progress";
    assert_eq!(stack.value(paused).as_deref(), Some("API_KEY_REJECTED"));
    let answer = stack.session(users[0]).ensure(None, None, None);
    assert_eq!(answer.code(), "API_KEY_REJECTED");
    assert!(stack.asked().is_empty(), "calls are answered at once");
    stack.chat.clear_faults();
    stack.execute("UPDATE cometchat.sending SET probe_at = now() WHERE true");
    // Whoever met the refusal first comes a second later, behind the others.
    all_arrive(&stack, &users);
    assert_eq!(stack.value(paused), None);
}

#[test]
fn an_answer_about_one_user_stops_nobody_else() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let poisoned = stack.sign_up("Poison");
    let others = stack.sign_ups(5);
    let mut fault = Fault::raw(403, "text/html", "<html>blocked");
    fault.uid = Some(poisoned.to_string());
    stack.chat.set_fault(fault);
    stack.run_queue();
    stack.all_arrive(&others);
    let attempts =
        format!("(SELECT attempts FROM cometchat.sync_state WHERE user_id = '{poisoned}')");
    assert_eq!(stack.value(&attempts).as_deref(), Some("1"), "it counts as that user's");
}

#[test]
fn a_429_is_everybodys() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let mut fault = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "600");
    fault.times = Some(1);
    stack.chat.set_fault(fault);
    let users = stack.sign_ups(5);
    stack.run_queue();
    stack.run_queue();
    assert_eq!(stack.asked().len(), 1);
    let answer = stack.session(users[3]).ensure(None, None, None);
    assert_eq!((answer.code(), answer.queued()), ("RATE_LIMITED", true));
    assert!(stack.asked().is_empty(), "nothing else is sent");
    stack.execute("SELECT cometchat.resume()");
    stack.run_queue();
    stack.all_arrive(&users);
}

/// kill -9 is the platform's business; a terminated session is the same for what it had claimed.
#[test]
fn whoever_was_in_flight_when_the_session_ended_is_sent_again() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader).perform());
    thread::scope(|scope| {
        let hanging = scope.spawn(|| stack.run_queue());
        eventually("the request is there", || !stack.chat.requests().is_empty());
        stack.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE query LIKE 'CALL cometchat.process_queue%' AND pid <> pg_backend_pid()
                         AND datname = current_database()",
        );
        hanging.join().expect("the thread");
    });
    stack.chat.clear_faults();
    assert_eq!(stack.stored(ada).token, None);
    stack.execute("UPDATE cometchat.sync_state SET next_attempt_at = now() WHERE true");
    stack.run_queue();
    assert!(stack.stored(ada).token.is_some());
    assert_eq!(stack.app().user_count(), 1);
}

#[test]
fn four_sessions_share_the_queue() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let users = stack.sign_ups(40);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| stack.run_queue());
        }
    });
    stack.run_queue();
    stack.all_arrive(&users);
    assert_eq!(stack.asked(), vec!["create_user"; 40], "each once");
}

#[test]
fn an_outage_costs_no_attempt_and_no_user() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.chat.set_listener(ListenerState::Closed);
    let users = stack.sign_ups(3);
    for _ in 0..3 {
        stack.run_queue();
    }
    let attempts = "(SELECT sum(attempts) FROM cometchat.sync_state)";
    assert_eq!(stack.value(attempts).as_deref(), Some("0"));
    assert_eq!(
        stack.value("SELECT paused_reason FROM cometchat.progress").as_deref(),
        Some("NETWORK")
    );
    stack.chat.set_listener(ListenerState::Open);
    stack.execute("SELECT cometchat.resume(); UPDATE cometchat.sync_state SET next_attempt_at = now() WHERE true");
    stack.run_queue();
    stack.all_arrive(&users);
}

/// No lock is held while CometChat is waited for: a sign-up and an edit are as quick as ever.
#[test]
fn a_hanging_request_is_in_nobodys_way() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::new(FaultKind::HangBeforeHeader));
    thread::scope(|scope| {
        let hanging = scope.spawn(|| stack.run_queue());
        eventually("the request is there", || !stack.chat.requests().is_empty());
        stack.execute("SET lock_timeout = '100ms'; UPDATE auth.users SET email = 'new@example.com' WHERE true;
                       SELECT cometchat.enqueue(id) FROM auth.users; SELECT * FROM cometchat.progress");
        let failures = "(SELECT is_called FROM cometchat.trigger_failures)";
        assert_eq!(stack.value(failures).as_deref(), Some("false"), "the trigger met no lock");
        hanging.join().expect("the thread");
    });
    stack.chat.clear_faults();
    stack.execute("UPDATE cometchat.sync_state SET next_attempt_at = now(), unsettled_until = now() WHERE true");
    stack.run_queue();
    assert_eq!(stack.chat_user(ada)["metadata"]["@private"]["email"], "new@example.com");
}

/// What pg_cron's own functions say and do, as version 1.6 has them.
const CRON: &str = "
    CREATE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL,
      database text DEFAULT NULL, username text DEFAULT NULL, active boolean DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql AS $f$
    BEGIN
      IF $5 IS NOT NULL THEN
        RAISE 'must be superuser to alter username';
      END IF;
      UPDATE cron.job AS j SET command = COALESCE($3, j.command), database = COALESCE($4, j.database),
        active = COALESCE($6, j.active) WHERE j.jobid = $1;
    END $f$";

/// The dashboard has a switch for each job, and pg_cron may be dropped and created again.
#[test]
fn a_job_that_is_switched_off_or_gone_is_brought_back_by_the_hint() {
    if !is_available() {
        return;
    }
    let stack = Stack::hosted().syncing_by_hand();
    stack.execute(CRON);
    let ill = "SELECT hint FROM cometchat.health() WHERE NOT ok AND check_name IN ('worker', 'process_queue()')";
    let mut owner = stack.db.connect("postgres");
    for fault in [
        "UPDATE cron.job SET active = false WHERE jobname = 'cometchat'",
        "UPDATE cron.job SET command = 'CALL cometchat.process_queue(); SELECT 1' WHERE jobname = 'cometchat';
         INSERT INTO cron.job_run_details (jobid, status, return_message)
         SELECT j.jobid, 'failed', 'invalid transaction termination' FROM cron.job AS j",
        "DELETE FROM cron.job WHERE true",
    ] {
        stack.execute(fault);
        let hints = owner.query(ill, &[]).expect(ill);
        assert_eq!(hints.len(), 1, "one row names it");
        let hint: String = hints[0].get(0);
        owner.batch_execute(&hint).expect(&hint);
        let jobs = "(SELECT string_agg(j.jobname || ' ' || j.active || ' ' || j.command, E'\n' ORDER BY j.jobname)
                     FROM cron.job AS j)";
        let jobs = stack.value(jobs).expect("jobs");
        assert!(jobs.starts_with("cometchat true CALL cometchat.process_queue()\n"), "{jobs}");
        assert!(jobs.contains("\ncometchat-log true DELETE FROM cron.job_run_details"), "{jobs}");
    }
}
