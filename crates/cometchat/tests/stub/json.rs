//! JSON texts of every shape, in the words that CometChat's answers are made of.

use proptest::prelude::*;
use serde_json::Value;

use super::KEY;

const NAMES: &[&str] = &[
    "data",
    "error",
    "meta",
    "pagination",
    "uid",
    "name",
    "metadata",
    "tags",
    "authToken",
    "createdAt",
    "deactivatedAt",
    "success",
    "code",
    "message",
    "details",
    "current_page",
    "total_pages",
    "per_page",
    "deactivatedUids",
    "alreadyDeactivatedUids",
    "reactivatedUids",
    "nonDeactivatedUids",
    "alreadyActiveUids",
    "notFound",
    "ada",
    "ADA",
    "0",
    "",
];

const WORDS: &[&str] = &[
    "ada",
    "ADA",
    "bob",
    "",
    "..",
    "a/b",
    "true",
    "false",
    "0",
    "-1",
    "1763918750",
    "ada_17",
    "99999999999999999999",
    "ERR_UID_NOT_FOUND",
    "ERR_UID_ALREADY_EXISTS",
    "AUTH_ERR_X",
    "a@b.example",
    KEY,
    "ERR_0123456789abcdef0123456789abcdef01234567",
    "the key 0123456789abcdef0123456789abcdef01234567.",
];

/// Literals that few programs write.
const ODD: &[&str] = &[
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "-0",
    "-0.0",
    "1e308",
    "1e309",
    "-1e400",
    "1e-400",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.1e1",
    "01",
    "+1",
    "NaN",
    "Infinity",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"\\u202e\"",
    "\"\\uD83D\\uDE00\"",
    "\"\u{202e}\"",
    "\"\t\"",
    "\"\\x\"",
    "'ada'",
    "",
];

/// A string as a literal, every character of it escaped.
pub fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn literal() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    prop_oneof![
        6 => prop::sample::select(WORDS).prop_map(quoted),
        2 => prop::sample::select(WORDS).prop_map(escaped),
        4 => prop::sample::select(ODD).prop_map(str::to_owned),
        2 => number,
        1 => any::<String>().prop_map(|text| quoted(&text)),
        1 => any::<i64>().prop_map(|n| n.to_string()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(NAMES).prop_map(quoted),
        1 => prop::sample::select(NAMES).prop_map(escaped),
        1 => prop::sample::select(WORDS).prop_map(quoted),
    ]
}

/// Any value; most are JSON, all look like it.
pub fn any_json() -> impl Strategy<Value = String> {
    literal().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[{}]", items.join(","))),
            2 => members(inner).prop_map(|members| format!("{{{members}}}")),
        ]
    })
}

/// Some `"name":value` for an object.
pub fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((name(), value), 0..6).prop_map(|members| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        members.join(",")
    })
}
