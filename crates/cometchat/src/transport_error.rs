//! ureq's errors, reduced to ours. Nothing of their texts is kept: they may hold addresses.

use std::error::Error as StdError;
use std::io;

use crate::error::Error;

/// Where in the exchange an error happened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Until the head of the answer was complete.
    Head,
    /// While reading the body of an answer with this status.
    Body(u16),
}

/// Our view of ureq's error.
///
/// A body that ends early, by a reset or a close, is `Network` ("answer cut off"): a broken
/// connection says nothing about who answered. A violated protocol is `NotCometChat`.
pub(crate) fn translate(e: &ureq::Error, phase: Phase) -> Error {
    // The transport's own error may come wrapped: TLS passes errors through `io::Error`,
    // and retries the `Interrupted` kind by itself, so a transport may have to hide it.
    if let Some(kind) = io_kind(e) {
        return from_io(kind, phase);
    }
    match e {
        ureq::Error::Timeout(_) => Error::Timeout,
        ureq::Error::HostNotFound => network("name not found"),
        ureq::Error::Tls(_)
        | ureq::Error::TlsRequired
        | ureq::Error::Pem(_)
        | ureq::Error::Rustls(_) => network("tls"),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => network("proxy"),
        ureq::Error::LargeResponseHeader(_, limit) => Error::TooLarge { limit: *limit as u64 },
        ureq::Error::BodyExceedsLimit(limit) => Error::TooLarge { limit: *limit },
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::Http(_) => {
            Error::InvalidRequest { what: "address" }
        }
        ureq::Error::Protocol(_) => {
            let status = if let Phase::Body(status) = phase { status } else { 0 };
            Error::NotCometChat { status, what: "not HTTP" }
        }
        _ => network("connection failed"),
    }
}

/// The connection broke before the head of an answer was complete: what a kept-alive
/// connection does when the server closed it in the meantime.
pub(crate) fn looks_stale(e: &ureq::Error) -> bool {
    use io::ErrorKind::*;
    let broken = [ConnectionReset, ConnectionAborted, BrokenPipe, UnexpectedEof];
    io_kind(e).is_some_and(|kind| broken.contains(&kind))
}

fn from_io(kind: io::ErrorKind, phase: Phase) -> Error {
    use io::ErrorKind::*;
    match kind {
        // ureq says NotConnected when its agent has been shut down by the host.
        Interrupted | NotConnected => Error::Interrupted,
        TimedOut | WouldBlock => Error::Timeout,
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
            if phase != Phase::Head =>
        {
            network("answer cut off")
        }
        UnexpectedEof => network("connection closed"),
        ConnectionReset | ConnectionAborted | BrokenPipe => network("connection reset"),
        ConnectionRefused => network("connection refused"),
        NotFound => network("name not found"),
        HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => {
            network("no route")
        }
        PermissionDenied => network("not permitted"),
        // rustls reports refused certificates and broken records this way.
        InvalidData => network("tls"),
        _ => network("connection failed"),
    }
}

fn network(what: &'static str) -> Error {
    Error::Network { what }
}

/// The kind of the innermost `io::Error`, if one is at the bottom.
fn io_kind(e: &ureq::Error) -> Option<io::ErrorKind> {
    match e {
        ureq::Error::Io(io) => inner_kind(io),
        ureq::Error::Other(other) => from_dyn(other.as_ref()),
        _ => None,
    }
}

fn inner_kind(e: &io::Error) -> Option<io::ErrorKind> {
    match e.get_ref() {
        Some(inner) if e.kind() == io::ErrorKind::Other => from_dyn(inner),
        _ => Some(e.kind()),
    }
}

fn from_dyn(e: &(dyn StdError + Send + Sync + 'static)) -> Option<io::ErrorKind> {
    if let Some(io) = e.downcast_ref::<io::Error>() {
        inner_kind(io)
    } else {
        e.downcast_ref::<ureq::Error>().and_then(io_kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> ureq::Error {
        ureq::Error::Io(io::Error::new(kind, "x"))
    }

    #[test]
    fn an_interrupt_is_found_however_wrapped() {
        let bare = || io::Error::new(io::ErrorKind::Interrupted, "cancel");
        for e in [
            ureq::Error::Io(bare()),
            ureq::Error::Other(Box::new(bare())),
            ureq::Error::Io(io::Error::other(bare())),
            ureq::Error::Io(io::Error::other(ureq::Error::Other(Box::new(bare())))),
        ] {
            assert!(matches!(translate(&e, Phase::Head), Error::Interrupted), "{e:?}");
        }
    }

    #[test]
    fn table() {
        for (kind, head, body) in [
            (io::ErrorKind::ConnectionRefused, "connection refused", "connection refused"),
            (io::ErrorKind::ConnectionReset, "connection reset", "answer cut off"),
            (io::ErrorKind::UnexpectedEof, "connection closed", "answer cut off"),
            (io::ErrorKind::HostUnreachable, "no route", "no route"),
            (io::ErrorKind::InvalidData, "tls", "tls"),
            (io::ErrorKind::Other, "connection failed", "connection failed"),
        ] {
            for (phase, want) in [(Phase::Head, head), (Phase::Body(200), body)] {
                let e = translate(&io(kind), phase);
                assert!(matches!(e, Error::Network { what } if what == want), "{kind:?} {e}");
            }
        }
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock] {
            assert!(matches!(translate(&io(kind), Phase::Head), Error::Timeout));
        }
        let not_found = translate(&ureq::Error::HostNotFound, Phase::Head);
        assert!(matches!(not_found, Error::Network { what: "name not found" }));
        assert!(looks_stale(&io(io::ErrorKind::BrokenPipe)));
        assert!(!looks_stale(&io(io::ErrorKind::ConnectionRefused)));
    }
}
