//! What may happen to a user, drawn at random: acts of people and operators, and faults of CometChat's.

use fastrand::Rng;
use serde_json::{json, Value};
use simulator::{Fault, FaultKind};

const NAMES: [&str; 14] = [
    "Ada Lovelace", "  Grace\tHopper ", "ada@example.com", "me @ home", "", "\u{202e}evil", "名前 太郎",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", "+49 30 1234567", "Ａda＠example.com", "x\u{200B}y", "M@tt",
    "very long very long very long very long very long very long very long very long very long very long", "'; --",
];

const URLS: [&str; 6] = [
    "https://example.com/a.png",
    "http://example.com/a.png",
    "https://user@example.com/",
    "https://[::1]/x",
    "https://example.com:70000/",
    "https://exa mple.com/",
];

/// One thing that happens to a user, with all that is random about it.
#[derive(Clone, Debug)]
pub(super) enum Act {
    SignUp {
        email: Option<String>,
        metadata: Value,
        anonymous: bool,
    },
    Change(String),
    Delete,
    Ensure {
        name: Option<&'static str>,
        email: Option<&'static str>,
        trusted: bool,
    },
    Refresh {
        trusted: bool,
    },
    Revoke {
        trusted: bool,
    },
    Override(Value),
    Map(Option<&'static str>),
    ExistThere(Value),
    DeactivateThere,
    DeleteThere,
    Meet(Box<Fault>),
    /// Whatever was left in doubt is over, or not yet.
    Time {
        over: bool,
    },
    Queue,
    Reconcile,
}

/// Faults that both transports see the same way. Gzip, redirects and endless bodies are in docs/hosted.md.
fn fault(rng: &mut Rng, slow: bool) -> Fault {
    let status = |status, code: &str| Fault::status(status, code);
    let raw = |status, body: &str| Fault::raw(status, "text/html", body);
    let mut fault = match rng.u32(0..if slow { 30 } else { 25 }) {
        0 => status(500, "ERR_EXCEPTION"),
        1 => status(500, "ERR_EXCEPTION").perform(),
        2 => raw(503, "<html>"),
        3 => raw(502, ""),
        4 => status(400, "ERR_BAD_REQUEST"),
        5 => status(404, "ERR_ROLE_NOT_FOUND"),
        6 => status(401, "AUTH_ERR_APIKEY_NOT_FOUND"),
        7 => raw(403, "<html>Forbidden"),
        8 => status(402, "ERR_PLAN_QUOTA_RESTRICTION"),
        9 => raw(404, "<html>"),
        10 => status(409, "ERR_UID_ALREADY_EXISTS"),
        11 => status(404, "ERR_UID_NOT_FOUND"),
        12 => raw(200, "<html>"),
        13 => raw(200, "{\"ok\": true}"),
        14 => raw(200, "{\"data\": {\"uid\": \"somebody-else\", \"name\": \"x\"}}"),
        15 => raw(200, "{\"data\": []}"),
        16 => raw(400, "{\"error\": {\"message\": \"no ada@example.com\", \"details\": {\"name\": [\"bad\", \"worse\"]}}}"),
        17 => raw(410, "gone"),
        18 => raw(200, "{\"error\": \"ERR_SOMETHING\"}"),
        19 => Fault::new(FaultKind::NoContent),
        20 => Fault::new(FaultKind::TruncatedJson),
        21 => Fault::new(FaultKind::HugeBody { bytes: 200_000 }),
        22 => Fault::new(FaultKind::Close),
        23 => Fault::new(FaultKind::Close).perform(),
        24 => status(422, "ERR_SOMETHING_NEW"),
        25 => Fault::new(FaultKind::HangBeforeHeader),
        26 => Fault::new(FaultKind::HangAfterHeader),
        27 => Fault::new(FaultKind::TruncatedBody),
        28 => Fault::new(FaultKind::Drip { bytes: 1, interval_ms: 200 }),
        _ => Fault::new(FaultKind::HangBeforeHeader).perform(),
    };
    fault.times = Some(1);
    // On a connection that was used before the extension repeats what was closed: so only the first.
    if !matches!(fault.kind, FaultKind::Close | FaultKind::TruncatedBody) {
        fault.skip = rng.u64(0..3);
    }
    fault
}

/// With `slow`, faults that cost a second are among them.
pub(super) fn any_act(rng: &mut Rng, slow: bool) -> Act {
    let name = NAMES[rng.usize(0..NAMES.len())];
    let other = NAMES[rng.usize(0..NAMES.len())];
    let url = URLS[rng.usize(0..URLS.len())];
    let trusted = rng.bool();
    match rng.u32(0..40) {
        0..=6 => Act::Ensure {
            name: rng.bool().then_some(name),
            email: rng.bool().then_some("other@example.org"),
            trusted,
        },
        7 | 8 => Act::Refresh { trusted },
        9 | 10 => Act::Revoke { trusted },
        11..=18 => Act::Queue,
        19..=22 => Act::Meet(Box::new(fault(rng, slow))),
        23 | 24 => Act::Change(format!(
            "raw_user_meta_data = '{}'",
            metadata(rng, name, other, url).to_string().replace('\'', "''")
        )),
        25 => Act::Change("email = 'new@example.com'".to_owned()),
        26 => Act::Change("banned_until = now() + interval '1 day'".to_owned()),
        27 => Act::Change("banned_until = NULL".to_owned()),
        28 => Act::Change("deleted_at = CASE WHEN deleted_at IS NULL THEN now() END".to_owned()),
        29 => Act::Delete,
        30 | 31 => Act::Override(overrides(rng, name, url)),
        32 => Act::Map([None, Some("a-token"), Some("bad/token")][rng.usize(0..3)]),
        33 => Act::ExistThere(json!({ "name": name_or(other), "metadata": { "theirs": 1 } })),
        34 => Act::DeactivateThere,
        35 => Act::DeleteThere,
        36 | 37 => Act::Time { over: rng.bool() },
        38 => Act::Reconcile,
        _ => Act::SignUp {
            email: rng.bool().then(|| "ada@example.com".to_owned()),
            metadata: metadata(rng, name, other, url),
            anonymous: rng.u32(0..6) == 0,
        },
    }
}

fn name_or(name: &str) -> &str {
    if name.trim().is_empty() {
        "Somebody"
    } else {
        name
    }
}

fn metadata(rng: &mut Rng, name: &str, other: &str, url: &str) -> Value {
    match rng.u32(0..6) {
        0 => json!({ "full_name": name, "avatar_url": url }),
        1 => json!({ "name": name, "display_name": other }),
        2 => json!({ "given_name": name, "family_name": other, "picture": url }),
        3 => json!({ "custom_claims": { "global_name": name } }),
        4 => json!({ "full_name": 7, "user_name": name }),
        _ => json!({}),
    }
}

fn overrides(rng: &mut Rng, name: &str, url: &str) -> Value {
    match rng.u32(0..9) {
        0 => json!({ "name": name }),
        1 => json!({ "avatar": url }),
        2 => json!({ "link": url, "statusMessage": name }),
        3 => json!({ "tags": [name, "b"] }),
        4 => json!({ "metadata": { "a": 1, "b": { "c": [true, null] }, "z": "ü" } }),
        5 => json!({ "name": null, "avatar": null, "metadata": null }),
        6 => json!({ "role": "nobody" }),
        7 => json!({ "role": 7 }),
        _ => json!({ "unknown": name }),
    }
}
