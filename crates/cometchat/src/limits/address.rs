//! Addresses: the API's own, and the avatar's.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest avatar or link, in characters.
pub const MAX_URL_CHARS: usize = 3000;
const MAX_BASE_URL: usize = 512;

/// Why an address cannot be the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBaseUrl {
    /// Neither `https://` nor `http://`.
    #[error("the base URL must begin with https://")]
    Scheme,
    /// `http://` to another machine would show the key to everybody on the way.
    #[error("the base URL may use http only for a loopback address")]
    PlainHttp,
    /// A user name or password in front of the host.
    #[error("the base URL must not contain a user name")]
    UserInfo,
    /// `?` or `#`.
    #[error("the base URL must not contain a query or fragment")]
    QueryOrFragment,
    /// No host, a bad port, a character that does not belong, or too long.
    #[error("the base URL is malformed")]
    Malformed,
}

/// CometChat's address of an app ("Data center hosting"): checked parts only.
pub fn base_url(app_id: &str, region: &str) -> String {
    format!("https://{app_id}.api-{region}.cometchat.io/v3")
}

/// 1 to 63 of `A-Z a-z 0-9 - _`, no hyphen at the ends: it becomes part of a host name.
pub fn valid_app_id(app_id: &str) -> bool {
    is_label(app_id, 63) && app_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// 1 to 16 of `a-z 0-9 -`, no hyphen at the ends. CometChat has `us`, `eu` and `in`, and
/// may add others.
pub fn valid_region(region: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    is_label(region, 16) && region.bytes().all(plain)
}

fn is_label(s: &str, max: usize) -> bool {
    (1..=max).contains(&s.len()) && !s.starts_with('-') && !s.ends_with('-')
}

/// An address that may be given the API key: https anywhere, http on loopback only.
/// Returned with scheme and host in lower case and without trailing slashes.
///
/// # Errors
/// [`BadBaseUrl`] says which rule it breaks.
pub fn check_base_url(url: &str) -> Result<String, BadBaseUrl> {
    if url.len() > MAX_BASE_URL || !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err(BadBaseUrl::Malformed);
    }
    let (scheme, rest) = url.split_once("://").ok_or(BadBaseUrl::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err(BadBaseUrl::Scheme);
    }
    if rest.contains(['?', '#']) {
        return Err(BadBaseUrl::QueryOrFragment);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(BadBaseUrl::UserInfo);
    }
    let authority = authority.to_ascii_lowercase();
    let host = host_of(&authority).ok_or(BadBaseUrl::Malformed)?;
    // SECURITY: the key travels in a header, so plain http must not leave the machine.
    if scheme == "http" && !is_loopback(host) {
        return Err(BadBaseUrl::PlainHttp);
    }
    let path = path.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let clean = |s: &str| !s.is_empty() && s != "." && s != "..";
    if !path.bytes().all(plain) || !path.split('/').skip(1).all(clean) {
        return Err(BadBaseUrl::Malformed);
    }
    Ok(format!("{scheme}://{authority}{path}"))
}

/// The address of a CONNECT proxy if it is `http://host:port` (80 without a port) and no more.
/// Returned without a trailing slash.
pub fn valid_proxy(url: &str) -> Option<String> {
    let authority = url.strip_prefix("http://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    // SECURITY: no user name and password, since the setting is shown to everybody.
    host_of(authority)?;
    Some(format!("http://{authority}"))
}

/// The URL if CometChat will take it: https, a host, no user name, nothing that a strict
/// URL parser refuses. Others are dropped by the caller, as a bad avatar would otherwise
/// make CometChat refuse the whole user.
pub fn valid_avatar(url: &str) -> Option<String> {
    valid_url(url, &["https"])
}

/// The same for a URL of any of these schemes.
pub fn valid_url(url: &str, schemes: &[&str]) -> Option<String> {
    if url.len() > MAX_URL_CHARS || !url.is_ascii() {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    host_of(&rest[..end].to_ascii_lowercase())?;
    let (head, fragment) = rest[end..].split_once('#').unwrap_or((&rest[end..], ""));
    let (path, query) = head.split_once('?').unwrap_or((head, ""));
    let fine = is_encoded(path, b"/") && is_encoded(query, b"/?[]") && is_encoded(fragment, b"/?");
    fine.then(|| url.to_owned())
}

/// RFC 3986 path characters plus `extra`, with well-formed percent escapes.
fn is_encoded(s: &str, extra: &[u8]) -> bool {
    let bytes = s.as_bytes();
    bytes.iter().enumerate().all(|(i, b)| match b {
        b'%' => bytes.get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)),
        b => b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(b) || extra.contains(b),
    })
}

/// The host of `host[:port]` when both are well-formed; brackets stay.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if let Some(port) = port.strip_prefix(':') {
        // Five digits at most: zeros in front would make an address of any length.
        let digits = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
        if !digits || !port.parse::<u16>().is_ok_and(|p| p > 0) {
            return None;
        }
    } else if !port.is_empty() {
        return None;
    }
    let known = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    };
    known.then_some(host)
}

fn is_host_name(host: &str) -> bool {
    let label = |l: &str| {
        is_label(l, 63) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    (1..=253).contains(&host.len()) && host.split('.').all(label)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
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
}
