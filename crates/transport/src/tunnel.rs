//! Asks an http proxy for a tunnel (CONNECT), within the time that connecting has.
//!
//! Not ureq's own `ConnectProxyConnector`: that one resolves names by itself and gives each step the
//! whole time span.

use std::time::Instant;

use ureq::http::Uri;
use ureq::unversioned::transport::{NextTimeout, Transport};
use ureq::Error;

use crate::tcp::Tcp;

/// Bytes of the proxy's answer that are read before it is given up.
const MAX_HEAD: usize = 8 * 1024;

/// A name (or a literal address, IPv6 in brackets) and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Host {
    /// Where a request for `uri` goes.
    pub(crate) fn from_uri(uri: &Uri) -> Result<Host, Error> {
        let name = uri.host().ok_or(Error::HostNotFound)?.to_owned();
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        Ok(Host { name, port })
    }
}

/// Makes `proxy` pass on everything from now on, to `target`.
pub(crate) fn open(
    proxy: &mut Tcp,
    target: &Host,
    until: Option<Instant>,
    timeout: &NextTimeout,
) -> Result<(), Error> {
    let Host { name, port } = target;
    let request = format!("CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
    let output = proxy.buffers().output();
    let room = output.get_mut(..request.len()).ok_or(Error::HostNotFound)?; // no name is as long
    room.copy_from_slice(request.as_bytes());
    proxy.transmit_output(request.len(), remaining(until, timeout))?;
    loop {
        let more = proxy.await_input(remaining(until, timeout))?;
        let head = proxy.buffers().input();
        if let Some(end) = end_of_head(head) {
            // Nothing was sent to the target yet: bytes after the head are not its answer, and would
            // be taken for the answer to a request that is sent later.
            let accepted = head.len() == end
                && status(head).is_some_and(|status| (200..300).contains(&status));
            proxy.buffers().input_consume(end);
            return if accepted { Ok(()) } else { Err(refused()) };
        }
        if !more || head.len() > MAX_HEAD {
            return Err(refused());
        }
    }
}

/// `timeout`, ending at the moment that was fixed when connecting began.
fn remaining(until: Option<Instant>, timeout: &NextTimeout) -> NextTimeout {
    match until {
        Some(until) => {
            let after = until.saturating_duration_since(Instant::now()).into();
            NextTimeout { after, ..*timeout }
        }
        None => *timeout,
    }
}

fn refused() -> Error {
    Error::ConnectProxyFailed("no tunnel".into())
}

/// The length of the head with the empty line that ends it, once that is there.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// `HTTP/1.1 200 Connection established`: the number.
fn status(head: &[u8]) -> Option<u16> {
    let [minor, b' ', status @ .., end] = head.strip_prefix(b"HTTP/1.")?.first_chunk::<6>()? else {
        return None;
    };
    // `parse` would take a sign; a fourth digit would make another number of it.
    let digits = minor.is_ascii_digit() && status.iter().all(u8::is_ascii_digit);
    if !digits || !matches!(end, b' ' | b'\r') {
        return None;
    }
    std::str::from_utf8(status).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_status_is_read_from_an_http_1_answer_only() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n"), Some(407));
        for bad in ["HTTP/2 200\r\n\r\n", "HTTP/1.1", "HTTP/1.1 2x0\r\n", "220 smtp ready\r\n", ""]
        {
            assert_eq!(status(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_status_has_three_digits_and_ends_there() {
        assert_eq!(status(b"HTTP/1.1 200\r\n\r\n"), Some(200));
        for bad in [
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1 200OK\r\n",
            "HTTP/1.1 200",
            "HTTP/1.1 +20 OK\r\n",
            "HTTP/1.x 200 OK\r\n",
        ] {
            assert_eq!(status(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
