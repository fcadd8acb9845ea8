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
    /// `http://` to another machine would show the key to every machine on the way.
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
    // SECURITY: no user name and password, since every role may see the setting.
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
mod tests;
