//! How to wait for a socket: the trait, and the waiter for ordinary threads.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

/// What a socket is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read, or the end of the stream.
    Readable,
    /// Room to write, or the outcome of a connect.
    Writable,
}

/// The host program wants the request to stop, now.
///
/// The transport carries it through ureq and rustls as an [`std::io::Error`] of kind `Other` around
/// one of kind `Interrupted`: on the bare kind both would simply try again, for ever.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl From<Interrupted> for std::io::Error {
    fn from(_: Interrupted) -> Self {
        std::io::Error::other(std::io::Error::from(std::io::ErrorKind::Interrupted))
    }
}

/// Whether a request failed because its waiter was interrupted.
pub fn interrupted(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(e) => {
            let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<std::io::Error>());
            inner.is_some_and(|inner| inner.kind() == std::io::ErrorKind::Interrupted)
        }
        _ => false,
    }
}

/// Waits on behalf of the transport.
pub trait Wait: Send + Sync + 'static {
    /// Returns `true` once `fd` is ready, `false` when `until` has passed.
    ///
    /// # Errors
    /// [`Interrupted`] when the request has to stop. It must keep coming back for the rest of
    /// that request: the layers above may ask again while they unwind.
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        until: Option<Instant>,
    ) -> Result<bool, Interrupted>;

    /// A look at what would interrupt a wait, without waiting.
    ///
    /// # Errors
    /// As those of [`Wait::wait`].
    fn check(&self) -> Result<(), Interrupted>;
}

/// Whether `fd` is ready, without waiting.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, interest: Interest) -> bool {
    poll(&mut [PollFd::new(fd, flags(interest))], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Readable => PollFlags::POLLIN,
        Interest::Writable => PollFlags::POLLOUT,
    }
}

/// Waits with `poll(2)`; becomes interrupted for good when `stop` turns readable.
#[derive(Clone, Debug, Default)]
pub struct PollWait {
    stop: Option<Arc<OwnedFd>>,
}

impl PollWait {
    /// A waiter that stops every request once `stop` (an eventfd, say) is readable.
    pub fn stopped_by(stop: Arc<OwnedFd>) -> Self {
        PollWait { stop: Some(stop) }
    }
}

impl Wait for PollWait {
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        until: Option<Instant>,
    ) -> Result<bool, Interrupted> {
        let socket = PollFd::new(fd, flags(interest));
        let (mut alone, mut both);
        let fds = match &self.stop {
            None => {
                alone = [socket];
                &mut alone[..]
            }
            Some(stop) => {
                both = [socket, PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
                &mut both[..]
            }
        };
        loop {
            let timeout = match until {
                None => PollTimeout::NONE,
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    // Rounded up: waking a fraction of a millisecond early would spin.
                    PollTimeout::try_from(left.as_millis() + u128::from(!left.is_zero()))
                        .unwrap_or(PollTimeout::MAX)
                }
            };
            match poll(fds, timeout) {
                Ok(0) if until.is_some_and(|until| Instant::now() >= until) => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {
                    let stopped = fds.get(1).and_then(PollFd::any).unwrap_or(false);
                    return if stopped { Err(Interrupted) } else { Ok(true) };
                }
                // Only a bad descriptor or no memory are left; the read that follows reports it.
                Err(_) => return Ok(true),
            }
        }
    }

    fn check(&self) -> Result<(), Interrupted> {
        let Some(stop) = &self.stop else { return Ok(()) };
        let mut stop = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        match poll(&mut stop, PollTimeout::ZERO) {
            Ok(n) if n > 0 => Err(Interrupted),
            _ => Ok(()),
        }
    }
}
