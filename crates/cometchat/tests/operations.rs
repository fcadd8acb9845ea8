//! Every operation: the exact request, and what is made of the documented answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use cometchat::{ErrorKind, ListUsers, NewUser, RowOutcome, Unset, UserPatch};
use serde_json::json;
use stub::{Stub, KEY};

const ADA: &str = r#"{"data":{"uid":"ada","name":"Ada","status":"offline","role":"default",
    "createdAt":1763918750,"conversationId":"x"}}"#;
const TOKEN: &str =
    r#"{"data":{"uid":"ada","authToken":"ada_1763918750aa","createdAt":1763918750}}"#;

fn ada() -> NewUser {
    NewUser { uid: "ada".into(), name: "Ada".into(), ..NewUser::default() }
}

fn line(stub: &Stub) -> String {
    let seen = stub.seen();
    assert_eq!(seen.len(), 1);
    seen[0].line()
}

#[test]
fn create_user() {
    let stub = Stub::json(200, r#"{"data":{"uid":"ada","name":"Ada","authToken":"ada_17"}}"#);
    let user = NewUser { metadata: Some(json!({"@private": {"email": "a@b.example"}})), ..ada() };
    let created = stub.client().create_user(&user, true).unwrap();
    assert_eq!(created.auth_token.as_deref(), Some("ada_17"));
    assert_eq!(created.user.name.as_deref(), Some("Ada"));
    assert_eq!(
        line(&stub),
        r#"POST /v3/users {"uid":"ada","name":"Ada","metadata":{"@private":{"email":"a@b.example"}},"withAuthToken":true}"#
    );
    let request = &stub.seen()[0];
    assert_eq!(request.header("apikey"), Some(KEY));
    assert_eq!(request.header("appid"), Some("app1"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("cometchat_ext/"));
    for absent in ["accept-encoding", "cookie", "authorization", "transfer-encoding"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
    assert_eq!(format!("{created:?}"), "Created { .. }");

    let stub = Stub::json(200, ADA);
    assert_eq!(stub.client().create_user(&ada(), false).unwrap().auth_token, None);
    assert_eq!(line(&stub), r#"POST /v3/users {"uid":"ada","name":"Ada"}"#);
}

#[test]
fn get_and_update_user() {
    let stub = Stub::json(200, ADA);
    let user = stub.client().get_user("ada").unwrap();
    assert_eq!((user.created_at, user.is_deactivated()), (Some(1_763_918_750), false));
    assert_eq!(line(&stub), "GET /v3/users/ada");
    assert_eq!(stub.seen()[0].header("content-type"), None);

    let stub = Stub::json(200, ADA);
    let patch =
        UserPatch { name: Some("Ada".into()), unset: vec![Unset::Avatar], ..Default::default() };
    stub.client().update_user("ada", &patch).unwrap();
    assert_eq!(line(&stub), r#"PUT /v3/users/ada {"name":"Ada","unset":["avatar"]}"#);
}

#[test]
fn uids_stay_one_segment() {
    let stub = Stub::json(404, r#"{"error":{"code":"ERR_UID_NOT_FOUND"}}"#);
    let client = stub.client();
    assert_eq!(client.get_user("a?b#c d%2f").unwrap_err().kind(), ErrorKind::UidNotFound);
    assert_eq!(line(&stub), "GET /v3/users/a%3Fb%23c%20d%252f");
    for bad in ["", ".", "..", "a/b", "a/../b", "a\r\nx: y"] {
        assert_eq!(client.get_user(bad).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(client.delete_user(bad, true).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(client.get_token("ada", bad).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(stub.seen().len(), 1, "nothing else was sent");
}

#[test]
fn delete_user_with_a_body() {
    let stub = Stub::json(200, r#"{"data":{"success":true,"message":"User ada deleted."}}"#);
    assert!(stub.client().delete_user("ada", true).unwrap().deactivated_uids.is_empty());
    assert_eq!(line(&stub), r#"DELETE /v3/users/ada {"permanent":true}"#);
    assert_eq!(stub.seen()[0].header("content-length"), Some("18"));

    let stub = Stub::json(200, r#"{"data":{"deactivatedUids":["ada"]}}"#);
    assert_eq!(stub.client().delete_user("ada", false).unwrap().deactivated_uids, ["ada"]);
    assert_eq!(line(&stub), r#"DELETE /v3/users/ada {"permanent":false}"#);

    let stub = Stub::json(200, r#"{"data":{"success":false}}"#);
    let kind = stub.client().delete_user("ada", false).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Server);
}

#[test]
fn bulk_in_both_shapes() {
    let stub = Stub::json(
        200,
        r#"{"data":{"deactivatedUids":["a"],"alreadyDeactivatedUids":{"1":"b"},"notFound":[7]}}"#,
    );
    let out = stub.client().deactivate_users(&["a", "b", "7"]).unwrap();
    assert_eq!((&out.done[..], &out.already[..]), (&["a".into()][..], &["b".into()][..]));
    assert_eq!(out.not_found, ["7"]);
    assert_eq!(line(&stub), r#"DELETE /v3/users {"uidsToDeactivate":["a","b","7"]}"#);

    for body in [
        r#"{"data":{"nonDeactivatedUids":["a"]}}"#,
        r#"{"data":{"reactivatedUids":["a"],"notFound":[]}}"#,
    ] {
        let stub = Stub::json(200, body);
        assert_eq!(stub.client().reactivate_users(&["a"]).unwrap().done, ["a"]);
        assert_eq!(line(&stub), r#"PUT /v3/users {"uidsToActivate":["a"]}"#);
    }
    let stub = Stub::json(200, r#"{"data":[]}"#);
    let client = stub.client();
    assert_eq!(client.reactivate_users(&["a"]).unwrap(), Default::default());
    assert_eq!(client.reactivate_users(&[]).unwrap(), Default::default());
    assert_eq!(client.deactivate_users(&["a"; 26]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn what_an_answer_says_of_others_is_left_out() {
    let body = r#"{"data":{"deactivatedUids":["ADA","eve"],"alreadyDeactivatedUids":["eve"],
        "reactivatedUids":["eve","ada"],"notFound":{"eve":1}}}"#;
    let stub = Stub::json(200, body);
    let client = stub.client();
    let out = client.deactivate_users(&["ada"]).unwrap();
    assert_eq!(
        (&out.done[..], out.already.len(), out.not_found.len()),
        (&["ADA".into()][..], 0, 0)
    );
    assert_eq!(client.reactivate_users(&["ada"]).unwrap().done, ["ada"]);
    assert_eq!(client.delete_user("ada", false).unwrap().deactivated_uids, ["ADA"]);

    let stub = Stub::json(200, r#"{"data":{"ada":{"success":true,"data":{"uid":"eve"}}}}"#);
    let rows = stub.client().import_users(&[ada()]).unwrap();
    assert_eq!(rows[0].outcome, RowOutcome::Imported(None));
}

#[test]
fn import_users() {
    let users: Vec<NewUser> = ["Ada", "bob", "cyd", "dee"]
        .map(|u| NewUser { uid: u.into(), status_message: Some("x".into()), ..ada() })
        .to_vec();
    // Shapes: plain, one level deeper, refused; one is not mentioned.
    let body = r#"{"data":{"ada":{"success":true,"data":{"uid":"ada","createdAt":"1763918750"}},
        "bob":{"success":true,"data":{"data":{"uid":"bob"}}},
        "cyd":{"success":false,"error":{"code":"ERR_UID_ALREADY_EXISTS","message":"taken"}}}}"#;
    for status in [200, 500] {
        let stub = Stub::json(status, body);
        let rows = stub.client().import_users(&users).unwrap();
        let kinds: Vec<_> = rows.iter().map(|r| r.kind()).collect();
        assert_eq!(
            kinds,
            [None, None, Some(ErrorKind::UidExists), Some(ErrorKind::Server)],
            "status {status}"
        );
        assert_eq!(rows.iter().map(|r| r.exists()).collect::<Vec<_>>(), [true, true, true, false]);
        let RowOutcome::Imported(Some(bob)) = &rows[1].outcome else { panic!("bob") };
        assert_eq!(bob.uid, "bob");
        let sent = &stub.seen()[0];
        assert_eq!((&sent.method[..], &sent.target[..]), ("POST", "/v3/data_import/users"));
        let sent: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!(sent["users"]["cyd"], json!({"uid": "cyd", "name": "Ada"}));
    }
    let stub = Stub::json(500, r#"{"error":{"code":"ERR_EXCEPTION"}}"#);
    let client = stub.client();
    assert_eq!(client.import_users(&users).unwrap_err().kind(), ErrorKind::Server);
    assert!(client.import_users(&[]).unwrap().is_empty());
    assert_eq!(client.import_users(&vec![ada(); 51]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(client.import_users(&vec![ada(); 2]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn list_users() {
    let stub = Stub::json(
        200,
        r#"{"data":[{"uid":"ada"},{"name":"nobody"},{"uid":"bob","deactivatedAt":1}],
            "meta":{"pagination":{"total":3,"count":3,"per_page":2,"current_page":1,
            "total_pages":"2"}},"cursor":{"updatedAt":1}}"#,
    );
    let query = ListUsers {
        per_page: Some(1000),
        page: Some(2),
        with_deactivated: true,
        ..Default::default()
    };
    let page = stub.client().list_users(&query).unwrap();
    assert_eq!((page.users.len(), page.unreadable, page.has_more()), (2, 1, true));
    assert_eq!(page.pagination.unwrap().total_pages, Some(2));
    assert!(page.users[1].is_deactivated());
    assert_eq!(line(&stub), "GET /v3/users?perPage=1000&page=2&withDeactivated=true");

    let client = Stub::json(200, r#"{"data":[]}"#).client();
    assert!(!client.list_users(&ListUsers::default()).unwrap().has_more());
    let client = Stub::json(200, r#"{"data":{"0":{"uid":"ada"},"2":{"uid":"bob"}}}"#).client();
    assert_eq!(
        client.list_users(&ListUsers::default()).unwrap().users.len(),
        2,
        "PHP's, with gaps"
    );
    let too_many = ListUsers { per_page: Some(1001), ..Default::default() };
    assert_eq!(client.list_users(&too_many).unwrap_err().kind(), ErrorKind::Invalid);

    for (status, body, kind) in [
        (200, r#"{"data":"x"}"#, ErrorKind::NotCometChat),
        (200, r#"{"data":{"uid":"ada","name":"Ada"}}"#, ErrorKind::NotCometChat),
        (200, r#"{"error":{"code":"AUTH_ERR_NO_ACCESS"}}"#, ErrorKind::KeyRejected),
        (403, r#"{"error":{"code":"AUTH_ERR_NO_ACCESS"}}"#, ErrorKind::KeyRejected),
        (503, r#"{"data":[]}"#, ErrorKind::Server),
    ] {
        let client = Stub::json(status, body).client();
        assert_eq!(client.list_users(&ListUsers::default()).unwrap_err().kind(), kind, "{body}");
    }
}

#[test]
fn tokens() {
    let stub = Stub::json(200, TOKEN);
    let token = stub.client().create_token("ada", true).unwrap();
    assert_eq!((&*token.auth_token, token.created_at), ("ada_1763918750aa", Some(1_763_918_750)));
    assert_eq!(format!("{token:?}"), "AuthToken { .. }");
    assert_eq!(line(&stub), r#"POST /v3/users/ada/auth_tokens {"force":true}"#);

    let stub = Stub::json(200, TOKEN);
    assert_eq!(stub.client().get_token("ada", "ada_1").unwrap(), token);
    assert_eq!(line(&stub), "GET /v3/users/ada/auth_tokens/ada_1");

    let stub = Stub::json(200, r#"{"data":{"success":true,"message":"Cleared."}}"#);
    stub.client().flush_tokens("ada").unwrap();
    assert_eq!(line(&stub), "DELETE /v3/users/ada/auth_tokens");
    assert_eq!(stub.seen()[0].header("content-length"), None);

    let stub = Stub::json(404, r#"{"error":{"code":"ERR_AUTH_TOKEN_NOT_FOUND"}}"#);
    let e = stub.client().get_token("ada", "t1").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TokenNotFound);
    assert_eq!(line(&stub), "GET /v3/users/ada/auth_tokens/t1");
}

#[test]
fn another_users_answer_is_refused() {
    let client = Stub::json(200, TOKEN).client();
    assert_eq!(client.create_token("bob", true).unwrap_err().kind(), ErrorKind::NotCometChat);
    assert!(client.create_token("ADA", true).is_ok());
    let client = Stub::json(200, ADA).client();
    assert_eq!(client.get_user("bob").unwrap_err().kind(), ErrorKind::NotCometChat);
    let client = Stub::json(200, r#"{"data":{"uid":"ada","authToken":"a b\n"}}"#).client();
    assert_eq!(client.create_token("ada", true).unwrap_err().kind(), ErrorKind::NotCometChat);
}
