//! The backlog is created fifty users at a time, by CometChat's import, and what single requests would
//! leave behind is left behind; but for the token.

use std::time::Duration;

use scenarios::backlog::{backlog_of, imports, of_operation, on_the_build_plan, users_of};
use scenarios::{eventually, within, Stack};
use serde_json::{json, Value};
use simulator::{Fault, Filter, Limits};
use uuid::Uuid;

#[test]
fn a_thousand_users_arrive_in_twenty_requests() {
    let stack = backlog_of(on_the_build_plan(), 1000).sync();
    within(Duration::from_secs(60), "all are in CometChat", || arrived(&stack) == 1000);
    assert_eq!(imports(&stack).len(), 20);
    let rows: Vec<usize> = imports(&stack)
        .iter()
        .map(|r| r.body["users"].as_object().map_or(0, |u| u.len()))
        .collect();
    assert!(rows.iter().all(|rows| *rows == 50), "{rows:?}");
    assert_eq!(of_operation(&stack, "create_user"), 0);
    assert_eq!(of_operation(&stack, "create_token"), 0, "for people who may never come");
    assert_eq!(stack.value("SELECT synced FROM cometchat.progress").as_deref(), Some("1000"));
    let imported = "SELECT requests FROM cometchat.stats_requests
                    WHERE class = 'import' AND outcome = 'ok'";
    assert_eq!(stack.value(imported).as_deref(), Some("20"));
}

fn arrived(stack: &Stack) -> usize {
    let sql = "SELECT count(*) FROM cometchat.sync_state AS s
               JOIN public.cometchat_users AS u USING (user_id)
               WHERE s.sent_profile IS NOT NULL AND s.next_attempt_at IS NULL
                 AND s.wanted_revision = s.synced_revision AND s.claim IS NULL";
    let arrived = stack.value(sql).and_then(|n| n.parse().ok()).expect("a number");
    assert!(arrived <= stack.app().user_count());
    arrived
}

/// Twelve users of whom each has something else in the profile.
fn all_sorts(stack: &Stack) -> Vec<Uuid> {
    let users: Vec<Uuid> = (0..12)
        .map(|n| {
            let metadata = json!({
                "full_name": format!("Zoë O'Hara {n}"),
                "avatar_url": format!("https://example.com/{n}.png"),
            });
            stack.sign_up_with(&format!("zoe{n}@example.com"), metadata)
        })
        .collect();
    let nameless = stack.sign_up_with("nobody@example.com", json!({}));
    users.into_iter().chain([nameless]).collect()
}

/// Of users whose ids differ between two databases: what CometChat and we have, without what tells them
/// apart.
fn left_behind(stack: &Stack, users: &[Uuid]) -> Vec<(Value, Value)> {
    let state = |user: &Uuid| {
        let sql = format!(
            "SELECT to_jsonb(s) - '{{user_id, cometchat_uid, recent_attempts}}'::text[]
                    || jsonb_build_object('mapped', u.cometchat_uid = s.user_id::text,
                                          'attempts', jsonb_array_length(s.recent_attempts),
                                          'uid', s.cometchat_uid = s.user_id::text)
             FROM cometchat.sync_state AS s JOIN public.cometchat_users AS u USING (user_id)
             WHERE s.user_id = '{user}'"
        );
        serde_json::from_str(&stack.value(&sql).expect("a row")).expect("json")
    };
    let theirs = |user: &Uuid| {
        let mut known = stack.chat_user(user);
        let name = known["name"].as_str().unwrap_or_default().replace(&user.to_string()[..8], "ID");
        known["name"] = json!(name);
        for one in ["uid", "createdAt"] {
            known.as_object_mut().expect("an object").remove(one);
        }
        known
    };
    users.iter().map(|user| (state(user), theirs(user))).collect()
}

#[test]
fn what_it_leaves_behind_is_what_single_requests_leave() {
    let [together, singly] = ["on", "off"].map(|setting| {
        let stack = on_the_build_plan();
        stack.db.set("cometchat.bulk_import", Some(setting));
        let users = all_sorts(&stack);
        stack.enqueue(users[0], &json!({ "tags": ["vip"], "link": "https://example.com/z" }));
        stack.enqueue(users[1], &json!({ "metadata": { "plan": "gold" } }));
        stack.execute(
            "UPDATE cometchat.sync_state SET next_attempt_at = NULL WHERE true;
             SELECT cometchat.backfill()",
        );
        let stack = stack.sync();
        eventually("all are in CometChat", || arrived(&stack) == users.len());
        assert_eq!(imports(&stack).len(), usize::from(setting == "on"));
        let tokens = users.iter().filter(|user| stack.stored(**user).token.is_some()).count();
        assert_eq!(tokens, if setting == "on" { 0 } else { users.len() });
        left_behind(&stack, &users)
    });
    assert_eq!(together, singly);
    let email = &together[0].1["metadata"]["@private"]["email"];
    assert_eq!(email, "zoe0@example.com");
}

#[test]
fn whoever_comes_gets_a_token_and_an_edit_arrives() {
    let stack = backlog_of(on_the_build_plan(), 20).sync();
    eventually("all are in CometChat", || arrived(&stack) == 20);
    assert_eq!(imports(&stack).len(), 1);
    let user: Uuid =
        stack.value("SELECT max(id::text) FROM auth.users").expect("a user").parse().unwrap();
    stack.session(user).ensure(None, None, None).token();
    assert_eq!(of_operation(&stack, "create_user"), 0);
    stack.change(user, r#"raw_user_meta_data = '{"full_name": "Edited"}'"#);
    eventually("the edit arrives", || stack.chat_user(user)["name"] == "Edited");
    stack.execute("SELECT cometchat.backfill()");
    let waiting = "SELECT count(*) FROM cometchat.sync_state WHERE next_attempt_at IS NOT NULL";
    assert_eq!(stack.value(waiting).as_deref(), Some("0"), "nobody is missing");
}

#[test]
fn users_whom_cometchat_has_are_adopted() {
    for keeps in [false, true] {
        let stack = backlog_of(on_the_build_plan(), 60);
        let mut known = users_of(&stack);
        known.truncate(8);
        for user in &known {
            let theirs =
                json!({ "uid": user.to_string(), "name": "Theirs", "metadata": { "x": 1 } });
            stack.app().add_user(theirs).expect("a user");
        }
        assert!(stack.app().deactivate(&known[7].to_string()));
        stack.chat.update(|settings| settings.import_keeps = keeps);
        stack.execute(
            r#"UPDATE auth.users SET raw_user_meta_data = '{"full_name": "Ours"}', email = id || '@y.zz'
               WHERE true"#,
        );
        let stack = stack.sync();
        eventually("all are in CometChat", || arrived(&stack) == 59);
        for user in &known[..7] {
            let adopted = stack.chat_user(user);
            assert_eq!(adopted["name"], "Ours");
            let private = json!({ "email": format!("{user}@y.zz") });
            assert_eq!(adopted["metadata"], json!({ "x": 1, "@private": private }));
        }
        assert_eq!(stack.app().user_count(), 60);
        let failed = "SELECT user_id || ' ' || error_code FROM cometchat.failed_users";
        let want = format!("{} USER_DEACTIVATED", known[7]);
        assert_eq!(stack.value(failed), Some(want), "by others: that stands");
        let asked: Vec<_> = imports(&stack);
        assert!(asked.len() <= 2, "nobody is imported twice: {}", asked.len());
    }
}

#[test]
fn a_row_that_is_refused_is_that_users_alone() {
    let stack = backlog_of(on_the_build_plan(), 50);
    let users = users_of(&stack);
    stack.chat.update(|settings| {
        let told = [
            (users[0], "ERR_BAD_REQUEST"),
            (users[1], "ERR_EXCEPTION"),
            (users[2], "ERR_IMPORT_INVALID_USER_FORMAT"),
            (users[3], ""),
        ];
        settings.import_rows = told.map(|(user, code)| (user.to_string(), code.into())).into();
    });
    let stack = stack.sync();
    eventually("all others are in CometChat", || arrived(&stack) == 49);
    let failed = "SELECT string_agg(user_id || ' ' || error_code, ',') FROM cometchat.failed_users";
    assert_eq!(stack.value(failed), Some(format!("{} ERR_BAD_REQUEST", users[0])));
    assert_eq!(imports(&stack).len(), 1, "the others went singly");
    assert_eq!(of_operation(&stack, "create_user"), 3);
    stack.chat.update(|settings| settings.import_rows.clear());
    stack.execute(&format!("SELECT cometchat.retry_failed('{}')", users[0]));
    eventually("so is that one", || arrived(&stack) == 50);
}

#[test]
fn banned_deleted_and_passed_over_users_and_those_with_a_status_message_stay_out_of_it() {
    let stack = backlog_of(on_the_build_plan(), 30);
    let users = users_of(&stack);
    stack.execute(&format!(
        "UPDATE auth.users SET banned_until = 'infinity' WHERE id = '{}';
         UPDATE auth.users SET is_anonymous = true WHERE id = '{}';
         DELETE FROM auth.users WHERE id = '{}';
         SELECT cometchat.enqueue('{}', '{{\"statusMessage\": \"hello\"}}');
         UPDATE cometchat.sync_state SET backlog = true WHERE true",
        users[0], users[1], users[2], users[3]
    ));
    let stack = stack.sync();
    eventually("all others are in CometChat", || arrived(&stack) == 27);
    let imported: Vec<String> = imports(&stack)
        .iter()
        .flat_map(|r| {
            r.body["users"].as_object().expect("users").keys().cloned().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(imported.len(), 26);
    for user in &users[..4] {
        assert!(!imported.contains(&user.to_string()));
    }
    assert_eq!(stack.chat_user(users[3])["statusMessage"], "hello");
    for user in &users[..3] {
        assert!(stack.app().user(&user.to_string()).is_none());
    }
}

#[test]
fn a_few_go_singly_and_have_their_token_at_once() {
    let stack = backlog_of(on_the_build_plan(), 9).sync();
    stack.all_arrive(&users_of(&stack));
    assert_eq!(imports(&stack).len(), 0);
    assert_eq!(of_operation(&stack, "create_user"), 9);
}

#[test]
fn switched_off_it_is_never_asked_for() {
    let stack = on_the_build_plan();
    stack.db.set("cometchat.bulk_import", Some("off"));
    let stack = backlog_of(stack, 40).sync();
    eventually("all are in CometChat", || arrived(&stack) == 40);
    assert_eq!((imports(&stack).len(), of_operation(&stack, "create_user")), (0, 40));
}

#[test]
fn a_single_thread_is_kept_for_people() {
    let stack = on_the_build_plan();
    stack.db.set("cometchat.concurrency", Some("1"));
    let stack = backlog_of(stack, 20).sync();
    eventually("all are in CometChat", || arrived(&stack) == 20);
    assert_eq!(imports(&stack).len(), 0);
}

#[test]
fn where_single_requests_are_plenty_both_ways_are_taken() {
    let stack = on_the_build_plan();
    stack.db.set("cometchat.rate_limit", Some("10000"));
    stack.chat.set_limits(Limits::paid_plan());
    stack.chat.set_fault(Fault::delay(100).operation("import_users"));
    let stack = backlog_of(stack, 600).sync();
    eventually("all are in CometChat", || arrived(&stack) == 600);
    assert!(!imports(&stack).is_empty());
    assert!(of_operation(&stack, "create_user") > 100);
}

#[test]
fn a_sign_up_during_a_large_import_goes_first() {
    let stack = on_the_build_plan();
    stack.chat.set_fault(Fault::delay(400).operation("import_users"));
    let stack = backlog_of(stack, 1000).sync();
    eventually("the import goes on", || imports(&stack).len() >= 2);
    for n in 0..3 {
        let new = stack.sign_up(&format!("New {n}"));
        stack.settled(new);
        stack.session(new).ensure(None, None, None).token();
    }
    assert!(arrived(&stack) < 900, "{} have arrived", arrived(&stack));
    let first = Filter { operation: Some("create_user".into()), ..Filter::default() };
    assert_eq!(stack.chat.requests_where(&first).len(), 3, "the backlog leaves these to people");
}
