//! `cometchat.reconcile()`: does CometChat's own list agree with ours, and mending where it does not.

use scenarios::{eventually, Stack, NOTHING};
use serde_json::json;
use uuid::Uuid;

/// Users that are in CometChat as they should be.
fn synced(stack: &Stack, names: &[&str]) -> Vec<Uuid> {
    let users: Vec<Uuid> = names.iter().map(|name| stack.sign_up(name)).collect();
    agreed(stack);
    users
}

fn agreed(stack: &Stack) {
    let sql = "SELECT pending FROM cometchat.progress";
    eventually("nothing is pending", || stack.value(sql).as_deref() == Some("0"));
}

/// What it finds: kind, whom, what.
fn findings(stack: &Stack, call: &str) -> Vec<[String; 3]> {
    let sql = format!(
        "SELECT kind, cometchat_uid, detail FROM cometchat.{call} ORDER BY kind, cometchat_uid"
    );
    let rows = stack.db.admin().query(&sql, &[]).expect(&sql);
    rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect()
}

/// Somebody else changes a user in CometChat.
fn change(stack: &Stack, user: Uuid, change: serde_json::Value) {
    let uid = user.to_string();
    let mut fields = stack.chat_user(user);
    assert!(stack.app().delete(&uid));
    fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let known = ["uid", "name", "avatar", "link", "role", "metadata", "tags"];
    fields.as_object_mut().unwrap().retain(|key, _| known.contains(&key.as_str()));
    stack.app().add_user(fields).expect("a user");
}

#[test]
fn nothing_to_say_while_all_agree() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada Lovelace", "Grace Hopper"]);
    stack.enqueue(users[0], &json!({"tags": ["vip"], "link": "https://example.com/ada"}));
    stack.enqueue(users[1], &json!({"metadata": {"team": "navy"}}));
    agreed(&stack);
    assert_eq!(findings(&stack, "reconcile()"), Vec::<[String; 3]>::new());

    // What is still to be sent is no drift.
    stack.execute("SELECT cometchat.pause()");
    stack.change(users[0], r#"raw_user_meta_data = '{"full_name": "Ada King"}'"#);
    assert_eq!(findings(&stack, "reconcile()"), Vec::<[String; 3]>::new());
}

#[test]
fn every_difference_is_found_and_mended() {
    let stack = Stack::syncing();
    let users = synced(&stack, &["Ada Lovelace", "Bob", "Cleo", "Dan", "Eve", "Flo"]);
    let [ada, bob, cleo, dan, eve, flo] = users[..] else { panic!() };
    stack.enqueue(bob, &json!({"avatar": "https://example.com/bob.png", "tags": ["vip"]}));
    stack.change(eve, "banned_until = 'infinity'");
    agreed(&stack);

    change(&stack, ada, json!({"name": "Mallory"}));
    change(&stack, bob, json!({"avatar": "https://example.com/no.png", "tags": ["fake"]}));
    change(&stack, cleo, json!({"metadata": {"@private": {"email": "mallory@example.com"}}}));
    assert!(stack.app().delete(&dan.to_string()));
    assert!(stack.app().reactivate(&eve.to_string()));
    assert!(stack.app().deactivate(&flo.to_string()));
    stack.app().add_user(json!({"uid": "superhero1", "name": "Iron Man"})).unwrap();
    stack.asked();

    let mut expected: Vec<[String; 3]> = [
        ["drifted", &ada.to_string(), "differs in name"],
        ["drifted", &bob.to_string(), "differs in avatar, tags"],
        ["drifted", &cleo.to_string(), "differs in metadata"],
        ["drifted", &eve.to_string(), "active in CometChat, deactivated here"],
        ["missing", &dan.to_string(), "not in CometChat"],
        ["missing", &flo.to_string(), "deactivated in CometChat"],
        ["orphan", "superhero1", "in CometChat, unknown here"],
    ]
    .map(|finding| finding.map(str::to_owned))
    .into();
    expected.sort();
    assert_eq!(findings(&stack, "reconcile()"), expected);
    assert_eq!(stack.asked(), ["list_users"], "looking changes nothing");

    assert_eq!(findings(&stack, "reconcile(true)"), expected);
    agreed(&stack);
    // Whom others deactivated, and whom others made, is theirs to decide.
    expected.retain(|[_, whom, _]| *whom == flo.to_string() || whom == "superhero1");
    assert_eq!(findings(&stack, "reconcile()"), expected);
    assert_eq!(stack.chat_user(ada)["name"], "Ada Lovelace");
    assert_eq!(stack.chat_user(bob)["avatar"], "https://example.com/bob.png");
    assert_eq!(stack.chat_user(dan)["name"], "Dan");
}

#[test]
fn a_list_of_many_pages_is_read_to_its_end() {
    let stack = Stack::syncing();
    let ada = synced(&stack, &["Ada Lovelace"])[0];
    stack.app().seed("guest", 2500).unwrap();
    stack.asked();
    let found = findings(&stack, "reconcile()");
    assert_eq!(found.len(), 2500);
    assert!(found.iter().all(|[kind, whom, _]| kind == "orphan" && *whom != ada.to_string()));
    assert_eq!(stack.asked(), ["list_users"; 3]);
}

#[test]
fn without_an_answer_nothing_is_repaired() {
    let stack = Stack::syncing();
    synced(&stack, &["Ada Lovelace"]);
    stack.chat.set_fault(simulator::Fault::status(500, "ERR_INTERNAL"));
    stack.asked();
    let failed = stack.db.admin().batch_execute("SELECT cometchat.reconcile(true)").unwrap_err();
    assert_eq!(
        failed.as_db_error().unwrap().message(),
        "CometChat answered with an error: ERR_INTERNAL"
    );
    assert_ne!(stack.asked(), NOTHING);
    agreed(&stack);
}

#[test]
fn a_list_that_hangs_is_given_up_before_the_statement_is() {
    let stack = Stack::new();
    stack.chat.set_fault(simulator::Fault::new(simulator::FaultKind::HangBeforeHeader));
    let mut admin = stack.db.admin();
    admin
        .batch_execute("SET statement_timeout = '1s'; SET cometchat.request_timeout = '20s'")
        .expect("set");
    // On a machine that stalls, the statement's own timer may win for once.
    eventually("our own error", || {
        let failed = admin.batch_execute("SELECT cometchat.reconcile()").unwrap_err();
        failed.as_db_error().unwrap().message() == "CometChat did not answer in time"
    });
}
