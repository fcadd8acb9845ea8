//! Display names: made acceptable instead of being refused.

/// CometChat counts an emoji as two characters, as UTF-16 does.
pub const MAX_NAME_UTF16: usize = 100;

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';
const BLACK_FLAG: char = '\u{1F3F4}';

/// A name without characters that hide or reorder text, with single spaces, at most 100
/// UTF-16 units. `None` when nothing visible is left. Reads no further than it needs.
pub fn clean_name(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len().min(4 * MAX_NAME_UTF16));
    let (mut units, mut space, mut in_flag) = (0, false, false);
    let mut cut_before = None;
    for c in raw.chars() {
        if is_space_like(c) {
            space = !out.is_empty();
            in_flag = false;
            continue;
        }
        // Tag characters hide text, except behind a black flag, where they say whose it is.
        in_flag = c == BLACK_FLAG || (in_flag && is_tag(c));
        if is_hidden(c) || (is_tag(c) && !in_flag) || (out.is_empty() && is_joiner(c)) {
            continue;
        }
        let needed = c.len_utf16() + usize::from(space);
        if units + needed > MAX_NAME_UTF16 {
            cut_before = Some(c);
            break;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        out.push(c);
        units += needed;
    }
    // Half a flag is a lone letter.
    if cut_before.is_some_and(is_regional) && !space {
        let run = out.chars().rev().take_while(|c| is_regional(*c)).count();
        if run % 2 == 1 {
            out.pop();
        }
    }
    // A joiner at the end joins nothing.
    out.truncate(out.trim_end_matches(|c| is_joiner(c) || c == ' ').len());
    out.chars().any(is_visible).then_some(out)
}

/// White space of any kind, line breaks included; becomes a space.
pub(crate) fn is_space_like(c: char) -> bool {
    c.is_whitespace()
}

/// Controls, direction overrides and isolates, and what takes no room on the screen. The
/// joiners U+200C and U+200D are not among them: emoji and several scripts need them.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}'
            | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            // Fillers that print as nothing, popular for "empty" names.
            | '\u{3164}' | '\u{FFA0}'
            | '\u{FDD0}'..='\u{FDEF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0001}')
}

fn is_joiner(c: char) -> bool {
    c == ZWJ || c == ZWNJ
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0020}'..='\u{E007F}')
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Something to see: not a joiner, a selector, a filler or the blank Braille pattern.
fn is_visible(c: char) -> bool {
    !matches!(c, ' ' | ZWNJ | ZWJ | '\u{115F}' | '\u{1160}' | '\u{2800}')
        && !matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}";
        let england = "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";
        let flagged = format!("{england} fan");
        for (raw, clean) in [
            ("Ada Lovelace", Some("Ada Lovelace")),
            ("  Ada\r\n\t Lovelace\u{3000}", Some("Ada Lovelace")),
            ("A\u{0}d\u{1b}[31ma", Some("Ad[31ma")),
            ("\u{202E}evil\u{2066}\u{200F}", Some("evil")),
            ("\u{FEFF}Ada\u{200B}\u{2060}", Some("Ada")),
            ("کتاب\u{200C}ها", Some("کتاب\u{200C}ها")),
            (family, Some(family)),
            (&flagged, Some(&flagged)),
            ("A\u{E0041}\u{E0042}", Some("A")),
            ("\u{200D}Ada\u{200D}", Some("Ada")),
            ("Ada\u{200D} \u{200C}", Some("Ada")),
            ("", None),
            (" \n", None),
            ("\u{200D}\u{200C}", None),
            ("\u{200D} \u{200D}", None),
            ("\u{3164}", None),
            ("\u{2800}\u{FE0F}", None),
        ] {
            assert_eq!(clean_name(raw).as_deref(), clean, "{raw:?}");
        }
    }

    #[test]
    fn cut() {
        let units = |s: &str| s.encode_utf16().count();
        assert_eq!(clean_name(&"x".repeat(1 << 20)).unwrap(), "x".repeat(100));
        assert_eq!(clean_name(&"\u{1F600}".repeat(80)).unwrap(), "\u{1F600}".repeat(50));
        // 99 units and an emoji: whole characters only.
        let odd = format!("{}\u{1F600}", "x".repeat(99));
        assert_eq!(clean_name(&odd).unwrap(), "x".repeat(99));
        // The cut falls behind a joiner.
        let joined = format!("{}\u{1F468}\u{200D}\u{1F469}", "x".repeat(97));
        assert_eq!(clean_name(&joined).unwrap(), format!("{}\u{1F468}", "x".repeat(97)));
        // The cut falls into a flag.
        let flag = format!("{}\u{1F1E9}\u{1F1EA}", "x".repeat(97));
        assert_eq!(clean_name(&flag).unwrap(), "x".repeat(97));
        // The cut falls behind a space.
        let spaced = format!("{} y", "x".repeat(99));
        assert_eq!(units(&clean_name(&spaced).unwrap()), 99);
        assert_eq!(clean_name(&"\u{200B}".repeat(1 << 18)), None);
    }

    proptest! {
        #[test]
        fn always_acceptable(raw in "[\\PC\\s\u{200B}-\u{200F}\u{1F1E6}-\u{1F1E8}\u{E0020}-\u{E0025}]{0,150}") {
            if let Some(name) = clean_name(&raw) {
                prop_assert!(name.encode_utf16().count() <= MAX_NAME_UTF16);
                prop_assert!(!name.chars().any(is_hidden));
                prop_assert_eq!(name.trim(), &name);
                prop_assert!(!name.contains("  "));
                let again = clean_name(&name);
                prop_assert_eq!(again.as_ref(), Some(&name));
            }
        }
    }
}
