//! Whatever arrives, every operation ends with a value or an error.

mod stub;

use cometchat::{Client, ListUsers, NewUser, UserPatch};
use proptest::prelude::*;
use stub::memory::{Script, Step};

/// Answers in the shapes that CometChat documents or was seen to give.
const ANSWERS: &[(u16, &str)] = &[
    (
        200,
        r#"{"data":{"uid":"ada","name":"Ada","status":"offline","role":"default","createdAt":1763918750}}"#,
    ),
    (
        200,
        r#"{"data":{"uid":"ada","name":"Ada","metadata":{"@private":{"email":"a@b.example"}},"tags":["x"],"authToken":"ada_1763918750ab"}}"#,
    ),
    (
        200,
        r#"{"data":{"uid":"ada","name":"Ada","metadata":[],"updatedAt":"1763918751","deactivatedAt":null}}"#,
    ),
    (
        200,
        r#"{"data":[{"uid":"ada","name":"Ada"},{"uid":"bob","blockedByMe":true}],"meta":{"pagination":{"total":2,"count":2,"per_page":100,"current_page":1,"total_pages":1}},"cursor":{"updatedAt":1}}"#,
    ),
    (200, r#"{"data":{"0":{"uid":"ada"},"2":{"uid":"bob"}},"meta":{}}"#),
    (200, r#"{"data":{"success":true,"message":"User with ada has been deleted successfully."}}"#),
    (200, r#"{"data":{"deactivatedUids":["ada"],"alreadyDeactivatedUids":[],"notFound":["bob"]}}"#),
    (200, r#"{"data":{"nonDeactivatedUids":["ada"]}}"#),
    (200, r#"{"data":{"reactivatedUids":["ada"],"notFound":{}}}"#),
    (200, r#"{"data":{"uid":"ada","authToken":"ada_1763918750ab","createdAt":1763918750}}"#),
    (
        200,
        r#"{"data":[{"uid":"ada","authToken":"ada_1"},{"uid":"ada","authToken":"ada_2"}],"meta":{"pagination":{}}}"#,
    ),
    (
        200,
        r#"{"data":{"ada":{"success":true,"data":{"uid":"ada"}},"bob":{"success":false,"error":{"code":"ERR_UID_ALREADY_EXISTS"}}}}"#,
    ),
    (
        200,
        r#"{"data":{"ada":{"success":true,"data":{"data":{"uid":"ada","createdAt":"1763918750"}}}}}"#,
    ),
    (
        400,
        r#"{"error":{"message":"Failed to validate.","devMessage":"x","source":"chat-api","code":"ERR_BAD_REQUEST","details":{"avatar":["Not a URL."]}}}"#,
    ),
    (400, r#"{"error":{"message":"The uid ada already exists.","code":"ERR_UID_ALREADY_EXISTS"}}"#),
    (404, r#"{"error":{"message":"The UID ada does not exist.","code":"ERR_UID_NOT_FOUND"}}"#),
    (
        401,
        r#"{"error":{"message":"The key abcde*****01234 does not exist.","code":"AUTH_ERR_APIKEY_NOT_FOUND"}}"#,
    ),
    (402, r#"{"error":{"message":"Quota used up.","code":"ERR_PLAN_QUOTA_RESTRICTION"}}"#),
    (429, r#"{"error":{"message":"Too many requests","code":"ERR_TOO_MANY_REQUESTS"}}"#),
    (500, r#"{"error":{"code":"ERR_EXCEPTION"}}"#),
    (403, r#"{"error":"Forbidden"}"#),
    (502, "<html><body>Bad gateway</body></html>"),
    (204, ""),
];

/// Calls everything once; the results do not matter, returning does.
fn call_everything(client: &Client) {
    let ada = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
    let patch = UserPatch { name: Some("A".into()), ..Default::default() };
    let mut errors = Vec::new();
    errors.extend(client.create_user(&ada, true).err());
    errors.extend(client.get_user("ada").err());
    errors.extend(client.list_users(&ListUsers::default()).map(|p| p.has_more()).err());
    errors.extend(client.update_user("ada", &patch).err());
    errors.extend(client.delete_user("ada", true).err());
    errors.extend(client.deactivate_users(&["ada"]).err());
    errors.extend(client.reactivate_users(&["ada"]).err());
    errors.extend(client.import_users(&[ada]).map(|r| r[0].exists()).err());
    errors.extend(client.create_token("ada", true).err());
    errors.extend(client.list_tokens("ada", 100, 1).err());
    errors.extend(client.get_token("ada", "t").err());
    errors.extend(client.delete_token("ada", "t").err());
    errors.extend(client.flush_tokens("ada").err());
    for e in errors {
        let _ = (e.kind(), e.code(), e.status(), e.retry_after(), format!("{e} {e:?}"));
    }
}

fn play(bytes: Vec<u8>) {
    // In pieces, as a network delivers it.
    let steps = bytes.chunks(97).map(|c| Step::Bytes(c.to_vec())).collect();
    call_everything(&Script::new(steps).client());
}

fn real(index: prop::sample::Index) -> (u16, Vec<u8>) {
    let (status, body) = index.get(ANSWERS);
    (*status, body.as_bytes().to_vec())
}

fn framed(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn real_answers_to_every_question() {
    let first = framed(ANSWERS[0].0, ANSWERS[0].1.as_bytes());
    let client = Script::new(vec![Step::Bytes(first)]).client();
    assert!(client.get_user("ada").is_ok(), "the script reaches the parser");
    for (status, body) in ANSWERS {
        play(framed(*status, body.as_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn bytes(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        play(raw);
    }

    #[test]
    fn any_body(status in 100u16..1000, raw in prop::collection::vec(any::<u8>(), 0..200)) {
        play(framed(status, &raw));
    }

    #[test]
    fn mutated(
        index: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        status in prop::option::of(prop::sample::select(vec![200u16, 301, 400, 404, 429, 500])),
        whole: bool,
    ) {
        let (real_status, body) = real(index);
        let status = status.unwrap_or(real_status);
        // Either only the body changes, or the head may be hit as well.
        let mut bytes = if whole { framed(status, &body) } else { body };
        for (at, byte) in edits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        play(if whole { bytes } else { framed(status, &bytes) });
    }

    #[test]
    fn spliced(a: prop::sample::Index, b: prop::sample::Index, at: prop::sample::Index) {
        let ((status, left), (_, right)) = (real(a), real(b));
        let cut = at.index(left.len() + 1);
        let tail = right.get(cut..).unwrap_or_default();
        play(framed(status, &[&left[..cut], tail].concat()));
    }

    #[test]
    fn truncated(index: prop::sample::Index, at: prop::sample::Index) {
        let (status, body) = real(index);
        let mut bytes = framed(status, &body);
        let keep = at.index(bytes.len());
        bytes.truncate(keep);
        play(bytes);
    }

    #[test]
    fn messages(raw in any::<String>(), hex in "[0-9a-f]{20,60}", name in "[a-z]{1,9}") {
        let clean = cometchat::clean_message(&format!("{raw} {hex} {name}@{name}.example {raw}"));
        prop_assert!(clean.chars().count() <= 200);
        prop_assert!(!clean.contains(&hex));
        let address = format!("{name}@{name}.example");
        prop_assert!(!clean.contains(&address));
        prop_assert!(!clean.chars().any(char::is_control));
    }
}
