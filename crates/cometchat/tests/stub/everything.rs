//! Every operation at once, and what has to hold whatever comes of it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cometchat::{Client, Error, ErrorKind, ListUsers, NewUser, UserPatch};
use proptest::prelude::ProptestConfig;

use super::KEY;

/// Answers in the shapes that CometChat documents or was seen to give.
pub const ANSWERS: &[(u16, &str)] = &[
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

/// Operations of a client.
pub const OPERATIONS: usize = 11;

/// So many cases for each property, or as many as `PROPTEST_CASES` says. To look for long:
/// `PROPTEST_CASES=1000 cargo test -p cometchat -p transport` takes about ten minutes.
pub fn cases(few: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { few };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

/// Calls everything once; what fails, fails as whatever a server says may fail.
pub fn call_everything(client: &Client) -> Vec<Error> {
    let ada = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
    let patch = UserPatch { name: Some("A".into()), ..Default::default() };
    let seen = Arc::new(Mutex::new(0));
    let log = seen.clone();
    let client = client.with_observer(Arc::new(move |x| {
        *log.lock().unwrap() += 1;
        assert!(x.retry_after.is_none_or(|wait| wait <= DAY));
        assert_eq!(x.code, x.failure.and_then(Error::code));
        assert!(x.status.is_none_or(|status| (100..1000).contains(&status)));
    }));
    let started = Instant::now();
    let mut errors = Vec::new();
    let mut call = |outcome: Result<String, Error>| match outcome {
        Ok(shown) => assert!(!shown.contains(KEY), "{shown}"),
        Err(e) => {
            judge(&e, KEY);
            errors.push(e);
        }
    };
    call(shown(client.create_user(&ada, true), |created| {
        assert!(created.user.uid.eq_ignore_ascii_case("ada"));
        created.auth_token.iter().for_each(|token| assert_token(token));
    }));
    call(shown(client.get_user("ada"), |user| assert!(user.uid.eq_ignore_ascii_case("ada"))));
    call(shown(client.list_users(&ListUsers::default()), |page| {
        assert!(page.users.len() + page.unreadable <= 1000);
        assert!(page.users.iter().all(|user| !user.uid.chars().any(char::is_control)));
    }));
    call(shown(client.update_user("ada", &patch), |user| assert!(user.uid.len() == 3)));
    call(shown(client.delete_user("ada", true), |gone| named(&gone.deactivated_uids)));
    call(shown(client.deactivate_users(&["ada"]), |out| named(&out.done)));
    call(shown(client.reactivate_users(&["ada"]), |out| named(&out.not_found)));
    call(shown(client.import_users(&[ada]), |rows| {
        assert!(
            rows.len() == 1 && rows[0].uid == "ada" && rows[0].kind() != Some(ErrorKind::Invalid)
        );
    }));
    call(shown(client.create_token("ada", true), |token| assert_token(&token.auth_token)));
    call(shown(client.get_token("ada", "t"), |token| assert_token(&token.auth_token)));
    call(shown(client.flush_tokens("ada"), |()| {}));
    assert_eq!(*seen.lock().unwrap(), OPERATIONS, "each was sent, and told of, once");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    errors
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn shown<T: Debug>(outcome: Result<T, Error>, judge: impl Fn(&T)) -> Result<String, Error> {
    outcome.map(|value| {
        judge(&value);
        format!("{value:?}")
    })
}

fn assert_token(token: &str) {
    assert!((1..=1024).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic()));
}

fn named(uids: &[String]) {
    assert!(uids.iter().all(|uid| uid.eq_ignore_ascii_case("ada")), "{uids:?}");
}

/// An error that an answer may lead to: of a kind that blames the answer, and fit to be shown.
pub fn judge(e: &Error, key: &str) {
    use ErrorKind::{Interrupted, Invalid, Refused, Timeout};
    assert!(!matches!(e.kind(), Invalid | Refused | Interrupted | Timeout), "{e:?}");
    let (short, long) = (e.to_string(), format!("{e:?}"));
    assert!(short.len() < 200 && short.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{e}");
    assert!(!short.contains(key) && !long.contains(key), "{long}");
    assert!(e.retry_after().is_none_or(|wait| wait <= DAY));
    let fine = |text: &str| text.chars().count() <= 200 && !text.chars().any(char::is_control);
    if let Error::Api { code, message, details, .. } = e {
        assert!(code.iter().all(|c| c.len() <= 64 && !c.contains(key)));
        assert!(message.iter().all(|m| fine(m) && !m.contains(key)), "{long}");
        assert!(details.len() <= 8);
        for detail in details {
            assert!(fine(&detail.field) && fine(&detail.message), "{detail:?}");
            assert!(!detail.field.contains(key) && !detail.message.contains(key), "{detail:?}");
        }
    }
}
