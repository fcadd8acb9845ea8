//! One string becomes exactly one path segment, or the request is refused.

use std::fmt::Write;

use crate::error::Error;

/// A uid has at most 100 characters, a token about 141; four bytes each is ample.
const MAX_BYTES: usize = 1024;

/// Percent-encodes everything outside RFC 3986's unreserved characters.
///
/// # Errors
/// Empty strings would address the whole collection, and `.` and `..` another resource.
/// Slashes, backslashes and control characters are refused rather than encoded: a server
/// that decodes before it routes would see two segments, and no uid or token has them.
pub(crate) fn segment(raw: &str) -> Result<String, Error> {
    let refuse = |what| Err(Error::InvalidRequest { what });
    if raw.is_empty() {
        return refuse("empty uid or token");
    }
    if raw == "." || raw == ".." {
        return refuse("dots as uid or token");
    }
    if raw.len() > MAX_BYTES {
        return refuse("uid or token too long");
    }
    if raw.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
        return refuse("slash or control character in uid or token");
    }
    Ok(encode(raw))
}

/// The path of a user.
///
/// # Errors
/// Those of [`segment`].
pub(crate) fn user_path(uid: &str) -> Result<String, Error> {
    Ok(format!("/users/{}", segment(uid)?))
}

fn encode(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for b in raw.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (raw, want) in [
            ("ada-1_x", Some("ada-1_x")),
            ("a b", Some("a%20b")),
            ("a?b#c", Some("a%3Fb%23c")),
            ("%2e%2e", Some("%252e%252e")),
            ("é", Some("%C3%A9")),
            ("", None),
            (".", None),
            ("..", None),
            ("a/b", None),
            ("a\\b", None),
            ("a\r\nb", None),
        ] {
            assert_eq!(segment(raw).ok().as_deref(), want, "{raw:?}");
        }
        assert!(segment(&"a".repeat(1025)).is_err());
    }

    proptest! {
        #[test]
        fn always_one_segment(raw in any::<String>()) {
            if let Ok(s) = segment(&raw) {
                let safe = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
                prop_assert!(s.bytes().all(safe));
                prop_assert!(s != "." && s != ".." && !s.is_empty());
            }
        }
    }
}
