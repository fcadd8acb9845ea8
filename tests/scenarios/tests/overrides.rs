//! Overrides by `cometchat.enqueue`: they win until they are taken back.

use scenarios::{Stack, NOTHING};
use serde_json::json;

#[test]
fn overrides_win_over_everything_else_and_hold() {
    let (stack, ada) = Stack::with_ada();
    stack.chat.update(|settings| settings.roles.push("host".into()));
    let profile = json!({
        "name": "Countess", "avatar": "https://a.example/o.png", "link": "https://a.example/me",
        "role": "host", "tags": ["vip"], "metadata": {"plan": "pro"}
    });
    stack.enqueue(ada, &profile);
    assert_eq!(stack.asked(), NOTHING, "enqueue itself sends nothing");

    stack.session(ada).ensure(None, Some("Argument"), None).token();

    assert_eq!(stack.asked(), ["get_user", "update_user"]);
    let there = stack.chat_user(ada);
    for key in ["name", "avatar", "link", "role", "tags"] {
        assert_eq!(there[key], profile[key], "{key}");
    }
    let email = json!({"email": "ada.lovelace@example.com"});
    assert_eq!(there["metadata"], json!({"plan": "pro", "@private": email}));
    stack.change(ada, r#"raw_user_meta_data = '{"full_name": "Ada King"}'"#);
    stack.session(ada).ensure(None, None, None).token();
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn null_takes_an_override_back_and_leaves_the_others() {
    let (stack, ada) = Stack::with_ada();
    stack.chat.update(|settings| settings.roles.push("host".into()));
    let avatar = "https://a.example/o.png";
    stack.enqueue(
        ada,
        &json!({"name": "Countess", "avatar": avatar, "link": avatar, "role": "host"}),
    );
    stack.session(ada).ensure(None, None, None).token();
    stack.asked();

    stack.enqueue(ada, &json!({"name": null, "avatar": null, "link": null}));
    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.chat.take_requests()[0].body["unset"], json!(["avatar", "link"]));
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Ada Lovelace");
    assert_eq!((there.get("avatar"), there.get("link")), (None, None));
    assert_eq!(there["role"], "host");
}

#[test]
fn one_override_of_several_can_be_changed() {
    let (stack, ada) = Stack::with_ada();
    stack.enqueue(ada, &json!({"name": "Countess", "link": "https://a.example/me"}));
    stack.enqueue(ada, &json!({"name": "Enchantress"}));

    stack.session(ada).ensure(None, None, None).token();

    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Enchantress");
    assert_eq!(there["link"], "https://a.example/me");
}

#[test]
fn overrides_may_come_before_the_user_is_in_cometchat() {
    let stack = Stack::new();
    let ada = stack.sign_up("Ada Lovelace");
    stack.enqueue(
        ada,
        &json!({"name": "Countess", "metadata": {"@private": {"contactNumber": "+44"}}}),
    );

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), ["create_user"]);
    let there = stack.chat_user(ada);
    assert_eq!(there["name"], "Countess");
    let private = json!({"contactNumber": "+44", "email": "ada.lovelace@example.com"});
    assert_eq!(there["metadata"], json!({"@private": private}));
}

/// `unset` of CometChat's API knows no status message: what was there stays until another is set.
#[test]
fn a_status_message_is_set_changed_and_left_when_its_override_ends() {
    let (stack, ada) = Stack::with_ada();
    let login = || stack.session(ada).ensure(None, None, None).token();
    let shown = || stack.chat_user(ada)["statusMessage"].clone();

    for text in ["on holiday", "back on Monday"] {
        stack.enqueue(ada, &json!({"statusMessage": text}));
        login();
        let sent = stack.chat.take_requests();
        assert_eq!(sent.len(), 1, "one request");
        assert_eq!(sent[0].body["statusMessage"], json!(text));
        assert_eq!(shown(), json!(text));
        login();
        assert_eq!(stack.asked(), NOTHING, "{text} is known");
    }

    stack.enqueue(ada, &json!({"statusMessage": null}));
    login();
    let sent = stack.chat.take_requests();
    assert!(sent.iter().all(|r| r.body.get("statusMessage").is_none()), "nothing to say");
    assert!(sent.iter().all(|r| r.body.get("unset").is_none()), "CometChat could not");
    assert_eq!(shown(), json!("back on Monday"));
    login();
    assert_eq!(stack.asked(), NOTHING);
}

/// Their hash is what it was before there was such a field.
#[test]
fn users_without_a_status_message_are_not_sent_again() {
    let stack = Stack::new();
    let users = [stack.sign_up("Ada Lovelace"), stack.sign_up("Grace Hopper")];
    stack.enqueue(users[1], &json!({"statusMessage": "at sea", "link": "https://a.example/g"}));
    for user in users {
        stack.session(user).ensure(None, None, None).token();
    }
    assert_eq!(stack.chat_user(users[1])["statusMessage"], "at sea", "from the first request on");
    assert_eq!(stack.asked(), ["create_user", "create_user"]);
    // As the first release would have stored it: ["Ada Lovelace", null, null, null, null].
    let hash = "SELECT sent_profile = left(encode(sha256('[\"Ada Lovelace\",null,null,null,null]'), 'hex'), 32)
                FROM cometchat.sync_state WHERE user_id = ";
    let same = |user| stack.value(&format!("{hash} '{user}'"));
    assert_eq!(same(users[0]).as_deref(), Some("true"));
    assert_eq!(same(users[1]).as_deref(), Some("false"));
}

#[test]
fn what_is_no_profile_is_refused() {
    let (stack, ada) = Stack::with_ada();
    let mut service = stack.service();
    for profile in ["[]", "\"name\"", "42", "{\"nmae\": \"x\"}", "{\"uid\": \"x\"}"] {
        let sql = format!("SELECT cometchat.enqueue('{ada}', '{profile}')");
        assert_eq!(service.sqlstate(&sql), "22023", "{profile}");
    }
    assert_eq!(service.sqlstate("SELECT cometchat.enqueue(NULL)"), "22004");
    let as_client = format!("SELECT cometchat.enqueue('{ada}')");
    assert_eq!(stack.session(ada).sqlstate(&as_client), "42501");
    assert!(stack.session(ada).ensure(None, None, None).success());
    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn values_of_the_wrong_kind_that_are_stored_count_as_absent() {
    let (stack, ada) = Stack::with_ada();
    // By hand: enqueue() refuses them.
    stack.execute(
        r#"UPDATE cometchat.sync_state SET overrides =
             '{"name": 42, "avatar": "http://a.example/", "link": {}, "role": [], "tags": "vip",
               "metadata": []}' WHERE true"#,
    );

    stack.session(ada).ensure(None, None, None).token();

    assert_eq!(stack.asked(), NOTHING);
}

#[test]
fn a_refused_profile_does_not_block_an_existing_users_login() {
    let (stack, ada) = Stack::with_ada();
    let token = stack.stored(ada).token.unwrap();
    stack.enqueue(ada, &json!({"role": "no-such-role"}));
    assert_eq!(stack.session(ada).ensure(None, None, None).token(), token);
    stack.session(ada).revoke(None);
    assert_ne!(stack.session(ada).ensure(None, None, None).token(), token);

    let bob = stack.sign_up("Bob");
    stack.enqueue(bob, &json!({"role": "no-such-role"}));
    let answer = stack.session(bob).ensure(None, None, None);
    assert_eq!(answer.error(), "CometChat answered with an error: ERR_ROLE_NOT_FOUND");
    assert_eq!(stack.stored(bob).uid, None);
}
