//! A copy of a database is not the original: it sends nothing until an operator says so.

use scenarios::health::{fails, run_hint};
use scenarios::{eventually, Stack};

const REASON: &str = "SELECT paused_reason FROM cometchat.progress";

/// A database that sends, and knows it.
fn original() -> Stack {
    let stack = Stack::syncing();
    let ada = stack.sign_up("Ada Lovelace");
    stack.settled(ada);
    let home = "SELECT count(*) FROM cometchat.home";
    assert_eq!(stack.value(home).as_deref(), Some("1"));
    assert_eq!(stack.value(REASON), None);
    stack
}

/// What a restore elsewhere brings along.
const ELSEWHERE: &str = "UPDATE cometchat.home SET system_identifier = 4711 WHERE true";

#[test]
fn a_copy_does_not_send_until_it_is_resumed() {
    let stack = original();
    for elsewhere in [ELSEWHERE, "UPDATE cometchat.home SET database = 4711 WHERE true"] {
        stack.execute(elsewhere);
        let before = stack.asked().len();
        let deleted = stack.sign_up("Bob");
        stack.execute(&format!("DELETE FROM auth.users WHERE id = '{deleted}'"));
        eventually("the worker leaves", || stack.worker().is_none());
        assert_eq!(stack.value(REASON).as_deref(), Some("COPY"));
        assert_eq!(stack.asked().len(), 0, "after {before} before");
        let said = fails(&stack.db, "a copy", "sending");
        assert_eq!(said.detail, "this database is a copy of the one that sends");
        run_hint(&stack.db, &said.hint);
        eventually("the worker sends", || {
            stack.value("SELECT pending FROM cometchat.progress").as_deref() == Some("0")
        });
        assert_eq!(stack.value(REASON), None);
    }
}

#[test]
fn process_queue_does_not_send_in_a_copy_either() {
    let stack = Stack::new();
    stack.execute("SELECT cometchat.settle_here()");
    stack.unpause_all_but_the_worker();
    stack.execute(ELSEWHERE);
    let ada = stack.sign_up("Ada Lovelace");
    stack.execute(&format!("SELECT cometchat.enqueue('{ada}')"));
    let mut service = stack.service();
    service.execute("CALL cometchat.process_queue()");
    assert_eq!(stack.asked(), scenarios::NOTHING);
    let result = "SELECT process_queue_result FROM cometchat.control";
    assert_eq!(stack.value(result).as_deref(), Some("paused"));
}

#[test]
fn a_template_copy_knows_that_it_is_one() {
    let stack = original();
    stack.execute("SELECT cometchat.pause()");
    eventually("the worker leaves", || stack.worker().is_none());
    let copy = format!("{}_copy", stack.db.name());
    let admin = |sql: &str| stack.db.cluster().admin("postgres").batch_execute(sql).expect(sql);
    admin(&format!("CREATE DATABASE {copy} TEMPLATE {}", stack.db.name()));
    let mut there = stack.db.cluster().admin(&copy);
    let is_copy: bool = there.query_one("SELECT cometchat.is_copy()", &[]).expect("is_copy").get(0);
    assert!(is_copy);
    drop(there);
    admin(&format!("DROP DATABASE {copy} WITH (FORCE)"));
    assert_eq!(stack.value("SELECT cometchat.is_copy()").as_deref(), Some("false"));
}

#[test]
fn a_copy_of_a_paused_database_that_never_sent_is_a_copy() {
    let stack = Stack::new();
    stack.execute("DELETE FROM cometchat.home WHERE true");
    stack.execute("SELECT cometchat.resume(), cometchat.pause()");
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.home").as_deref(), Some("1"));
    stack.execute(ELSEWHERE);
    stack.execute("UPDATE cometchat.control SET paused = false WHERE true"); // as if it were not paused
    assert_eq!(stack.value(REASON).as_deref(), Some("COPY"));
}
