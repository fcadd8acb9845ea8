//! What counts as an address or a telephone number, and what does not.

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
