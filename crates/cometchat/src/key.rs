//! The REST API key: held once, never shown, wiped when dropped.

use zeroize::Zeroizing;

/// CometChat's keys are 40 characters today; this leaves room without accepting a
/// whole file that was named by mistake.
const MAX_LEN: usize = 256;

/// A shorter key than this is no secret, and hiding it would blacken ordinary words.
const MIN_HIDDEN: usize = 8;

/// A REST API key (scope `fullAccess`, see "Properties and constraints" in CometChat's docs).
///
/// Deliberately without `Debug`, `Display`, `Clone` and serde: share it with
/// `Arc<ApiKey>`. The memory is overwritten on drop. The HTTP library's own buffers,
/// through which every request passes, are beyond this type's reach.
pub struct ApiKey(Zeroizing<String>);

/// Why a string cannot be an API key. Never contains the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Nothing is there.
    #[error("the API key is empty")]
    Empty,
    /// Longer than 256 bytes: probably the wrong file.
    #[error("the API key is longer than 256 bytes")]
    TooLong,
    /// A blank inside or around it; the caller trims the trailing newline of a file.
    #[error("the API key contains white space")]
    WhiteSpace,
    /// A control character, which could split a header.
    #[error("the API key contains a control character")]
    Control,
    /// Anything outside ASCII.
    #[error("the API key contains a character outside ASCII")]
    NotAscii,
}

impl ApiKey {
    /// Takes the key over. A refused string is wiped as well.
    ///
    /// # Errors
    /// [`BadKey`] says which rule the string breaks.
    pub fn new(raw: String) -> Result<ApiKey, BadKey> {
        let raw = Zeroizing::new(raw);
        if raw.is_empty() {
            return Err(BadKey::Empty);
        }
        if raw.len() > MAX_LEN {
            return Err(BadKey::TooLong);
        }
        for c in raw.chars() {
            match c {
                c if c.is_whitespace() => return Err(BadKey::WhiteSpace),
                c if c.is_control() => return Err(BadKey::Control),
                c if !c.is_ascii() => return Err(BadKey::NotAscii),
                _ => {}
            }
        }
        Ok(ApiKey(raw))
    }

    /// The header bytes; stays inside the crate.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What must not appear in anything that is shown; nothing for a key too short to be one.
    pub(crate) fn to_hide(&self) -> Option<&str> {
        (self.0.len() >= MIN_HIDDEN).then_some(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(raw: &str) -> Option<BadKey> {
        ApiKey::new(raw.to_owned()).err()
    }

    #[test]
    fn rules() {
        assert_eq!(refusal("0123456789abcdef0123456789abcdef01234567"), None);
        assert_eq!(refusal(""), Some(BadKey::Empty));
        assert_eq!(refusal("abc\n"), Some(BadKey::WhiteSpace));
        assert_eq!(refusal("a b"), Some(BadKey::WhiteSpace));
        assert_eq!(refusal("a\u{0}b"), Some(BadKey::Control));
        assert_eq!(refusal("a\u{7f}b"), Some(BadKey::Control));
        assert_eq!(refusal("schlüssel"), Some(BadKey::NotAscii));
        assert_eq!(refusal(&"a".repeat(256)), None);
        assert_eq!(refusal(&"a".repeat(257)), Some(BadKey::TooLong));
    }
}
