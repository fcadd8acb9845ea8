//! Opens TCP connections without blocking: the first link of the connector chain.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::Error;

use crate::reuse;
use crate::tcp::{deadline, wait_for, Tcp};
use crate::wait::{Interest, Wait};

/// Every address gets at least this long before the next one is tried.
const MIN_PER_ADDRESS: Duration = Duration::from_millis(50);

/// Connects to the addresses that the resolver found, one after the other.
pub(crate) struct TcpConnector {
    pub(crate) waiter: Arc<dyn Wait>,
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, Tcp>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        reuse::note_connect();
        let stream = self.first_that_answers(&details.addrs, &details.timeout)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Tcp::new(stream, buffers, self.waiter.clone()))))
    }
}

impl TcpConnector {
    /// Shares what time there is: half of the rest for each address, all of it for the last.
    fn first_that_answers(
        &self,
        addrs: &[SocketAddr],
        timeout: &NextTimeout,
    ) -> Result<TcpStream, Error> {
        let until = deadline(timeout);
        let mut failure = Error::HostNotFound;
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
                Err(e) if concerns_one_address(&e) => failure = e,
                Err(e) => return Err(e),
            }
        }
        Err(failure)
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
            Err(e) if e.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => {
                wait_for(&*self.waiter, socket.as_fd(), Interest::Writable, until, timeout)?;
                if let Some(e) = socket.take_error()? {
                    return Err(e.into());
                }
            }
            Err(e) => return Err(e.into()),
        }
        Ok(socket.into())
    }
}

/// Whether the next address may still do: this one refused, has no route, or keeps silent.
fn concerns_one_address(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        Error::Io(e) => matches!(
            e.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
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
