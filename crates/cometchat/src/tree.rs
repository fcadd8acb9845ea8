//! JSON as a tree of bounded size. Seven bytes of text (`{"":0},`) take 700 of memory: a cap on an
//! answer's bytes alone would let a few megabytes of it take the server's memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value's own room, twice, since the lists that values stand in grow by doubling.
const VALUE: usize = 2 * std::mem::size_of::<Value>();
/// A map allocates room for eleven entries at a time, and may leave half of it empty.
const MAP: usize = 640;
const ENTRY: usize = 112;

/// Bytes that trees may take.
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    pub fn new(bytes: usize) -> Budget {
        Budget(Cell::new(bytes))
    }

    /// Whether so many were left. A budget that was once overdrawn has nothing left.
    pub fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    pub fn left(&self) -> usize {
        self.0.get()
    }
}

/// The whole text as one tree; `Ok(None)` when it would take more than `bytes`.
///
/// # Errors
/// Those of serde_json: no JSON, or nested too deeply.
pub(crate) fn read(text: &[u8], bytes: usize) -> serde_json::Result<Option<Value>> {
    let budget = Budget::new(bytes);
    let mut text = serde_json::Deserializer::from_slice(text);
    let tree = Tree(&budget).deserialize(&mut text)?;
    text.end()?;
    Ok(tree)
}

/// Reads one value; `None` when the budget was too small for it. It is read to its end then too,
/// so that what stands behind it can be.
pub(crate) struct Tree<'a>(pub &'a Budget);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Option<Value>, D::Error> {
        if self.0.take(VALUE) {
            d.deserialize_any(self)
        } else {
            d.deserialize_ignored_any(IgnoredAny).map(|_| None)
        }
    }
}

impl Tree<'_> {
    fn text(&self, text: String) -> Option<Value> {
        self.0.take(text.len()).then_some(Value::String(text))
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(Some(Value::Null))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Number(v.into())))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Number(v.into())))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Option<Value>, E> {
        Ok(Some(Number::from_f64(v).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Option<Value>, E> {
        Ok(self.text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Option<Value>, E> {
        Ok(self.text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Value>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(Tree(self.0))? {
            let Some(item) = item else {
                drop(list);
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            };
            list.push(item);
        }
        Ok(Some(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Value>, A::Error> {
        let mut map = self.0.take(MAP).then(Map::new);
        while let Some(key) = entries.next_key::<String>()? {
            let room = map.is_some() && self.0.take(ENTRY + key.len());
            if !room {
                map = None;
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            match (entries.next_value_seed(Tree(self.0))?, &mut map) {
                (Some(value), Some(map)) => drop(map.insert(key, value)),
                _ => map = None,
            }
        }
        Ok(map.map(Value::Object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fits_is_read_as_serde_json_reads_it() {
        for text in ["null", "[]", r#"{"a":[1,-2,2.5e3,"x",true,null],"a":{"b":{}}}"#, "1e-999"] {
            let want: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes(), 1 << 20).unwrap(), Some(want), "{text}");
        }
        for text in ["", "[", "[1] 2", "\"\\ud800\"", "1e999", "nul"] {
            assert!(read(text.as_bytes(), 1 << 20).is_err(), "{text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert!(read("[".repeat(1000).as_bytes(), 1 << 20).is_err());
    }

    #[test]
    fn what_does_not_fit_is_none_and_what_follows_is_still_checked() {
        for text in ["[0,0,0,0]", r#"{"a":0}"#, r#"[[["xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]]]"#] {
            assert_eq!(read(text.as_bytes(), 200).unwrap(), None, "{text}");
            assert!(read(format!("{text}]").as_bytes(), 200).is_err(), "{text}");
        }
        let text = format!("[{}0]", r#"{"":0},"#.repeat(10_000));
        assert_eq!(read(text.as_bytes(), 1 << 20).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it_or_not_at_all(
            text in r#"[\[\]{}":,a0-9.eE\\u -]{0,40}|[\PC]{0,20}"#,
            bytes in 0usize..4000,
        ) {
            let want = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(read(text.as_bytes(), 1 << 20).ok().flatten(), want.clone());
            let less = read(text.as_bytes(), bytes);
            prop_assert!(less.is_ok() || want.is_none());
            prop_assert!(less.ok().flatten().is_none_or(|tree| Some(tree) == want));
        }
    }
}
