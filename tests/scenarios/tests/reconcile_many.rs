//! `cometchat.reconcile()` of many users: all differences, in little memory, and whatever comes between.

use std::time::Duration;

use scenarios::blocked_session::BlockedSession;
use scenarios::population::{Findings, Population};
use scenarios::{eventually, within, Process, Stack};
use simulator::{Fault, Filter};

/// What a backend may take beyond what it had, in kilobytes: less than the 32 MB that are promised for
/// any number of users, so that one list of this test's users kept in memory would show.
const MEMORY: u64 = 24 * 1024;

/// The worker sleeps.
fn many(users: usize) -> (Stack, Population) {
    let stack = Stack::new();
    let population = Population::settle(&stack, users);
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    (stack, population)
}

/// Finds and mends so many differences of each kind among so many users.
fn found_and_mended(users: usize, each: usize) {
    let (stack, population) = many(users);
    assert_eq!(Population::findings(&stack, "reconcile()"), Findings::new());
    let (expected, touched) = population.disturb(&stack, each);
    let before = Population::others(&stack, &touched);

    assert_eq!(Population::findings(&stack, "reconcile()"), expected);
    assert_eq!(Population::findings(&stack, "reconcile(true)"), expected);
    stack.asked();
    stack.execute("SELECT cometchat.resume()");
    within(Duration::from_secs(300), "all is sent", || {
        stack.value("SELECT pending FROM cometchat.progress").as_deref() == Some("0")
    });
    let asked_of = stack.chat.take_requests().into_iter().filter_map(|request| request.uid);
    assert_eq!(asked_of.filter(|uid| !touched.contains(uid)).count(), 0, "nobody else is touched");
    assert_eq!(Population::others(&stack, &touched), before, "nobody else has changed");
    let left = expected.into_iter().filter(|(_, whom, _)| !touched.contains(whom));
    assert_eq!(Population::findings(&stack, "reconcile()"), left.collect());
}

#[test]
fn every_difference_of_many_pages_is_found_and_mended_and_nothing_else_touched() {
    found_and_mended(2500, 20);
}

#[test]
#[ignore = "several minutes: cargo test -p scenarios a_thousand_differences -- --ignored"]
fn a_thousand_differences_of_each_kind_among_100_000_users() {
    found_and_mended(100_000, 1000);
}

/// The most anonymous memory that a session has while it runs a statement, beyond what it has now.
fn memory_of(stack: &Stack, sql: &str) -> u64 {
    let mut client = stack.db.admin();
    client.batch_execute("SET work_mem = '1GB'; SET statement_timeout = '300s'").expect("settings");
    let process = Process::of(&mut client);
    let before = process.rss_anon();
    let session = BlockedSession::with(client, sql);
    let mut most = before;
    let done = loop {
        match session.try_done(Duration::from_millis(20)) {
            Some(done) => break done,
            None => most = most.max(process.rss_anon()),
        }
    };
    done.result.expect(sql);
    most - before
}

#[test]
fn memory_does_not_grow_with_the_number_of_users() {
    let (stack, population) = many(3000);
    population.disturb(&stack, 20);
    let count = "SELECT count(*) FROM cometchat.reconcile()";
    // Enough that whatever goes to disk beyond a few megabytes does so. All of them are findings.
    stack.app().seed("guest", 120_000).expect("users");
    let most = memory_of(&stack, count);
    println!("{most} kB");
    assert!(most < MEMORY, "{most} kB");
}

fn pages_asked_for(stack: &Stack) -> Vec<String> {
    let lists = Filter { operation: Some("list_users".into()), ..Filter::default() };
    let page = |query: Option<String>| {
        let query = query.unwrap_or_default();
        let page = query.split('&').find_map(|part| part.strip_prefix("page=").map(str::to_owned));
        page.unwrap_or_default()
    };
    stack.chat.requests_where(&lists).into_iter().map(|request| page(request.query)).collect()
}

#[test]
fn a_429_in_the_middle_is_waited_for_and_no_page_is_read_twice() {
    let (stack, population) = many(3500);
    let (expected, _) = population.disturb(&stack, 5);
    let refused = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "2");
    stack.chat.set_fault(refused.operation("list_users").skip(2).times(1));

    let session =
        BlockedSession::with(stack.db.admin(), "SELECT count(*) FROM cometchat.reconcile()");
    let shown = "SELECT doing FROM cometchat.reconcile_progress WHERE page = 3";
    eventually("it says that it waits", || {
        let mut admin = stack.db.admin();
        let row = admin.query_opt(shown, &[]).expect(shown);
        row.is_some_and(|row| row.get::<_, String>(0).contains("waiting: CometChat rate limit"))
    });
    let done = session.done();
    assert_eq!(done.result.expect("the answer").as_deref(), Some(&*expected.len().to_string()));
    assert_eq!(pages_asked_for(&stack), ["1", "2", "3", "3", "4"]);
}

#[test]
fn a_429_that_outlasts_the_statement_is_said_at_once() {
    let (stack, _) = many(1200);
    let refused = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "30");
    stack.chat.set_fault(refused.operation("list_users").skip(1).times(1));
    let mut admin = stack.db.admin();
    admin.batch_execute("SET statement_timeout = '20s'").expect("a setting");
    let failed = admin.batch_execute("SELECT cometchat.reconcile(true)").unwrap_err();
    let failed = failed.as_db_error().expect("an error of the server's");
    assert_eq!(failed.message(), "CometChat rate limit reached: ERR_TOO_MANY_REQUESTS");
    assert_eq!(failed.detail(), Some("Page 2 of 2 of CometChat's list was not read."));
    assert_eq!(failed.hint(), Some("Without a statement_timeout it waits."));
}

#[test]
fn a_page_that_fails_once_is_read_again() {
    let (stack, population) = many(1200);
    let (expected, _) = population.disturb(&stack, 5);
    let failing = Fault::status(502, "ERR_BAD_GATEWAY").operation("list_users");
    stack.chat.set_fault(failing.skip(1).times(2));
    assert_eq!(Population::findings(&stack, "reconcile()"), expected);
    assert_eq!(pages_asked_for(&stack), ["1", "2", "2", "2"]);
}

#[test]
fn a_cancel_in_the_middle_ends_it_at_once_and_changes_nothing() {
    let (stack, population) = many(2500);
    population.disturb(&stack, 5);
    // In each of the ways that it waits: for an answer, and for the rate limit.
    let hanging = Fault::new(simulator::FaultKind::HangBeforeHeader);
    let refused = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "600");
    for fault in [hanging, refused] {
        stack.chat.clear_faults();
        stack.chat.set_fault(fault.operation("list_users").skip(1));
        let session = BlockedSession::with(
            stack.db.admin(),
            "SELECT count(*) FROM cometchat.reconcile(true)",
        );
        let page = "SELECT page FROM cometchat.reconcile_progress";
        eventually("it is in the middle", || {
            let row = stack.db.admin().query_opt(page, &[]).expect(page);
            row.and_then(|row| row.get::<_, Option<i32>>(0)) == Some(2)
        });
        let (_, mut client) = session.cancel(&mut stack.db.admin());
        client.batch_execute("SELECT").expect("the session lives");
        let pending = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
        assert_eq!(stack.value(pending).as_deref(), Some("0"));
        assert_eq!(
            stack.value("SELECT count(*) FROM cometchat.reconcile_progress").as_deref(),
            Some("0")
        );
    }
}

#[test]
fn whoever_changes_meanwhile_is_no_difference() {
    let (stack, population) = many(1500);
    let user = population.users[1400];
    // In the state as it was, and gone before the second page comes.
    stack.chat.set_fault(Fault::delay(3000).operation("list_users").skip(1).times(1));
    let session =
        BlockedSession::with(stack.db.admin(), "SELECT count(*) FROM cometchat.reconcile()");
    let page = "SELECT page FROM cometchat.reconcile_progress";
    eventually("the first page is read", || {
        let row = stack.db.admin().query_opt(page, &[]).expect(page);
        row.and_then(|row| row.get::<_, Option<i32>>(0)) == Some(2)
    });
    assert!(stack.app().delete(&user.to_string()));
    stack.execute(&format!(
        "SET session_replication_role = replica; DELETE FROM auth.users WHERE id = '{user}';
         DELETE FROM public.cometchat_users WHERE user_id = '{user}';
         DELETE FROM cometchat.sync_state WHERE user_id = '{user}'"
    ));
    assert_eq!(session.done().result.expect("the answer").as_deref(), Some("0"));
}
