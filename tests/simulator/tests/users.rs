//! Creating, reading and changing users.

mod common;

use common::{call, get};
use serde_json::{json, Value};
use simulator::{MetadataOnPut, Simulator};

fn with_ann() -> Simulator {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann" })).unwrap();
    sim
}

#[test]
fn creating_a_user_answers_200_with_the_user_and_its_defaults() {
    let sim = Simulator::start();
    let user = call(&sim, "POST", "/users", json!({ "uid": "Ann_1", "name": "Ann" })).data();
    assert_eq!(user["uid"], "ann_1");
    assert_eq!(user["role"], "default");
    assert_eq!(user["status"], "offline");
    assert_eq!(user["createdAt"].to_string().len(), 10);
    assert_eq!(user.get("avatar"), None);
    assert_eq!(user.get("updatedAt"), None);
    assert_eq!(user.get("authToken"), None);
}

#[test]
fn with_auth_token_puts_a_token_inside_the_user() {
    let sim = Simulator::start();
    let body = json!({ "uid": "ann", "name": "Ann", "withAuthToken": true });
    let user = call(&sim, "POST", "/users", body).data();
    assert_eq!(json!([user["authToken"]]), json!(sim.tokens("ann")));
}

#[test]
fn all_fields_come_back() {
    let sim = Simulator::builder().role("manager").start().unwrap();
    let body = json!({
        "uid": "ann", "name": "Ann", "avatar": "https://x.test/a.png", "link": "https://x.test",
        "role": "Manager", "statusMessage": "hi", "tags": ["a", "b"],
        "metadata": { "@private": { "email": "a@x.test" } },
    });
    let created = call(&sim, "POST", "/users", body.clone()).data();
    let read = get(&sim, "/users/ANN").data();
    assert_eq!(created, read);
    for field in ["name", "avatar", "link", "statusMessage", "tags", "metadata"] {
        assert_eq!(read[field], body[field]);
    }
    assert_eq!(read["role"], "manager");
}

#[test]
fn a_taken_uid_is_400_or_by_switch_409_and_deactivated_users_keep_theirs() {
    let sim = with_ann();
    let again = json!({ "uid": "ANN", "name": "Other" });
    let refused = call(&sim, "POST", "/users", again.clone());
    assert_eq!(refused.refusal(), (400, "ERR_UID_ALREADY_EXISTS".into()));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("uid ann already"));
    sim.deactivate("ann");
    sim.update(|settings| settings.duplicate_status = 409);
    let refused = call(&sim, "POST", "/users", again.clone());
    assert_eq!(refused.refusal(), (409, "ERR_UID_ALREADY_EXISTS".into()));
    sim.delete("ann");
    assert_eq!(call(&sim, "POST", "/users", again).status, 200);
}

#[test]
fn the_error_envelope_has_message_source_code_and_details_on_validation_only() {
    let sim = Simulator::start();
    let error = call(&sim, "POST", "/users", json!({})).json()["error"].clone();
    assert_eq!(error["code"], "ERR_BAD_REQUEST");
    assert_eq!(error["source"], "chat-api");
    assert_eq!(error["message"], "Failed to validate the data sent with the request.");
    assert_eq!(
        error["details"],
        json!({ "uid": ["The uid field is required."], "name": ["The name field is required."] })
    );
    let error = get(&sim, "/users/none").json()["error"].clone();
    assert_eq!(error["code"], "ERR_UID_NOT_FOUND");
    assert_eq!(error.get("details"), None);
}

#[test]
fn bad_fields_are_400_with_details() {
    let sim = Simulator::start();
    let long = |n: usize| "x".repeat(n);
    let cases: Vec<(Value, &str)> = vec![
        (json!({ "uid": "a b" }), "uid"),
        (json!({ "uid": "a@b" }), "uid"),
        (json!({ "uid": long(101) }), "uid"),
        (json!({ "uid": 7 }), "uid"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": long(101) }), "name"),
        (json!({ "name": "😀".repeat(51) }), "name"),
        (json!({ "name": null }), "name"),
        (json!({ "avatar": "no url" }), "avatar"),
        (json!({ "avatar": format!("https://x.test/{}", long(3000)) }), "avatar"),
        (json!({ "link": "https://" }), "link"),
        (json!({ "metadata": "text" }), "metadata"),
        (json!({ "metadata": { "a": long(5200) } }), "metadata"),
        (json!({ "tags": vec!["t"; 26] }), "tags"),
        (json!({ "tags": ["ok", long(101)] }), "tags.1"),
        (json!({ "tags": [" "] }), "tags.0"),
        (json!({ "withAuthToken": "yes" }), "withAuthToken"),
        (json!({ "statusMessage": 1 }), "statusMessage"),
    ];
    for (change, field) in cases {
        let mut body = json!({ "uid": "ok", "name": "Ok" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = call(&sim, "POST", "/users", body);
        assert_eq!(refused.refusal(), (400, "ERR_BAD_REQUEST".into()), "{change}");
        assert_ne!(refused.detail(field), "", "{change}: {}", refused.text());
    }
    assert_eq!(sim.user_count(), 0);
}

#[test]
fn what_is_just_within_the_limits_passes() {
    let sim = Simulator::start();
    let body = json!({
        "uid": "U".repeat(100), "name": "😀".repeat(50), "tags": vec!["t".repeat(100); 25],
        "metadata": { "a": "x".repeat(5000) }, "avatar": null,
    });
    assert_eq!(call(&sim, "POST", "/users", body).status, 200);
}

#[test]
fn bodies_over_10_kb_or_not_json_are_400() {
    let sim = Simulator::start();
    let body = json!({ "uid": "ann", "name": "Ann", "other": "x".repeat(10_240) });
    assert_ne!(call(&sim, "POST", "/users", body).detail("body"), "");
    let headers = [("apikey", simulator::DEV_API_KEY)];
    let broken = common::send(&sim, "POST", "/v3/users", &headers, "{\"uid\":");
    assert_eq!(broken.refusal(), (400, "ERR_BAD_REQUEST".into()));
    let text = format!(
        "POST /v3/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\napikey: {}\r\n\
         Content-Length: 24\r\n\r\n{{\"uid\":\"a\",\"name\":\"Ann\"}}",
        simulator::DEV_API_KEY
    );
    let patience = std::time::Duration::from_secs(5);
    let untyped = common::exchange(sim.port(), text.as_bytes(), patience, usize::MAX);
    assert!(untyped.detail("body").contains("Content-Type"));
}

#[test]
fn an_unknown_role_is_404() {
    let sim = with_ann();
    let body = json!({ "uid": "bob", "name": "Bob", "role": "boss" });
    let refusal = (404, "ERR_ROLE_NOT_FOUND".to_owned());
    assert_eq!(call(&sim, "POST", "/users", body.clone()).refusal(), refusal);
    assert_eq!(call(&sim, "PUT", "/users/ann", json!({ "role": "boss" })).refusal(), refusal);
    sim.update(|settings| settings.roles.push("boss".into()));
    assert_eq!(call(&sim, "POST", "/users", body).data()["role"], "boss");
}

#[test]
fn an_update_changes_only_what_it_names() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann", "link": "https://x.test", "tags": ["a"] }))
        .unwrap();
    let user = call(&sim, "PUT", "/users/ann", json!({ "name": "Anna" })).data();
    assert_eq!(user["name"], "Anna");
    assert_eq!(user["link"], "https://x.test");
    assert_eq!(user["tags"], json!(["a"]));
    assert_eq!(user["updatedAt"].to_string().len(), 10);
    let refused = call(&sim, "PUT", "/users/ann", json!({ "name": "", "avatar": "nope" }));
    assert_eq!(refused.detail("name"), "The name field must have a value.");
    assert_eq!(refused.detail("avatar"), "The avatar must be a valid URL.");
}

#[test]
fn unset_clears_avatar_link_and_metadata_and_nothing_else() {
    let sim = Simulator::start();
    let user = json!({
        "uid": "ann", "name": "Ann", "link": "https://x.test", "avatar": "https://x.test/a",
        "metadata": { "a": 1 }, "statusMessage": "hi",
    });
    sim.add_user(user).unwrap();
    let unset = json!({ "unset": ["avatar", "link", "metadata"] });
    let user = call(&sim, "PUT", "/users/ann", unset).data();
    assert!(["avatar", "link", "metadata"].iter().all(|field| user.get(field).is_none()));
    let refused = call(&sim, "PUT", "/users/ann", json!({ "unset": ["statusMessage"] }));
    assert_ne!(refused.detail("unset.0"), "");
}

#[test]
fn metadata_is_replaced_whole_or_by_switch_merged() {
    let sim = Simulator::start();
    sim.add_user(json!({ "uid": "ann", "name": "Ann", "metadata": { "a": 1 } })).unwrap();
    let user = call(&sim, "PUT", "/users/ann", json!({ "metadata": { "b": 2 } })).data();
    assert_eq!(user["metadata"], json!({ "b": 2 }));
    sim.update(|settings| settings.metadata_on_put = MetadataOnPut::Merge);
    let user = call(&sim, "PUT", "/users/ann", json!({ "metadata": { "c": 3 } })).data();
    assert_eq!(user["metadata"], json!({ "b": 2, "c": 3 }));
}

#[test]
fn on_behalf_of_shows_the_relation_and_must_exist() {
    let sim = with_ann();
    sim.add_user(json!({ "uid": "bob", "name": "Bob" })).unwrap();
    let on_behalf = |uid| {
        let headers = [("apikey", simulator::DEV_API_KEY), ("onBehalfOf", uid)];
        common::send(&sim, "GET", "/v3/users/ann", &headers, "")
    };
    assert_eq!(on_behalf("bob").data()["conversationId"], "ann_user_bob");
    assert_eq!(on_behalf("eve").code(), "ERR_ON_BEHALF_OF_UID_NOT_FOUND");
}
