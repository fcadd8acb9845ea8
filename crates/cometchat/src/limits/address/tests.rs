//! Which addresses are accepted, and as what.

use super::*;
use proptest::prelude::*;

#[test]
fn base_urls() {
    use BadBaseUrl::*;
    for (url, want) in [
        ("https://app.api-us.cometchat.io/v3/", Ok("https://app.api-us.cometchat.io/v3")),
        ("HTTPS://App.API-us.cometchat.io/v3", Ok("https://app.api-us.cometchat.io/v3")),
        ("https://api-eu.cometchat.io", Ok("https://api-eu.cometchat.io")),
        ("http://localhost:8080//", Ok("http://localhost:8080")),
        ("http://127.9.0.1:1/v3", Ok("http://127.9.0.1:1/v3")),
        ("http://[::1]:80", Ok("http://[::1]:80")),
        ("https://[2001:db8::1]/v3", Ok("https://[2001:db8::1]/v3")),
        ("http://example.com", Err(PlainHttp)),
        ("http://127.0.0.1.evil.example", Err(PlainHttp)),
        ("http://localhost.evil.example", Err(PlainHttp)),
        ("http://0x7f000001", Err(PlainHttp)),
        ("http://[::2]", Err(PlainHttp)),
        ("ftp://localhost", Err(Scheme)),
        ("localhost", Err(Scheme)),
        ("https://user:pw@host", Err(UserInfo)),
        ("https://localhost@evil.example/", Err(UserInfo)),
        ("https://host?x", Err(QueryOrFragment)),
        ("https://host#x", Err(QueryOrFragment)),
        ("https:///v3", Err(Malformed)),
        ("https://", Err(Malformed)),
        ("https://host:0", Err(Malformed)),
        ("https://host:99999", Err(Malformed)),
        ("https://host:", Err(Malformed)),
        ("https://host/a/../b", Err(Malformed)),
        ("https://host/a//b", Err(Malformed)),
        ("https://host\\evil", Err(Malformed)),
        (" https://host", Err(Malformed)),
        ("https://hö.st", Err(Malformed)),
        ("https://[::1]x", Err(Malformed)),
        ("https://]", Err(Malformed)),
    ] {
        assert_eq!(check_base_url(url), want.map(str::to_owned), "{url}");
    }
    assert!(check_base_url(&base_url("app1", "us")).is_ok());
}

#[test]
fn proxies() {
    for (url, want) in [
        ("http://127.0.0.1:3128", "http://127.0.0.1:3128"),
        ("http://Proxy.corp:3128/", "http://Proxy.corp:3128"),
        ("http://proxy", "http://proxy"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ] {
        assert_eq!(valid_proxy(url).as_deref(), Some(want));
    }
    for bad in [
        "",
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http:///",
        "http://user:secret@proxy:3128",
        "http://user@proxy",
        "http://@proxy",
        "http://proxy:3128/path",
        "http://proxy:3128//",
        "http://proxy:3128?x",
        "http://proxy:3128#x",
        "http://proxy:",
        "http://proxy:99999",
        "http://pro xy",
        "http://pröxy",
    ] {
        assert_eq!(valid_proxy(bad), None, "{bad}");
    }
}

#[test]
fn a_port_has_five_digits_at_most() {
    let long = format!("{}80", "0".repeat(300));
    for port in ["000080", long.as_str()] {
        assert_eq!(valid_proxy(&format!("http://proxy:{port}")), None, "{port}");
        assert_eq!(valid_avatar(&format!("https://a.example:{port}/x")), None, "{port}");
        let base = check_base_url(&format!("https://host:{port}"));
        assert_eq!(base, Err(BadBaseUrl::Malformed), "{port}");
    }
    assert!(valid_proxy("http://proxy:00080").is_some());
}

#[test]
fn app_ids_and_regions() {
    for good in ["1234567890abcdef", "App_1", "a-b"] {
        assert!(valid_app_id(good), "{good}");
    }
    let long = "a".repeat(64);
    for bad in ["", "-a", "a-", "a.b", "a/b", "a b", "é", long.as_str()] {
        assert!(!valid_app_id(bad), "{bad}");
    }
    assert!(valid_region("us") && valid_region("ap-1"));
    for bad in ["", "US", "us.evil", "us/", "-us", "abcdefghijklmnopq"] {
        assert!(!valid_region(bad), "{bad}");
    }
}

#[test]
fn avatars() {
    let long = format!("https://a.example/{}", "x".repeat(2982));
    for good in [
        "https://lh3.googleusercontent.com/a/AAcH_x=s96-c",
        "https://avatars.githubusercontent.com/u/1?v=4",
        "HTTPS://a.example:8443/%C3%A9?q[]=1#x",
        long.as_str(),
    ] {
        assert_eq!(valid_avatar(good).as_deref(), Some(good));
    }
    let longer = format!("{long}x");
    for bad in [
        "",
        "https://",
        "https:///x",
        "http://a.example/x",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "//a.example/x",
        "https://u:p@a.example/x",
        "https://a.example/x y",
        "https://a.example/\n",
        "https://a.example/%zz",
        "https://a.example/<x>",
        "https://a.example/é",
        "https://a..example/",
        "https\u{e9}://x",
        longer.as_str(),
    ] {
        assert_eq!(valid_avatar(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn never_panics(s in any::<String>(), t in "https?://[\\PC]{0,40}") {
        for url in [s, t] {
            let _ = valid_avatar(&url);
            if let Ok(base) = check_base_url(&url) {
                let again = check_base_url(&base);
                prop_assert_eq!(again, Ok(base));
            }
        }
    }
}
