//! JSON of every shape as the answer to every operation, and what is read of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use cometchat::{Error, ErrorKind};
use proptest::prelude::*;
use serde_json::{Map, Value};
use stub::everything::{call_everything, cases, OPERATIONS};
use stub::json::{any_json, members};
use stub::memory::Script;
use stub::reply;

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![4 => Just(200u16), 1 => 100u16..1000]
}

/// What every operation makes of it.
fn errors(status: u16, body: &str) -> Vec<Error> {
    call_everything(&Script::playing(&reply(status, &[], body)).client())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_envelope_ends_in_a_value_or_an_error(
        status in any_status(),
        parts in (any_json(), any_json(), any_json()),
        shape in 0usize..6,
    ) {
        let (a, b, c) = parts;
        let body = match shape {
            0 => a,
            1 => format!(r#"{{"data":{a}}}"#),
            2 => format!(r#"{{"data":[{a},{b}],"meta":{c}}}"#),
            3 => format!(r#"{{"error":{a},"data":{b}}}"#),
            4 => format!(r#"{{"data":{{"ada":{a}}},"error":{b}}}"#),
            _ => format!(r#"{{"data":{a},"data":{b},"meta":{c}}}"#),
        };
        errors(status, &body);
    }

    #[test]
    fn a_user_with_fields_of_any_type_is_a_user_or_an_error(
        status in any_status(),
        before in members(any_json()),
        after in members(any_json()),
    ) {
        let around = |uid: &str| {
            let fields = [&before[..], uid, &after[..]];
            let fields: Vec<_> = fields.into_iter().filter(|f| !f.is_empty()).collect();
            format!("{{{}}}", fields.join(","))
        };
        let user = around(r#""uid":"ada","authToken":"ada_17""#);
        errors(status, &format!(r#"{{"data":{user}}}"#));
        errors(status, &format!(r#"{{"data":[{user},{user}],"meta":{}}}"#, around("")));
        errors(status, &format!(r#"{{"data":{{"ada":{{"success":true,"data":{user}}}}}}}"#));
    }

    #[test]
    fn an_error_with_parts_of_any_type_is_an_error_of_every_operation(
        status in any_status(),
        code in any_json(),
        message in any_json(),
        details in any_json(),
        fields in members(any_json()),
    ) {
        let error = format!(
            r#"{{"error":{{"code":{code},"message":{message},"details":{details}}}}}"#
        );
        let row = format!(r#"{{"data":{{"ada":{{"success":false,{}}}}}}}"#, &error[1..error.len() - 1]);
        let many = format!(r#"{{"error":{{"code":"ERR_BAD_REQUEST","details":{{{fields}}}}}}}"#);
        prop_assert_eq!(errors(status, &error).len(), OPERATIONS);
        prop_assert_eq!(errors(status, &many).len(), OPERATIONS);
        errors(status, &row);
    }

    #[test]
    fn what_an_error_means_depends_on_its_code_and_status_alone(
        status in any_status(),
        message in any_json(),
        code in prop::sample::select(vec!["ERR_UID_NOT_FOUND", "AUTH_ERR_X", "ERR_TOO_MANY_REQUESTS"]),
    ) {
        let plain = |message: &str| {
            let body = format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#);
            serde_json::from_str::<Value>(&body).ok()?;
            let kinds: Vec<ErrorKind> = errors(status, &body).iter().map(Error::kind).collect();
            Some(kinds)
        };
        if let Some(kinds) = plain(&message) {
            prop_assert_eq!(kinds, plain("null").unwrap());
        }
    }

    #[test]
    fn a_users_times_and_counts_are_read_or_left_out_whatever_they_are(value in any_json()) {
        let body = format!(r#"{{"data":{{"uid":"ada","createdAt":{value},"deactivatedAt":{value}}}}}"#);
        let Ok(json) = serde_json::from_str::<Map<String, Value>>(&body) else { return Ok(()) };
        let user = Script::playing(&reply(200, &[], &body)).client().get_user("ada").unwrap();
        let whole = json["data"]["createdAt"].as_i64();
        if whole.is_some() {
            prop_assert_eq!(user.created_at, whole);
            prop_assert_eq!(user.is_deactivated(), whole > Some(0));
        }
        if value.starts_with(['[', '{', 'n', 't', 'f']) {
            prop_assert_eq!(user.created_at, None);
        }
    }
}
