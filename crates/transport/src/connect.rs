//! Opens connections without blocking: looks the name up, connects, asks the proxy for a tunnel.
//! The first link of the connector chain.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use ureq::unversioned::transport::{time, ConnectionDetails, Connector, LazyBuffers, NextTimeout};
use ureq::Error;

use crate::resolve::CachingResolver;
use crate::reuse;
use crate::tcp::{wait_for, Tcp};
use crate::tunnel::{self, Host};
use crate::wait::{is_ready, Interest, Wait};

/// Every address gets at least this long before the next one is tried.
const MIN_PER_ADDRESS: Duration = Duration::from_millis(50);

/// Connects to where the request goes, or to the proxy.
///
/// Names are looked up here and not by ureq's resolver, which is asked for every request, also
/// where a kept connection will be used: it would have to wait for a name server that hangs.
pub(crate) struct TcpConnector {
    pub(crate) waiter: Arc<dyn Wait>,
    pub(crate) names: Arc<CachingResolver>,
    pub(crate) proxy: Option<Host>,
}

impl Connector<()> for TcpConnector {
    type Out = Tcp;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Tcp>, Error> {
        reuse::note_connect();
        // One moment for everything up to the connection's first byte: ureq's own timeout is a
        // time span, which each step would begin anew.
        let until = connect_deadline(details);
        let timeout = &details.timeout;
        let target = Host::from_uri(details.uri)?;
        let next = self.proxy.as_ref().unwrap_or(&target);
        let addrs = self.names.addresses(&next.name, next.port, until, timeout)?;
        let stream = self.connect_any(&addrs, until, timeout)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let mut tcp = Tcp::new(stream, buffers, self.waiter.clone())?;
        if self.proxy.is_some() {
            tunnel::open(&mut tcp, &target, until, timeout)?;
        }
        Ok(Some(tcp))
    }
}

/// When the time for connecting is over, TLS included.
fn connect_deadline(details: &ConnectionDetails) -> Option<Instant> {
    match details.now + details.timeout.after {
        time::Instant::Exact(until) => Some(until),
        time::Instant::AlreadyHappened => Some(Instant::now()),
        time::Instant::NotHappening => None,
    }
}

impl TcpConnector {
    /// Connects to the first address that answers. Each address gets half of the time that is left, the
    /// last one all of it.
    fn connect_any(
        &self,
        addrs: &[SocketAddr],
        until: Option<Instant>,
        timeout: &NextTimeout,
    ) -> Result<TcpStream, Error> {
        let mut failure = None;
        for (i, addr) in addrs.iter().enumerate() {
            let now = Instant::now();
            let try_until = match until {
                Some(until) if i + 1 < addrs.len() => {
                    let share = until.saturating_duration_since(now) / 2;
                    Some((now + share.max(MIN_PER_ADDRESS)).min(until))
                }
                until => until,
            };
            match self.connect_one(*addr, try_until, timeout) {
                Ok(stream) => return Ok(stream),
                // That one address is unreachable explains less than what another address did.
                Err(e) if is_unreachable(&e) => failure = failure.or(Some(e)),
                Err(e) if is_refusal_or_timeout(&e) => {
                    failure = failure.filter(|earlier| !is_unreachable(earlier)).or(Some(e));
                }
                Err(e) => return Err(e),
            }
        }
        Err(failure.unwrap_or(Error::HostNotFound))
    }

    fn connect_one(
        &self,
        addr: SocketAddr,
        until: Option<Instant>,
        timeout: &NextTimeout,
    ) -> Result<TcpStream, Error> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(addr)) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {
                // To a proxy on the same machine, say, it is there already: see INITIAL_READ_TIMEOUT.
                if !is_ready(socket.as_fd(), Interest::Writable) {
                    wait_for(&*self.waiter, socket.as_fd(), Interest::Writable, until, timeout)?;
                }
                if let Some(e) = socket.take_error()? {
                    return Err(e.into());
                }
            }
            Err(e) => return Err(e.into()),
        }
        Ok(socket.into())
    }
}

/// Whether this machine has no route to such an address: one of a family that it lacks, say.
fn is_unreachable(error: &Error) -> bool {
    let Error::Io(e) = error else { return false };
    e.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
        || matches!(
            e.kind(),
            io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::PermissionDenied
        )
}

/// Whether only this address failed: it refused the connection, or did not answer in time.
fn is_refusal_or_timeout(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        Error::Io(e) => matches!(
            e.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::TimedOut
        ),
        _ => false,
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TcpConnector")
    }
}

#[cfg(test)]
mod tests;
