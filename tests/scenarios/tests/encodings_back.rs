//! Databases that are not UTF-8: what CometChat says, and what operators ask.

use scenarios::{eventually, in_each_encoding, Encoding, Reader, Stack};
use serde_json::json;
use simulator::Fault;
use uuid::Uuid;

in_each_encoding! {
    what_cometchat_says_is_stored_as_far_as_the_encoding_has_it,
    what_others_wrote_in_cometchat_is_kept_by_an_adoption,
    what_operators_call_works_with_names_of_all_kinds,
}

const SAID: &str = "No \u{1F600} for é, 日本 and “ü”";

fn says(status: u16, code: &str) -> Fault {
    let body = json!({"error": {"code": code, "message": SAID}});
    Fault::raw(status, "application/json", &body.to_string())
}

fn wake(stack: &Stack) {
    stack.execute("SELECT cometchat.enable_auth_trigger(), cometchat.resume()");
}

#[track_caller]
fn arrives(stack: &Stack, user: Uuid) {
    eventually("the user arrives", || stack.stored(user).token.is_some());
}

fn what_cometchat_says_is_stored_as_far_as_the_encoding_has_it(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    wake(&stack);
    stack.chat.set_fault(says(400, "ERR_BAD_REQUEST"));
    let ada = stack.sign_up("Ada Lovelace");
    let message = "SELECT error_message FROM cometchat.failed_users";
    eventually("the worker gives up", || stack.value(message).is_some());

    assert_eq!(stack.value(message), Some(encoding.stored(SAID)));
    assert_eq!(stack.session(ada).ensure(None, None, None).code(), "API_ERROR");
    stack.chat.clear_faults();
    stack.chat.set_fault(says(429, "ERR_TOO_MANY_REQUESTS").times(1));
    stack.execute("SELECT cometchat.retry_failed()");
    arrives(&stack, ada);
}

fn what_others_wrote_in_cometchat_is_kept_by_an_adoption(encoding: Encoding) {
    let stack = Stack::in_encoding(encoding);
    let ada = stack.sign_up_with("ada@example.com", json!({}));
    let there = json!({"uid": ada.to_string(), "name": SAID, "tags": [SAID],
                       "metadata": {SAID: [SAID], "@private": {"note": SAID}}});
    stack.app().add_user(there).expect("a user");

    stack.session(ada).ensure(None, None, None).token();

    let is_kept = || {
        let there = stack.chat_user(ada);
        assert_eq!(there["tags"], json!([SAID]));
        let private = json!({"note": SAID, "email": "ada@example.com"});
        assert_eq!(there["metadata"], json!({SAID: [SAID], "@private": private}));
    };
    is_kept();
    assert_eq!(stack.chat_user(ada)["name"], SAID);
    // Nobody's drift either, though the database could not even store it.
    assert_eq!(stack.value("SELECT count(*) FROM cometchat.reconcile()").as_deref(), Some("0"));
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Ada"}'"#);
    stack.session(ada).ensure(None, None, None).token();
    is_kept();
    assert_eq!(stack.chat_user(ada)["name"], "Ada");
}

fn what_operators_call_works_with_names_of_all_kinds(encoding: Encoding) {
    let (stack, mut reader) = (Stack::in_encoding(encoding), Reader::of(encoding));
    stack.unpause_all_but_the_worker();
    let known = encoding.known();
    let sql = "INSERT INTO auth.users (id, email, raw_user_meta_data)
               VALUES ($1, concat('u', $2::text, '@example.com'), jsonb_build_object(
                 'full_name', convert_from($3::bytea, getdatabaseencoding())))";
    let mut admin = stack.db.admin();
    let mut users = Vec::new();
    for (bytes, says) in &known {
        users.push((Uuid::new_v4(), reader.name(bytes).unwrap_or_default()));
        assert_eq!(users[users.len() - 1].1, says.replace('\u{A0}', " "));
        let (user, _) = users[users.len() - 1];
        admin.execute(sql, &[&user, &user.to_string(), bytes]).expect(sql);
    }
    let names_are_there = || {
        for (user, name) in &users {
            assert_eq!(stack.chat_user(user)["name"], json!(name));
        }
    };
    let count = Some(users.len().to_string());
    assert_eq!(stack.value("SELECT cometchat.backfill()"), count);
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    names_are_there();

    let (user, name) = &users[0];
    let uid = user.to_string();
    assert!(stack.app().delete(&uid));
    let renamed = json!({"uid": uid, "name": SAID, "metadata":
                         {"@private": {"email": format!("u{uid}@example.com")}}});
    stack.app().add_user(renamed).expect("a user");
    stack.app().add_user(json!({"uid": "stranger", "name": SAID})).expect("a user");
    let found = "SELECT string_agg(concat(kind, ' ', detail), '; ' ORDER BY kind)
                 FROM cometchat.reconcile(true)";
    let want = "drifted differs in name; orphan in CometChat, unknown here";
    assert_eq!(stack.value(found).as_deref(), Some(want), "{name}");
    admin.batch_execute("CALL cometchat.process_queue()").expect("process_queue");
    names_are_there();

    assert_eq!(stack.value("SELECT synced FROM cometchat.progress"), count);
    assert!(stack.value("SELECT requests FROM cometchat.stats").is_some());
    let mut service = stack.service();
    let token = service.refresh(Some(*user)).token();
    assert!(service.revoke(Some(*user)).success());
    assert_ne!(service.ensure(Some(*user), None, None).token(), token);
    let health = "SELECT h.check_name FROM cometchat.health() AS h
                  WHERE h.ok AND h.check_name IN ('configuration', 'API key', 'failed users')";
    assert_eq!(admin.query(health, &[]).expect(health).len(), 3);
    stack.chat.set_fault(says(401, "AUTH_ERR_APIKEY_NOT_FOUND"));
    assert_eq!(admin.query(health, &[]).expect(health).len(), 2);
}
