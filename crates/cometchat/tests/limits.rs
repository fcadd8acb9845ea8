//! CometChat's rules, for whatever a user, an operator or another program writes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stub;

use std::net::IpAddr;

use cometchat::limits::{
    base_url, check_base_url, clean_name, profile, valid_app_id, valid_avatar, valid_proxy,
    valid_region, MAX_NAME_UTF16, MAX_TAGS, MAX_URL_CHARS,
};
use proptest::prelude::*;
use stub::everything::cases;
use ureq::http::Uri;

/// Joiners, selectors, tags, flags, directions, fillers, separators, and the ends of ranges.
const ODD: &[char] = &[
    '\0',
    '\t',
    '\n',
    '\r',
    '\u{1b}',
    ' ',
    '\u{7f}',
    '\u{85}',
    '\u{a0}',
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{180e}',
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2069}',
    '\u{206f}',
    '\u{2800}',
    '\u{3000}',
    '\u{3164}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{fdd0}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{1f1e6}',
    '\u{1f1e8}',
    '\u{1f3f4}',
    '\u{1f468}',
    '\u{e0001}',
    '\u{e0061}',
    '\u{e007f}',
    '\u{e0100}',
    '\u{10ffff}',
    'a',
    'é',
    '\u{301}',
    'س',
];

fn any_text() -> impl Strategy<Value = String> {
    let c = prop_oneof![2 => prop::sample::select(ODD), 1 => any::<char>()];
    prop_oneof![prop::collection::vec(c.clone(), 0..30), prop::collection::vec(c, 80..240),]
        .prop_map(|chars| chars.into_iter().collect())
}

const PIECES: &[&str] = &[
    "http",
    "HTTPS",
    "https",
    "://",
    ":",
    "/",
    "//",
    "@",
    "u:p@",
    "?",
    "#",
    "%",
    "%41",
    "\\",
    ".",
    "..",
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[",
    "]",
    "evil.example",
    "Ex-ample_",
    "-",
    "é",
    " ",
    "\t",
    "\0",
    "0",
    "80",
    "65535",
    "65536",
    "00000000000080",
    "v3",
    "a",
    "\u{202e}",
];

fn any_url() -> impl Strategy<Value = String> {
    let tail = prop::collection::vec(prop::sample::select(PIECES), 0..7).prop_map(|p| p.concat());
    let start =
        prop::sample::select(vec!["", "http://", "https://", "HTTP://", "https://localhost"]);
    prop_oneof![
        8 => (start, tail).prop_map(|(start, tail)| format!("{start}{tail}")),
        1 => any_text(),
        1 => ("https?://[a-z]{1,9}(:0{0,600}[0-9]{1,5})?", "/?|/[/a-z]{0,3100}").prop_map(|(a, b)| a + &b),
    ]
}

fn plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_clean_name_is_short_visible_and_clean_already(raw in any_text()) {
        let Some(name) = clean_name(&raw) else { return Ok(()) };
        prop_assert_eq!(clean_name(&name), Some(name.clone()));
        prop_assert!(name.encode_utf16().count() <= MAX_NAME_UTF16);
        prop_assert!(!name.chars().any(char::is_control));
        let bidi = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!name.contains(bidi));
        prop_assert_eq!(name.split_whitespace().collect::<Vec<_>>().join(" "), name.clone());
        // Nothing is made up: what is left stood there, in this order.
        let mut rest = raw.chars();
        prop_assert!(name.chars().all(|c| rest.any(|r| r == c || (c == ' ' && r.is_whitespace()))));
    }

    #[test]
    fn what_follows_the_longest_name_does_not_change_it(raw in any_text(), tail in any_text()) {
        let long = format!("{}{raw}", "x".repeat(MAX_NAME_UTF16));
        prop_assert_eq!(clean_name(&format!("{long}{tail}")), Some("x".repeat(MAX_NAME_UTF16)));
    }

    #[test]
    fn an_avatar_is_an_https_address_as_it_was_given(url in any_url()) {
        let Some(avatar) = valid_avatar(&url) else { return Ok(()) };
        prop_assert_eq!(&avatar, &url);
        prop_assert!(avatar.len() <= MAX_URL_CHARS && plain(&avatar));
        let uri: Uri = avatar.split('#').next().unwrap_or_default().parse().unwrap();
        prop_assert_eq!(uri.scheme_str(), Some("https"));
        prop_assert!(!uri.authority().unwrap().as_str().contains('@'));
    }

    #[test]
    fn a_base_url_is_https_or_stays_on_this_machine(url in any_url()) {
        let Ok(base) = check_base_url(&url) else { return Ok(()) };
        prop_assert_eq!(check_base_url(&base), Ok(base.clone()));
        prop_assert!(base.len() <= 512 && plain(&base) && !base.ends_with('/'));
        // As those see it who open the connection.
        let uri: Uri = format!("{base}/users/ada").parse().unwrap();
        prop_assert!(!uri.authority().unwrap().as_str().contains('@') && uri.query().is_none());
        let host = uri.host().unwrap().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        prop_assert!(local || uri.scheme_str() == Some("https"), "{}", base);
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port(url in any_url()) {
        let Some(proxy) = valid_proxy(&url) else { return Ok(()) };
        prop_assert_eq!(valid_proxy(&proxy), Some(proxy.clone()));
        prop_assert!(proxy.len() <= 7 + 254 + 6 && plain(&proxy), "{}", proxy);
        let uri: Uri = proxy.parse().unwrap();
        prop_assert_eq!((uri.scheme_str(), uri.path()), (Some("http"), "/"));
        prop_assert!(!uri.authority().unwrap().as_str().contains('@'));
    }

    #[test]
    fn app_id_and_region_make_a_host_of_cometchats(
        app_id in prop_oneof!["[A-Za-z0-9_.-]{0,70}", any_text()],
        region in prop_oneof!["[a-z0-9.-]{0,18}", any_text()],
    ) {
        prop_assert!(!valid_app_id(&app_id) || (plain(&app_id) && app_id.len() <= 63));
        prop_assert!(!valid_region(&region) || (plain(&region) && region.len() <= 16));
        if valid_app_id(&app_id) && valid_region(&region) {
            let base = check_base_url(&base_url(&app_id, &region)).unwrap();
            let uri: Uri = base.parse().unwrap();
            prop_assert!(uri.host().unwrap().ends_with(".cometchat.io"));
        }
    }

    #[test]
    fn a_profile_of_any_text_is_judged(text in any_text(), count in 0usize..30) {
        let fields: &[(&str, profile::Check)] = &[
            ("name", profile::text), ("avatar", profile::avatar), ("link", profile::link),
            ("role", profile::role), ("tags", profile::tags), ("metadata", profile::metadata),
            ("statusMessage", profile::short_text),
        ];
        let check_profile = |json: &str| profile::check_profile(json, fields);
        let profile = serde_json::json!({ "name": text, "tags": vec![&text; count],
                                          "metadata": { &text: text } });
        let judged = check_profile(&profile.to_string());
        prop_assert!(judged.is_err() || count <= MAX_TAGS);
        if let Err(bad) = judged {
            let said = format!("{}{:?}", bad.message, bad.detail);
            prop_assert!(text.trim().chars().count() < 4 || !said.contains(text.trim()));
        }
        for key in ["avatar", "link", "role", "statusMessage", &text] {
            let _ = check_profile(&serde_json::json!({ key: text }).to_string());
        }
        let _ = check_profile(&text);
    }
}
