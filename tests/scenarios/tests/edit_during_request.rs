//! What others do to a user's rows while a request about that user is under way.

use postgres::Client;
use scenarios::blocked_session::BlockedSession;
use scenarios::{eventually, Process, Stack};
use simulator::Fault;
use uuid::Uuid;

/// Long enough for a test to do something meanwhile, on a slow machine too.
const A_WHILE: u64 = 5000;

/// Somebody signs up, and CometChat is slow to answer.
fn with_ada_in_flight() -> (Stack, Uuid) {
    let stack = Stack::syncing().with_long_timeouts();
    stack.chat.set_fault(Fault::delay(A_WHILE).times(1));
    let ada = sign_up_in_flight(&stack);
    (stack, ada)
}

fn sign_up_in_flight(stack: &Stack) -> Uuid {
    let ada = stack.sign_up("Ada Lovelace");
    eventually("she is in flight", || !stack.chat.requests().is_empty());
    ada
}

/// A session with a transaction that holds what `sql` locks.
fn lock(stack: &Stack, sql: &str) -> Client {
    let mut locker = stack.db.admin();
    locker.batch_execute(&format!("BEGIN; {sql}")).expect(sql);
    locker
}

/// An edit comes while a request is under way that is the end of the matter without it.
#[track_caller]
fn an_edit_gets_its_own_chance(stack: &Stack, fault: Fault) {
    stack.chat.set_fault(Fault::delay(A_WHILE).times(1)); // a delay goes before what it delays
    stack.chat.set_fault(fault.times(1));
    let ada = sign_up_in_flight(stack);

    stack.change(ada, "raw_user_meta_data = '{\"full_name\": \"The Countess\"}'");

    stack.all_arrive(&[ada]);
    assert_eq!(stack.chat_user(ada)["name"], "The Countess");
    let held = "SELECT count(*) FROM cometchat.sync_state
                WHERE failed_at IS NOT NULL OR attempts > 0 OR error_code IS NOT NULL";
    assert_eq!(stack.value(held).as_deref(), Some("0"));
}

#[test]
fn an_edit_during_a_refused_request_is_sent() {
    an_edit_gets_its_own_chance(&Stack::syncing(), Fault::status(400, "ERR_BAD_REQUEST"));
}

#[test]
fn an_edit_during_the_last_attempt_is_sent() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.max_attempts", Some("1"));
    an_edit_gets_its_own_chance(&stack, Fault::status(500, "ERR_EXCEPTION"));
}

#[test]
fn locked_rows_up_to_max_in_flight_do_not_block_other_users() {
    let stack = Stack::syncing().with_long_timeouts();
    stack.db.set("cometchat.concurrency", Some("2"));
    stack.chat.set_fault(Fault::delay(A_WHILE).times(2));
    let locked = stack.sign_ups(2);
    eventually("both are in flight", || stack.chat.requests().len() == 2);
    let mut locker = lock(&stack, "SELECT FROM cometchat.sync_state FOR UPDATE");
    eventually("both have arrived there", || stack.app().user_count() == 2);

    stack.all_arrive(&stack.sign_ups(20));
    assert!(locked.iter().all(|user| stack.stored(*user).token.is_none()));

    locker.batch_execute("COMMIT").expect("unlock");
    stack.all_arrive(&locked);
    assert_eq!(stack.chat.requests().len(), 22, "once each");
}

#[test]
fn locked_mappings_do_not_block_other_users() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.concurrency", Some("2"));
    let locked = stack.sign_ups(2);
    stack.all_arrive(&locked);
    let mut locker = lock(&stack, "SELECT FROM public.cometchat_users FOR UPDATE");
    for user in &locked {
        stack.change(*user, "raw_user_meta_data = '{\"full_name\": \"Newer\"}'");
    }
    eventually("both edits have arrived there", || {
        locked.iter().all(|user| stack.chat_user(*user)["name"] == "Newer")
    });

    stack.all_arrive(&stack.sign_ups(20));
    assert!(locked.iter().all(|user| !stack.is_settled(*user)));

    locker.batch_execute("COMMIT").expect("unlock");
    locked.iter().for_each(|user| stack.settled(*user));
}

#[test]
fn settings_and_pause_take_effect_while_rows_are_locked() {
    let (stack, ada) = with_ada_in_flight();
    let mut locker = lock(&stack, "SELECT FROM cometchat.sync_state FOR UPDATE");
    eventually("she has arrived there", || stack.app().user_count() == 1);
    stack.all_arrive(&stack.sign_ups(3)); // by now her outcome was to be written

    stack.db.set("cometchat.sync_anonymous", Some("on"));
    stack.all_arrive(&stack.sign_ups(3));
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker has left", || stack.worker().is_none());
    stack.execute("SELECT cometchat.resume()");
    stack.all_arrive(&stack.sign_ups(3));

    locker.batch_execute("COMMIT").expect("unlock");
    stack.all_arrive(&[ada]);
}

#[test]
fn the_worker_is_idle_while_all_rows_are_locked() {
    let stack = Stack::syncing();
    stack.db.set("cometchat.concurrency", Some("1"));
    stack.chat.set_fault(Fault::delay(A_WHILE).times(1));
    let sql = "INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 20)";
    stack.execute(sql);
    eventually("one is in flight", || !stack.chat.requests().is_empty());
    let mut locker = lock(&stack, "SELECT FROM cometchat.sync_state FOR UPDATE");
    eventually("one has arrived there", || stack.app().user_count() >= 1);

    let worker = Process(stack.worker().expect("a worker"));
    let before = worker.cpu_ticks();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let used = worker.cpu_ticks() - before;
    assert!(used < 40, "{used} hundredths of a second in two seconds");

    locker.batch_execute("COMMIT").expect("unlock");
    eventually("all arrive", || {
        let arrived = "SELECT count(cometchat_auth_token) FROM public.cometchat_users";
        stack.value(arrived).as_deref() == Some("20")
    });
}

#[test]
fn a_user_refused_by_an_apps_trigger_is_failed_and_delays_no_other() {
    let stack = Stack::syncing();
    let bad = Uuid::new_v4();
    stack.execute(&format!(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
           IF NEW.user_id = '{bad}' THEN RAISE EXCEPTION 'not this one'; END IF;
           RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON public.cometchat_users
           FOR EACH ROW EXECUTE FUNCTION public.refuse();
         INSERT INTO auth.users (id) VALUES ('{bad}')"
    ));

    stack.all_arrive(&stack.sign_ups(20));

    let failed = "SELECT max(concat_ws(' ', user_id, error_code, error_message))
                  FROM cometchat.failed_users";
    let want = format!("{bad} DATABASE SQLSTATE P0001");
    eventually("she is failed", || stack.value(failed).as_ref() == Some(&want));
}

#[test]
fn a_token_is_kept_until_the_lock_on_the_row_of_auth_users_is_gone() {
    let (stack, ada) = with_ada_in_flight();
    let mut locker = lock(&stack, "SELECT FROM auth.users FOR UPDATE");
    eventually("she has arrived there", || stack.app().user_count() == 1);

    stack.all_arrive(&stack.sign_ups(3)); // whose outcomes are written with or after hers
    assert_eq!(stack.stored(ada).token, None);

    locker.batch_execute("COMMIT").expect("unlock");
    stack.all_arrive(&[ada]);
    assert_eq!(stack.chat.requests().len(), 4, "once each");
}

#[test]
fn process_queue_completes_no_user_without_a_mapping() {
    let stack = Stack::new();
    stack.unpause_all_but_the_worker();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.chat.set_fault(Fault::delay(A_WHILE).times(1));
    let queue = scenarios::blocked_session::BlockedSession::with(
        stack.db.admin(),
        "CALL cometchat.process_queue()",
    );
    eventually("she is in flight", || !stack.chat.requests().is_empty());
    let mut locker = lock(&stack, "SELECT FROM auth.users FOR UPDATE");
    eventually("she has arrived there", || stack.app().user_count() == 1);
    queue.done().result.expect("process_queue");
    assert_eq!(stack.stored(ada).token, None);

    locker.batch_execute("COMMIT").expect("unlock");
    eventually("another call finishes it", || {
        stack.execute("CALL cometchat.process_queue()");
        stack.stored(ada).token.is_some()
    });
}

#[test]
fn a_mapping_made_during_the_request_wins() {
    let (stack, ada) = with_ada_in_flight();
    stack.map(ada, "legacy-42", None);

    eventually("she has a token under that uid", || {
        let stored = stack.stored(ada);
        stored.uid.as_deref() == Some("legacy-42") && stored.token.is_some()
    });
    assert_eq!(Some(stack.app().tokens("legacy-42")), stack.stored(ada).token.map(|t| vec![t]));
}

#[test]
fn a_mapping_in_another_case_than_cometchats_is_the_same_mapping() {
    let stack = Stack::syncing();
    stack.execute("SELECT cometchat.pause()");
    let ada = stack.sign_up("Ada Lovelace");
    stack.map(ada, "Legacy-42", None);
    stack.execute("SELECT cometchat.resume()");

    stack.all_arrive(&[ada]);

    assert_eq!(stack.stored(ada).uid.as_deref(), Some("legacy-42"));
    let open = "SELECT count(*) FROM cometchat.sync_state
                WHERE claim IS NOT NULL OR next_attempt_at IS NOT NULL";
    eventually("nothing is left to do", || stack.value(open).as_deref() == Some("0"));
}

/// Both have sent, and CometChat got the worker's profile last: the call's write must not pass for it.
#[test]
fn a_worker_that_finishes_while_a_call_is_sending_leaves_the_calls_profile() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.enable_auth_trigger()");
    stack.db.set("cometchat.request_timeout", Some("3s"));
    let ada = stack.sign_up("Ada Lovelace");
    // The call's create is done at once, and answered late.
    stack.chat.set_fault(Fault::delay(2000).operation("create_user").perform().times(1));
    let sql = &format!("SELECT public.cometchat_ensure_user('{ada}', 'Countess')");
    let call = BlockedSession::with(stack.db.admin(), sql);
    eventually("the call has sent", || stack.app().user_count() == 1);

    stack.execute("SELECT cometchat.resume()");
    eventually("the worker is done", || stack.stored(ada).token.is_some());
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    let answer = call.done().answer();
    assert!(answer.success(), "{answer:?}");

    eventually("the call's name is there", || stack.chat_user(ada)["name"] == "Countess");
    stack.settled(ada);
    let token = stack.stored(ada).token.expect("a token");
    assert!(stack.app().tokens(&ada.to_string()).contains(&token));
}
