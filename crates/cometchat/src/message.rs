//! Making CometChat's words safe to store, log and show to an operator.

use crate::limits::{is_hidden, is_space_like};

const MAX_CHARS: usize = 200;
/// CometChat's keys and the random part of its tokens are 30 to 40 hexadecimal digits.
const KEY_LIKE: usize = 20;
const REDACTED: &str = "[redacted]";

/// A message without control and bidi-override characters, runs of white space,
/// keys (20 or more hexadecimal digits in a row) and e-mail addresses, at most 200 characters.
///
/// Uids stay: they tell an operator which user the message is about.
pub fn clean_message(raw: &str) -> String {
    clean_message_without(raw, None)
}

/// [`clean_message`], without `secret` either: a key need not look like CometChat's.
pub(crate) fn clean_message_without(raw: &str, secret: Option<&str>) -> String {
    let mut shown = visible(raw);
    if let Some(secret) = secret.filter(|secret| shown.contains(secret)) {
        shown = shown.replace(secret, REDACTED);
    }
    let mut words = String::new();
    for word in shown.split(' ').filter(|w| !w.is_empty()) {
        if !words.is_empty() {
            words.push(' ');
        }
        redact_word(word, &mut words);
    }
    // Cut last, so that no half of a key survives at the edge.
    match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => words[..end].trim_end().to_owned(),
        None => words,
    }
}

/// A short machine word of CometChat's (an error code), or nothing: what has a key in it is none.
pub(crate) fn clean_code(raw: &str, secret: Option<&str>) -> Option<String> {
    let fits = !raw.is_empty() && raw.len() <= 64;
    let plain = raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let hex_run = raw.split(|c: char| !c.is_ascii_hexdigit()).any(|run| run.len() >= KEY_LIKE);
    let shows = secret.is_some_and(|secret| raw.contains(secret));
    (fits && plain && !hex_run && !shows).then(|| raw.to_owned())
}

fn visible(raw: &str) -> String {
    raw.chars()
        .filter_map(|c| match c {
            c if is_space_like(c) => Some(' '),
            // Joiners could split a key or an address so that it is not recognised.
            '\u{200C}' | '\u{200D}' => None,
            c if is_hidden(c) => None,
            c => Some(c),
        })
        .collect()
}

fn redact_word(word: &str, out: &mut String) {
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c| !is_address_char(c)).unwrap_or(rest.len());
        if run == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (atom, tail) = rest.split_at(run);
        rest = tail;
        match atom.trim_matches('.').find('@') {
            Some(at) if at > 0 => out.push_str(REDACTED),
            _ => redact_hex(atom, out),
        }
    }
}

fn redact_hex(atom: &str, out: &mut String) {
    let mut rest = atom;
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let take = if run == 0 { c.len_utf8() } else { run };
        let (piece, tail) = rest.split_at(take);
        out.push_str(if run >= KEY_LIKE { REDACTED } else { piece });
        rest = tail;
    }
}

fn is_address_char(c: char) -> bool {
    c.is_alphanumeric() || "@._%+-'~!#$&*/=?^`{|}".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (raw, clean) in [
            ("The UID ada does not exist.", "The UID ada does not exist."),
            ("a\r\n\tb  c ", "a b c"),
            ("x\u{202E}evil\u{2066}\u{0}y", "xevily"),
            ("key 0123456789abcdef0123456789abcdef01234567 bad", "key [redacted] bad"),
            ("token ada_17639187506f4e06f43129cbe9b7869caa66e7ef", "token ada_[redacted]"),
            ("key=0123456789ab\u{200D}cdef01234567", "key=[redacted]"),
            ("mail ada@example.com.", "mail [redacted]"),
            ("<ada+x@müller.example>, no", "<[redacted]>, no"),
            ("at @ sign", "at @ sign"),
            (
                "uid 6f1c2a34-0000-4000-8000-00000000abcd",
                "uid 6f1c2a34-0000-4000-8000-00000000abcd",
            ),
            ("", ""),
        ] {
            assert_eq!(clean_message(raw), clean, "{raw:?}");
        }
        assert_eq!(clean_message(&"é ".repeat(500)).chars().count(), 199);
        assert_eq!(clean_message(&format!("{} {}", "x".repeat(195), "a".repeat(40))).len(), 200);
    }

    #[test]
    fn codes() {
        let code = |raw| clean_code(raw, Some("Key_of_Ours"));
        assert_eq!(code("ERR_BAD_REQUEST").as_deref(), Some("ERR_BAD_REQUEST"));
        for bad in ["0123456789abcdef01234567", "a b", "", "é"] {
            assert_eq!(code(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_code_with_a_key_in_it_is_no_code() {
        for bad in ["ERR_0123456789abcdef01234567", "key_0123456789abcdef01234567_x"] {
            assert_eq!(clean_code(bad, None), None, "{bad}");
        }
        assert_eq!(clean_code("ERR_Key_of_Ours", Some("Key_of_Ours")), None);
    }

    #[test]
    fn a_key_of_any_look_is_redacted_from_a_message() {
        let clean = |raw| clean_message_without(raw, Some("s3cr3t!key"));
        assert_eq!(clean("no s3cr3t!key."), "no [redacted].");
        assert_eq!(clean("s3cr\u{200B}3t!\u{202E}key"), "[redacted]");
        assert_eq!(
            clean(&format!("{} s3cr3t!key", "x".repeat(195))),
            format!("{} [red", "x".repeat(195))
        );
    }
}
