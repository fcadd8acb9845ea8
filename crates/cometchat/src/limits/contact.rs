//! Addresses and phone numbers inside a text that is meant to be a public name.
//!
//! One rule, which prefers privacy to prettiness: an `@` with something directly in front of it and
//! no white space behind it is an address. Everything that is not seen is taken out first, letters
//! of compatibility (full width, say) become ordinary ones, and an `@` may be spelled as in a URL,
//! in HTML or in JSON. So `ada@example.com`, `me@home`, `ada@` (the rest was cut off), `M@tt` and
//! `@ada@social.example` are addresses; `@ada`, `Ada (@ada)`, `Ada @ Work` and `Team @ Foo` are not.

use unicode_normalization::UnicodeNormalization;

use super::name::{is_hidden, MAX_NAME_UTF16};

/// What is looked at, in visible characters: an address that begins in the part of a name that is
/// kept ends before that. (The longest has 320 characters.)
const MOST: usize = MAX_NAME_UTF16 + 400;

/// Other spellings of `@`.
const SPELLED: [&str; 8] =
    ["%40", "&#64;", "&#064;", "&#x40;", "&#x0040;", "&commat;", "\\u0040", "\\x40"];

/// Fewer digits than these are no telephone number.
const SHORTEST_PHONE: usize = 7;

/// A name that shows an e-mail address, a whole one or the beginning of one.
pub fn shows_address(name: &str) -> bool {
    // As it is written too: some letters of compatibility stand for a space and an accent.
    let written: String = visible(name).collect();
    has_address(&written) || has_address(&plain(name))
}

/// A name that shows this very address, white space in it or not.
pub fn shows(name: &str, address: &str) -> bool {
    let squeeze =
        |text: &str| -> String { plain(text).chars().filter(|c| !c.is_whitespace()).collect() };
    let name = squeeze(name);
    // Only what is longer than that could lose its `@` below.
    if address.len() <= MOST && address.contains('@') && !name.contains('@') {
        return false;
    }
    let address = squeeze(address);
    match address.contains('@') {
        true => name.contains(&address),
        false => !address.is_empty() && name == address,
    }
}

/// A name that is, or has in it, this telephone number, in whatever way it is written.
pub fn shows_phone(name: &str, phone: &str) -> bool {
    let (name, phone) = (plain(name), digits(&plain(phone)));
    if phone.len() < SHORTEST_PHONE {
        return false;
    }
    let found = digits(&name);
    // As it is dialled inside its country.
    let local = found.trim_start_matches('0');
    let is_number = local.len() >= SHORTEST_PHONE && !name.chars().any(char::is_alphabetic);
    found.contains(&phone) || (is_number && phone.ends_with(local))
}

fn has_address(text: &str) -> bool {
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '@' && before.is_some_and(ends_a_word) {
            // Nothing behind it: the rest of the address was cut off.
            if chars.peek().is_none_or(|next| !next.is_whitespace()) {
                return true;
            }
        }
        before = Some(c);
    }
    false
}

/// Neither white space nor what opens or separates and ends no local part: `(@ada)` is a handle.
fn ends_a_word(c: char) -> bool {
    !c.is_whitespace() && !"@<([,;:".contains(c)
}

/// What is seen of a text, as far as it may become a name.
fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !is_unseen(*c)).take(MOST)
}

/// The same in ordinary letters, lower case, with `@` for its other spellings.
fn plain(text: &str) -> String {
    let mut plain: String = match text.is_ascii() {
        // Nothing to put together or to take apart: nearly every name, at every login.
        true => visible(text).map(|c| c.to_ascii_lowercase()).collect(),
        false => {
            visible(text).nfkc().filter(|c| !is_unseen(*c)).flat_map(char::to_lowercase).collect()
        }
    };
    if !plain.contains(['%', '&', '\\']) {
        return plain;
    }
    // Escaped twice, or more often: each round makes it shorter.
    while plain.contains("%25") || plain.contains("&amp;") {
        plain = plain.replace("%25", "%").replace("&amp;", "&");
    }
    for spelled in SPELLED {
        if plain.contains(spelled) {
            plain = plain.replace(spelled, "@");
        }
    }
    plain
}

/// Takes no room on the screen, or prints as nothing.
fn is_unseen(c: char) -> bool {
    (is_hidden(c) && !c.is_whitespace())
        || matches!(c,
            '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200C}' | '\u{200D}' | '\u{2800}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The decimal digits of the scripts that telephone numbers are written in.
fn digits(text: &str) -> String {
    let ascii = |c: char| {
        let zero = match c {
            '0'..='9' => '0',
            '\u{660}'..='\u{669}' => '\u{660}',
            '\u{6F0}'..='\u{6F9}' => '\u{6F0}',
            '\u{966}'..='\u{96F}' => '\u{966}',
            '\u{9E6}'..='\u{9EF}' => '\u{9E6}',
            _ => return None,
        };
        char::from_digit(u32::from(c) - u32::from(zero), 10)
    };
    text.chars().filter_map(ascii).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::clean_name;
    use proptest::prelude::*;

    #[test]
    fn what_is_an_address() {
        for address in [
            "ada@example.com",
            "ada@example",
            "me@home",
            "ada@",
            "(ada@)",
            "Ada <ada@example.com>",
            "\"Ada Lovelace\"@example.com",
            "ada@[192.0.2.1]",
            "mailto:ada@example.com",
            "ada\u{200d}@\u{200c}example.com",
            "a\u{ad}da@\u{2060}exa\u{feff}mple.com",
            "ada\u{2800}@\u{3164}example.com",
            "ada@\u{fe0f}example.com",
            "ada\u{e0040}@example.com",
            "ada\u{0}@\u{7}example.com",
            "ada＠example.com",
            "ada﹫example.com",
            "ｍａｉｌｔｏ％３Ａａｄａ％４０ｅｘａｍｐｌｅ",
            "ada%40example.com",
            "ada%252540example.com",
            "ada&#64;example.com",
            "ada&amp;commat;example.com",
            "ada\\u0040example.com",
            "用户@例子.公司",
            "@ada@social.example",
            "M@tt",
            "\u{1F600}@ada",
        ] {
            assert!(shows_address(address), "{address:?}");
            let padded = format!("{}{address}", "\u{200b}".repeat(1 << 16));
            assert!(shows_address(&padded), "{address:?} behind what is not seen");
        }
    }

    #[test]
    fn what_is_none() {
        for name in [
            "",
            "@",
            "@ada",
            "Ada @ Work",
            "Team @ Foo",
            "Ada @work",
            "Ada (@ada)",
            "Ada, @ada",
            "Ada: @ada",
            "@@",
            "100%",
            "Ada %4",
            "AT&T",
            "Ada & Bob",
            "Ada Lovelace",
        ] {
            assert!(!shows_address(name), "{name:?}");
        }
    }

    #[test]
    fn ones_own_address_may_have_white_space_in_it() {
        assert!(shows("Ada @ Example . COM", "ada@example.com"));
        assert!(shows("ÄDA @example.com", "äda@example.com"));
        assert!(shows("root", "ROOT"), "where an address has no @");
        assert!(!shows("root of all", "root"));
        assert!(!shows("Ada @ Work", "ada@example.com"));
        assert!(!shows("Ada", ""));
    }

    #[test]
    fn ones_own_number_in_any_writing() {
        let own = "447700900123";
        for name in [
            "+44 7700 900123",
            "(0044)7700-900-123",
            "07700 900123",
            "7700900123",
            "٤٤٧٧٠٠٩٠٠١٢٣",
            "Ada 447700900123",
            "４４７７００９００１２３",
            "44\u{200b}7700900123",
        ] {
            assert!(shows_phone(name, own), "{name:?}");
        }
        for name in ["", "Ada", "900123", "Ada 7700900123456", "447700900124", "Route 66"] {
            assert!(!shows_phone(name, own), "{name:?}");
        }
        assert!(!shows_phone("Agent 007", "007"), "no telephone number");
        assert!(!shows_phone("0000000", ""));
    }

    /// Letters of an address, each of which may be written so that it looks the same.
    fn disguised(address: String) -> impl Strategy<Value = String> {
        let length = address.chars().count();
        let hidden = prop::sample::select(vec![
            "",
            "",
            "",
            "\u{200d}",
            "\u{200c}",
            "\u{ad}",
            "\u{2060}",
            "\u{feff}",
            "\u{200b}",
            "\u{202e}",
            "\u{0}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{e0041}",
            "\u{34f}",
        ]);
        let letters = prop::collection::vec((0u8..4, hidden), length);
        letters.prop_map(move |ways| {
            let mut out = String::new();
            for (c, (way, hidden)) in address.chars().zip(ways) {
                match way {
                    1 if c.is_ascii_graphic() => {
                        out.extend(char::from_u32(u32::from(c) + 0xFEE0)) // full width
                    }
                    2 => out.extend(c.to_uppercase()),
                    3 if c == '@' => out.push_str("%40"),
                    _ => out.push(c),
                }
                out.push_str(hidden);
            }
            out
        })
    }

    fn any_address() -> impl Strategy<Value = String> {
        let local = "[a-z0-9][a-z0-9.!#$%&'*+/=?^_`{|}~-]{0,30}";
        let domain = "[a-z0-9]{1,20}(\\.[a-z0-9-]{1,10}){0,3}";
        (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever stands around it, and wherever the name is cut.
        #[test]
        fn nothing_of_an_address_is_sent(
            (address, disguised) in any_address().prop_flat_map(|a| (Just(a.clone()), disguised(a))),
            before in "[\\PC\\s\u{200B}-\u{200F}]{0,120}",
            after in "[\\PC\\s\u{200B}-\u{200F}]{0,40}",
        ) {
            let raw = format!("{before}{disguised}{after}");
            if let Some(sent) = super::super::public_name(&raw, &Default::default()) {
                // Looked at by other means: the letters that are left when all else is taken away.
                let bare = |text: &str| -> String {
                    text.chars().nfkc().flat_map(char::to_lowercase)
                        .filter(|c| c.is_ascii_alphanumeric() || *c == '@').collect()
                };
                let local = bare(address.split('@').next().unwrap());
                let shown = bare(&sent).replace("40", "@");
                prop_assert!(!shown.contains(&format!("{}@", local.replace("40", "@"))), "{sent:?}");
            }
        }

        #[test]
        fn a_name_without_an_at_sign_is_as_before(raw in "[\\p{L} .'-]{0,120}") {
            prop_assert_eq!(super::super::public_name(&raw, &Default::default()), clean_name(&raw));
        }

        #[test]
        fn never_panics(raw in any::<String>(), other in any::<String>()) {
            let _ = (shows_address(&raw), shows(&raw, &other), shows_phone(&raw, &other));
        }
    }
}
