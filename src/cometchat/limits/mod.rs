//! CometChat's rules for a user's fields ("Properties and constraints"), checked before
//! anything is sent, so that one odd profile never costs a failed request.

mod address;
mod name;

use serde_json::Value;

pub use address::{
    base_url, check_base_url, valid_app_id, valid_avatar, valid_proxy, valid_region, BadBaseUrl,
    MAX_URL_CHARS,
};
pub use name::{clean_name, MAX_NAME_UTF16};
pub(crate) use name::{is_hidden, is_space_like};

/// The longest uid, in characters.
pub const MAX_UID: usize = 100;
/// "5 KB" of serialised metadata, read as the smaller kilobyte.
pub const MAX_METADATA_BYTES: usize = 5_000;
/// The most tags a user may have.
pub const MAX_TAGS: usize = 25;
/// The longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 100;

/// 1 to 100 of `a-z 0-9 - _`. CometChat lower-cases uids itself; a caller that did not do
/// so first would no longer recognise them in answers.
pub fn valid_uid(uid: &str) -> bool {
    (1..=MAX_UID).contains(&uid.len())
        && uid.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// The metadata's serialised size is within CometChat's limit.
pub fn metadata_fits(metadata: &Value) -> bool {
    serde_json::to_vec(metadata).is_ok_and(|bytes| bytes.len() <= MAX_METADATA_BYTES)
}

/// At most 25 tags, none blank, none longer than 100 characters.
pub fn tags_fit<S: AsRef<str>>(tags: &[S]) -> bool {
    let fits = |t: &str| !t.trim().is_empty() && t.chars().nth(MAX_TAG_CHARS).is_none();
    tags.len() <= MAX_TAGS && tags.iter().all(|t| fits(t.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn uids() {
        let long = "a".repeat(100);
        for good in ["a", "6f1c2a34-0000-4000-8000-00000000abcd", "a_b-9", long.as_str()] {
            assert!(valid_uid(good), "{good}");
        }
        let longer = "a".repeat(101);
        for bad in ["", "A", "a b", "a.b", "é", "a/b", "a\n", longer.as_str()] {
            assert!(!valid_uid(bad), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert!(metadata_fits(&json!({"k": "x".repeat(4_990)})));
        assert!(!metadata_fits(&json!({"k": "x".repeat(5_000)})));
        assert!(tags_fit::<&str>(&[]));
        assert!(tags_fit(&["é".repeat(100)]));
        assert!(!tags_fit(&["é".repeat(101)]));
        assert!(!tags_fit(&[" "]));
        assert!(!tags_fit(&["t"; 26]));
    }
}
