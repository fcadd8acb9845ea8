//! The import fails, is refused, or is not to be had: nobody is lost, nobody waits for it.

use std::time::Duration;

use scenarios::backlog::{backlog_of, imports, of_operation, on_the_build_plan, queue};
use scenarios::{eventually, within, Cluster, Database, Stack};
use simulator::{Fault, Limits, Simulator};

fn in_cometchat(stack: &Stack) -> usize {
    let sql = "SELECT count(*) FROM cometchat.sync_state AS s
               JOIN public.cometchat_users AS u USING (user_id)
               WHERE s.sent_profile IS NOT NULL AND s.next_attempt_at IS NULL AND s.claim IS NULL";
    stack.value(sql).and_then(|n| n.parse().ok()).expect("a number")
}

fn import(fault: Fault) -> Fault {
    fault.operation("import_users")
}

/// Nobody is paused, nothing is open, nobody has failed.
fn all_is_well(stack: &Stack) {
    let sql = "SELECT concat(failed, ' ', paused_reason) FROM cometchat.progress";
    assert_eq!(stack.value(sql).as_deref(), Some("0 "));
    assert_eq!(stack.logged("sending is paused").len(), 0);
}

#[test]
fn what_was_imported_without_an_answer_is_found_by_single_requests() {
    for (n, fault) in [
        Fault::status(500, "ERR_EXCEPTION").perform(),
        Fault::raw(200, "text/html", "<html>hello</html>").perform(),
        Fault::new(simulator::FaultKind::Reset).perform(),
        Fault::new(simulator::FaultKind::TruncatedJson),
        Fault::status(400, "ERR_BAD_REQUEST"),
        Fault::raw(502, "text/html", "<html>bad gateway</html>"),
    ]
    .into_iter()
    .enumerate()
    {
        let stack = on_the_build_plan();
        stack.db.set("cometchat.rate_limit", Some("3000")); // scarce, and yet fast
        stack.db.set("cometchat.request_timeout", Some("2s")); // what was lost is waited for that long
        stack.chat.set_limits(Limits { import: Some(60), ..Limits::default() });
        stack.chat.set_fault(import(fault).times(1));
        let stack = backlog_of(stack, 100).sync();
        eventually("all are in CometChat", || in_cometchat(&stack) == 100);
        assert_eq!(stack.app().user_count(), 100);
        assert_eq!(imports(&stack).len(), 2, "{n}: the other fifty came by an import");
        assert_eq!(of_operation(&stack, "create_user"), 50, "{n}");
        assert_eq!(stack.logged("created singly").len(), 0, "{n}: once is no reason");
        all_is_well(&stack);
    }
}

#[test]
fn an_import_that_hangs_is_given_up_and_people_and_others_go_on() {
    let stack = on_the_build_plan();
    stack.db.set("cometchat.request_timeout", Some("2s"));
    stack
        .chat
        .set_fault(import(Fault::new(simulator::FaultKind::HangBeforeHeader).perform()).times(1));
    let stack = backlog_of(stack, 80).sync();
    eventually("it hangs", || imports(&stack).len() == 1);
    let new = stack.sign_up("New");
    stack.settled(new);
    eventually("after a second the others go singly", || of_operation(&stack, "create_user") > 10);
    within(Duration::from_secs(60), "all are in CometChat", || in_cometchat(&stack) == 81);
    assert_eq!(stack.app().user_count(), 81);
    all_is_well(&stack);
}

#[test]
fn where_the_plan_has_no_import_users_go_singly_by_themselves() {
    for fault in [
        Fault::status(402, "ERR_PLAN_RESTRICTION"),
        Fault::status(403, "AUTH_ERR_NO_ACCESS"),
        Fault::raw(403, "text/html", "<html>forbidden</html>"),
        Fault::status(404, "ERR_API_NOT_FOUND"),
        Fault::raw(405, "text/plain", ""),
    ] {
        let stack = on_the_build_plan();
        let fault = stack.chat.set_fault(import(fault));
        let stack = backlog_of(stack, 120).sync();
        eventually("all are in CometChat", || in_cometchat(&stack) == 120);
        assert_eq!(imports(&stack).len(), 1);
        assert_eq!(stack.logged("created singly").len(), 1);
        all_is_well(&stack);

        // An operator who has changed something, or an hour: it is tried again.
        stack.chat.clear_fault(fault);
        let stack = backlog_of(stack, 60);
        eventually("these too", || in_cometchat(&stack) == 180);
        assert_eq!(imports(&stack).len(), 1, "not before that");
        stack.execute("SELECT pg_reload_conf()");
        let mut users = 180;
        eventually("it is tried again", || {
            queue(&stack, 12);
            users += 12;
            eventually("these too", || in_cometchat(&stack) == users);
            imports(&stack).len() > 1
        });
    }
}

#[test]
fn three_failures_in_a_row_are_taken_to_say_that_none_will_succeed() {
    let stack = on_the_build_plan();
    stack.chat.set_fault(import(Fault::raw(200, "text/html", "<html>hello</html>")));
    let stack = backlog_of(stack, 250).sync();
    within(Duration::from_secs(60), "all are in CometChat", || in_cometchat(&stack) == 250);
    assert_eq!(imports(&stack).len(), 3);
    assert_eq!(stack.logged("created singly").len(), 1);
    all_is_well(&stack);
}

#[test]
fn a_429_of_the_import_stops_nobody_else() {
    let stack = on_the_build_plan();
    let refused = Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "20");
    stack.chat.set_fault(import(refused).times(1));
    let stack = backlog_of(stack, 100).sync();
    eventually("it is refused", || imports(&stack).len() == 1);
    let new = stack.sign_up("New");
    stack.settled(new);
    stack.session(new).ensure(None, None, None).token();
    eventually("the backlog goes singly meanwhile", || in_cometchat(&stack) == 101);
    assert_eq!(imports(&stack).len(), 1);
    all_is_well(&stack);
}

#[test]
fn its_limit_is_kept_and_what_it_leaves_goes_singly() {
    let stack = on_the_build_plan();
    stack.chat.set_limits(Limits { import: Some(4), ..Limits::build_plan() });
    let stack = backlog_of(stack, 300).sync();
    eventually("all are in CometChat", || in_cometchat(&stack) == 300);
    let together = imports(&stack).len();
    assert!((1..=4).contains(&together), "{together}");
    assert_eq!(of_operation(&stack, "create_user"), 300 - 50 * together);
    assert_eq!(stack.chat.counters().with_status(429), 0);
}

#[test]
fn a_rejected_key_pauses_as_ever_and_nobody_is_lost() {
    let stack = on_the_build_plan();
    let rejected = Fault::status(401, "AUTH_ERR_APIKEY_NOT_FOUND");
    let fault = stack.chat.set_fault(rejected);
    let stack = backlog_of(stack, 60).sync();
    let reason = "SELECT paused_reason FROM cometchat.progress";
    eventually("it is said", || stack.value(reason).as_deref() == Some("API_KEY_REJECTED"));
    assert_eq!(stack.logged("sending is paused").len(), 1);
    assert_eq!(stack.logged("created singly").len(), 0);
    stack.chat.clear_fault(fault);
    within(Duration::from_secs(60), "all are in CometChat", || in_cometchat(&stack) == 60);
}

#[test]
fn a_quota_that_is_used_up_by_the_import_makes_new_users_wait_alone() {
    let stack = on_the_build_plan();
    stack.chat.update(|settings| settings.quota = Some(30));
    let stack = backlog_of(stack, 50).sync();
    let reason = "SELECT paused_reason FROM cometchat.progress";
    eventually("it is said", || stack.value(reason).as_deref() == Some("PLAN_LIMIT"));
    assert_eq!(stack.app().user_count(), 30);
    eventually("who had room is in CometChat", || in_cometchat(&stack) == 30);
    stack.chat.update(|settings| settings.quota = None);
    within(Duration::from_secs(60), "all are in CometChat", || in_cometchat(&stack) == 50);
}

#[test]
fn a_server_that_is_killed_during_an_import_loses_nobody() {
    let cluster = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'", "fsync = off"]);
    let stack = Stack::on(Database::like_supabase(cluster), Simulator::start());
    stack.db.set("cometchat.rate_limit", Some("0"));
    stack.chat.set_limits(Limits::build_plan());
    stack.db.set("cometchat.request_timeout", Some("2s"));
    // Performed, and not answered until long after.
    stack.chat.set_fault(import(Fault::delay(1500).perform()));
    let stack = backlog_of(stack, 250).sync();
    for kill in 1..=2 {
        eventually("an import is under way", || imports(&stack).len() >= kill);
        stack.db.cluster().kill_postmaster();
    }
    stack.chat.clear_faults();
    within(Duration::from_secs(90), "all are in CometChat", || in_cometchat(&stack) == 250);
    assert_eq!(stack.app().user_count(), 250);
    all_is_well(&stack);
}
