//! An established TCP connection: reads and writes between waits that belong to the host.

use std::fmt;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use ureq::Error;

use crate::wait::{Interest, Wait};

/// How long a read waits in the kernel before the host is asked to wait (in whole ticks of the
/// kernel's clock, 10 ms at most). An answer that comes so soon, from a proxy on the same machine
/// say, is not worth the epoll set that each of Postgres's waits builds, nor poll(2)'s timer. What
/// would interrupt the host's wait is looked at before and after; a signal ends the read at once.
const INITIAL_READ_TIMEOUT: Duration = Duration::from_millis(1);

/// Bytes that are sent without waiting for more to send along with them.
const BATCH: usize = 16 * 1024;

/// For calls that must not block, on a socket that may.
const NONBLOCKING: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// ureq's view of one connection.
pub(crate) struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
    waiter: Arc<dyn Wait>,
    /// What waits to be sent. ureq hands over a request's head and its body one after the other
    /// (so does TLS, on top of it); in one piece they are one system call and one packet.
    unsent: Vec<u8>,
}

impl Tcp {
    /// `stream` must be connected.
    pub(crate) fn new(
        stream: TcpStream,
        buffers: LazyBuffers,
        waiter: Arc<dyn Wait>,
    ) -> io::Result<Self> {
        stream.set_read_timeout(Some(INITIAL_READ_TIMEOUT))?;
        stream.set_nonblocking(false)?;
        Ok(Tcp { stream, buffers, waiter, unsent: Vec::new() })
    }

    fn send(&mut self, until: Option<Instant>, timeout: &NextTimeout) -> Result<(), Error> {
        while !self.unsent.is_empty() {
            match SockRef::from(&self.stream).send_with_flags(&self.unsent, NONBLOCKING) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let fd = self.stream.as_fd();
                    wait_for(&*self.waiter, fd, Interest::Writable, until, timeout)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// The moment at which `timeout` runs out, if it ever does.
pub(crate) fn deadline(timeout: &NextTimeout) -> Option<Instant> {
    (!timeout.after.is_not_happening()).then(|| Instant::now() + *timeout.after)
}

/// One wait, with the running out of `timeout` as ureq's own error.
pub(crate) fn wait_for(
    waiter: &dyn Wait,
    fd: std::os::fd::BorrowedFd<'_>,
    interest: Interest,
    until: Option<Instant>,
    timeout: &NextTimeout,
) -> Result<(), Error> {
    match waiter.wait(fd, interest, until) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Timeout(timeout.reason)),
        Err(interrupted) => Err(Error::Io(interrupted.into())),
    }
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.unsent.extend_from_slice(&self.buffers.output()[..amount]);
        if self.unsent.len() < BATCH {
            return Ok(()); // an answer is awaited next, or more comes
        }
        let timeout = timeout.for_write();
        self.send(deadline(&timeout), &timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        let until = deadline(&timeout);
        if self.unsent.is_empty() {
            // A peer that never stops sending would otherwise keep us from ever waiting.
            self.waiter.check().map_err(io::Error::from)?;
        } else {
            self.send(until, &timeout)?;
        }
        loop {
            let read = (&self.stream).read(self.buffers.input_append_buf());
            match read {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                    self.waiter.check().map_err(io::Error::from)?;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let fd = self.stream.as_fd();
                    wait_for(&*self.waiter, fd, Interest::Readable, until, &timeout)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // An idle HTTP/1.1 connection has nothing to say: bytes or an end mean it is of no use.
        // Under TLS bytes may also have been read already, beyond what made up the answer.
        let mut probe = [MaybeUninit::uninit()];
        let mut peek = || SockRef::from(&self.stream).recv_with_flags(&mut probe, NONBLOCKING);
        self.buffers.input().is_empty()
            && matches!(peek(), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("peer", &self.stream.peer_addr().ok()).finish()
    }
}
