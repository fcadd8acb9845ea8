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
    if cannot_have_at(name) {
        return false;
    }
    // As it is written too: some letters of compatibility stand for a space and an accent.
    let written: String = visible(name).collect();
    has_address(&written) || has_address(&plain(name))
}

/// Neither an `@` nor what may stand for one: nearly every name, at every login.
fn cannot_have_at(name: &str) -> bool {
    name.is_ascii() && !name.contains(['@', '%', '&', '\\'])
}

/// A name that shows this very address, white space in it or not.
pub fn shows(name: &str, address: &str) -> bool {
    let squeeze =
        |text: &str| -> String { plain(text).chars().filter(|c| !c.is_whitespace()).collect() };
    // Only what is longer than that could lose its `@` below.
    let keeps_at = address.len() <= MOST && address.contains('@');
    if keeps_at && cannot_have_at(name) {
        return false;
    }
    let name = squeeze(name);
    if keeps_at && !name.contains('@') {
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
mod tests;
