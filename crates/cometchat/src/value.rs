//! Lenient reading of JSON values: CometChat's answers come from PHP, where an empty map
//! may be `[]`, a numeric string a number, and a filtered list a map.

use serde_json::{Map, Value};

/// A string, or a number in its place.
pub(crate) fn text(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// [`text`] of a member.
pub(crate) fn text_at(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(text)
}

/// Unix seconds, as a number or as a string of digits ("Import users" shows strings).
pub(crate) fn time_at(map: &Map<String, Value>, key: &str) -> Option<i64> {
    match map.get(key)? {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A count, as a number or as a string of digits.
pub(crate) fn count_at(map: &Map<String, Value>, key: &str) -> Option<u64> {
    time_at(map, key).and_then(|n| u64::try_from(n).ok())
}

/// A truth value in any form that PHP writes it in.
pub(crate) fn flag_at(map: &Map<String, Value>, key: &str) -> Option<bool> {
    match map.get(key)? {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => n.as_i64().map(|n| n != 0),
        Value::String(s) => match s.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A list of strings: `["a"]`, `{"0": "a"}`, or `{"a": {..}}` (then the keys).
pub(crate) fn texts(v: &Value) -> Vec<String> {
    match v {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        Value::Object(map) => {
            map.iter().map(|(k, v)| text(v).unwrap_or_else(|| k.clone())).collect()
        }
        Value::String(s) => vec![s.clone()],
        _ => Vec::new(),
    }
}

/// [`texts`] of a member; absent is empty.
pub(crate) fn texts_at(map: &Map<String, Value>, key: &str) -> Vec<String> {
    map.get(key).map(texts).unwrap_or_default()
}

/// A map, where `[]` and `null` are the empty one.
pub(crate) fn map(v: Value) -> Option<Map<String, Value>> {
    match v {
        Value::Object(m) => Some(m),
        Value::Array(a) if a.is_empty() => Some(Map::new()),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lenient_forms() {
        let v = json!({"n": 7, "s": "7", "f": 7.0, "big": 1e300, "t": "true", "o": 1, "x": []});
        let m = map(v).unwrap();
        assert_eq!(text_at(&m, "n").as_deref(), Some("7"));
        assert_eq!(time_at(&m, "s"), Some(7));
        assert_eq!(time_at(&m, "f"), Some(7));
        assert_eq!(time_at(&m, "big"), Some(i64::MAX));
        assert_eq!(flag_at(&m, "t"), Some(true));
        assert_eq!(flag_at(&m, "o"), Some(true));
        assert_eq!(flag_at(&m, "x"), None);
        assert_eq!(texts(&json!(["a", 5, null])), ["a", "5"]);
        assert_eq!(texts(&json!({"0": "a", "2": "b"})), ["a", "b"]);
        assert_eq!(texts(&json!({"ada": {"ok": true}})), ["ada"]);
        assert_eq!(map(json!([])), Some(Map::new()));
        assert_eq!(map(json!([1])), None);
    }
}
