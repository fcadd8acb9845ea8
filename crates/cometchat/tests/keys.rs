//! The API key: what can be one, and that it is shown nowhere, whoever repeats it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::sync::{Arc, Mutex};

use cometchat::{ApiKey, BadKey, Client, ListUsers, NewUser};
use proptest::prelude::*;
use stub::everything::{cases, judge};
use stub::json::{escaped, quoted};
use stub::memory::Script;
use stub::reply;

/// Not only as CometChat's look: any that can be one, long enough not to be met by chance.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof!["[!-~]{12,64}", "[0-9a-f]{40}", "[A-Z_]{12,40}", "[a-z.]{6}@[a-z]{6}\\.[a-z]{3}"]
}

/// Everything that can be shown of a client's answers.
fn shown(client: &Client, key: &str) -> String {
    let log = Arc::new(Mutex::new(String::new()));
    let heard = log.clone();
    let client = client.with_observer(Arc::new(move |x| {
        let line = format!("{:?} {:?} {:?} {:?}", x.operation, x.status, x.code, x.limits);
        heard.lock().unwrap().push_str(&line);
    }));
    let ada = NewUser { uid: "ada".into(), name: "Ada".into(), ..Default::default() };
    let note = |text: Result<String, cometchat::Error>| match text {
        Ok(text) => log.lock().unwrap().push_str(&text),
        Err(e) => {
            judge(&e, key);
            log.lock().unwrap().push_str(&format!("{e} {e:?} {:?}", e.code()));
        }
    };
    note(client.get_user("ada").map(|x| format!("{x:?}")));
    note(client.create_user(&ada, true).map(|x| format!("{x:?}")));
    note(client.list_users(&ListUsers::default()).map(|x| format!("{x:?}")));
    note(client.delete_user("ada", false).map(|x| format!("{x:?}")));
    note(client.deactivate_users(&["ada"]).map(|x| format!("{x:?}")));
    note(client.reactivate_users(&["ada"]).map(|x| format!("{x:?}")));
    note(client.import_users(&[ada]).map(|x| format!("{x:?}")));
    note(client.create_token("ada", true).map(|x| format!("{x:?}")));
    note(client.get_token("ada", "t").map(|x| format!("{x:?}")));
    let log = log.lock().unwrap().clone();
    log
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_key_is_printable_ascii_of_bounded_length_and_nothing_else(raw: String, ascii in "[ -~]{0,300}") {
        for raw in [raw, ascii] {
            let plain = raw.bytes().all(|b| b.is_ascii_graphic());
            let fits = (1..=256).contains(&raw.len());
            prop_assert_eq!(ApiKey::new(raw.clone()).is_ok(), plain && fits);
        }
    }

    #[test]
    fn bytes_of_a_file_become_a_key_or_a_reason_that_does_not_repeat_them(
        raw in prop::collection::vec(any::<u8>(), 0..400),
        line in "[!-~]{12,300}[\\n\u{e9} \u{7f}]",
    ) {
        for raw in [String::from_utf8_lossy(&raw).into_owned(), line] {
            let Err(bad) = ApiKey::new(raw.clone()) else { continue };
            let shown = format!("{bad} {bad:?}");
            prop_assert!(raw.trim().len() < 12 || !shown.contains(raw.trim()), "{}", shown);
            prop_assert!(raw.is_empty() == (bad == BadKey::Empty));
        }
    }

    #[test]
    fn a_key_that_the_answer_repeats_is_shown_nowhere(
        key in any_key(),
        around in "[a-zA-Z ]{0,9}",
        status in prop::sample::select(vec![200u16, 400, 401, 403, 500]),
        which: prop::sample::Index,
    ) {
        let client = |bytes: &[u8]| {
            let agent = Script::playing(bytes).agent();
            let key = ApiKey::new(key.clone()).unwrap_or_else(|e| panic!("{e}"));
            Client::new(agent, "http://127.0.0.1:1/v3", "app1", Arc::new(key))
        };
        let said = format!("{around}{key}{around}");
        // With what is not shown in between: taking it out must not put the key together.
        let split = format!("{}\u{200D}\u{202E}{}", &key[..5], &key[5..]);
        let mut bodies = vec![said.clone()];
        for word in [quoted(&key), quoted(&said), escaped(&key), quoted(&split)] {
            bodies.extend([
                format!(r#"{{"error":{word}}}"#),
                format!(r#"{{"error":{{"code":{word},"message":{word},"details":{{{word}:[{word}]}}}}}}"#),
                format!(r#"{{"error":{{"code":{word},"details":[{word},{word}]}}}}"#),
                format!(r#"{{"data":{{"uid":{word},"authToken":{word}}}}}"#),
                format!(r#"{{"data":{{"uid":"ada","name":{word},"metadata":{word},"authToken":{word}}}}}"#),
                format!(r#"{{"data":[{{"uid":{word},"authToken":{word}}}],"meta":{word}}}"#),
                format!(r#"{{"data":{{"ada":{{"success":false,"error":{{"code":{word},"message":{word}}}}}}}}}"#),
                format!(r#"{{"data":{{"ada":{{"data":{{"uid":{word}}}}}}}}}"#),
                format!(r#"{{"data":{{"deactivatedUids":[{word}],"alreadyDeactivatedUids":{{{word}:1}}}}}}"#),
                format!(r#"{{"data":{{"reactivatedUids":[{word}],"notFound":{word}}}}}"#),
            ]);
        }
        let body = which.get(&bodies);
        let bytes = reply(status, &[("X-Key", &key), ("Retry-After", &key)], body);
        // `{:?}` writes some characters differently; the fields themselves are judged in `shown`.
        let text = shown(&client(&bytes), &key);
        prop_assert!(!text.contains(&key), "{body} {text}");
        let head = format!("HTTP/1.1 {key} {key}\r\n{key}: {key}\r\n\r\n");
        prop_assert!(!shown(&client(head.as_bytes()), &key).contains(&key));
    }
}
