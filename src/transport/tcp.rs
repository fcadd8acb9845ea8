//! An established TCP connection: non-blocking reads and writes between waits.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use ureq::Error;

use crate::wait::{Interest, Wait};

/// ureq's view of one connection.
pub(crate) struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
    waiter: Arc<dyn Wait>,
    /// Something was sent since the last read: its answer cannot be here yet.
    sent: bool,
}

impl Tcp {
    /// `stream` must be non-blocking and connected.
    pub(crate) fn new(stream: TcpStream, buffers: LazyBuffers, waiter: Arc<dyn Wait>) -> Self {
        Tcp { stream, buffers, waiter, sent: false }
    }

    fn wait(&self, interest: Interest, timeout: &NextTimeout) -> Result<(), Error> {
        wait_for(&*self.waiter, self.stream.as_fd(), interest, deadline(timeout), timeout)
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
        let timeout = timeout.for_write();
        let until = deadline(&timeout);
        let mut sent = 0;
        self.sent = true;
        while sent < amount {
            match (&self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let fd = self.stream.as_fd();
                    wait_for(&*self.waiter, fd, Interest::Writable, until, &timeout)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        // A read that finds nothing costs as much as one that finds the answer.
        if std::mem::take(&mut self.sent) {
            self.wait(Interest::Readable, &timeout)?;
        }
        loop {
            let read = (&self.stream).read(self.buffers.input_append_buf());
            match read {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest::Readable, &timeout)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // An idle HTTP/1.1 connection has nothing to say: bytes or an end mean it is of no use.
        let mut probe = [0u8];
        matches!((&self.stream).read(&mut probe), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("peer", &self.stream.peer_addr().ok()).finish()
    }
}
