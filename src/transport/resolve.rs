//! Name resolution that cannot hang its caller: one look-up thread at a time, and a cache.
//!
//! `getaddrinfo` can neither be cancelled nor given a deadline, so it runs on a thread of its own
//! while the caller waits on an eventfd, as interruptibly as on a socket. A caller that gives up
//! leaves the thread to finish; the next call joins it instead of starting another.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::Error;

use crate::tcp::{deadline, wait_for};
use crate::wait::{Interest, Wait};

/// How long an answer is used without asking again.
const FRESH: Duration = Duration::from_secs(60);

/// The part of the remaining time that a look-up may use where an older answer is at hand.
const SHARE_WITH_FALLBACK: u32 = 2;

/// Finds the addresses of a name; blocks for as long as it takes. None found: an empty answer.
type LookUp = Arc<dyn Fn(&str, u16) -> Vec<SocketAddr> + Send + Sync>;

/// Looks names up for one agent.
pub(crate) struct CachingResolver {
    waiter: Arc<dyn Wait>,
    look_up: LookUp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, (Vec<SocketAddr>, Instant)>,
    in_flight: Option<Arc<Flight>>,
}

/// One look-up under way. The eventfd turns readable, for good, when `result` is there.
struct Flight {
    name: String,
    done: EventFd,
    result: OnceLock<Vec<SocketAddr>>,
}

impl State {
    /// Keeps what the look-up under way has found, once it is done, whoever started it: one that
    /// its caller gave up may well be the answer that the next caller needs.
    fn harvest(&mut self) {
        let Some(flight) = self.in_flight.take_if(|flight| flight.result.get().is_some()) else {
            return;
        };
        let addrs = flight.result.get().cloned().unwrap_or_default();
        if !addrs.is_empty() {
            self.known.insert(flight.name.clone(), (addrs, Instant::now()));
        }
    }
}

impl CachingResolver {
    pub(crate) fn new(waiter: Arc<dyn Wait>) -> Self {
        CachingResolver::asking(Arc::new(getaddrinfo), waiter)
    }

    fn asking(look_up: LookUp, waiter: Arc<dyn Wait>) -> Self {
        CachingResolver { waiter, look_up, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The lock is never held across anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str, not_older_than: Option<Duration>) -> Option<Vec<SocketAddr>> {
        let mut state = self.state();
        state.harvest();
        let (addrs, at) = state.known.get(name)?;
        not_older_than.is_none_or(|age| at.elapsed() < age).then(|| addrs.clone())
    }

    /// Joins the look-up under way, or starts one.
    fn flight(&self, name: &str, port: u16) -> Result<Arc<Flight>, Error> {
        let mut state = self.state();
        state.harvest();
        if let Some(flight) = &state.in_flight {
            return Ok(flight.clone());
        }
        let flight = Arc::new(Flight {
            name: name.to_owned(),
            done: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
                .map_err(std::io::Error::from)?,
            result: OnceLock::new(),
        });
        spawn(flight.clone(), port, self.look_up.clone())?;
        state.in_flight = Some(flight.clone());
        Ok(flight)
    }

    /// Waits for the name's addresses; an empty answer means that the name was not found.
    fn look_up(
        &self,
        name: &str,
        port: u16,
        until: Option<Instant>,
        timeout: &NextTimeout,
    ) -> Result<Vec<SocketAddr>, Error> {
        loop {
            let flight = self.flight(name, port)?;
            wait_for(&*self.waiter, flight.done.as_fd(), Interest::Readable, until, timeout)?;
            let Some(addrs) = flight.result.get() else { continue };
            self.state().harvest();
            // It may have been a look-up for another name (the proxy's) that was still under way.
            if flight.name == name {
                return Ok(addrs.clone());
            }
        }
    }
}

/// Runs `look_up` on a thread that takes no signals and ends with its answer.
fn spawn(flight: Arc<Flight>, port: u16, look_up: LookUp) -> Result<(), Error> {
    // A new thread inherits this mask. Without it the kernel could run the host's signal
    // handlers there, and Postgres's must only run on its main thread.
    let before =
        SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(std::io::Error::from)?;
    let spawned = thread::Builder::new()
        .name("cometchat-lookup".into())
        .stack_size(512 * 1024)
        .spawn(move || {
            let _ = flight.result.set(look_up(&flight.name, port)); // set once: this thread is the only writer
            let _ = flight.done.write(1); // cannot fail: the counter is at zero
        });
    before.thread_set_mask().map_err(std::io::Error::from)?;
    spawned.map(drop).map_err(Error::from)
}

fn getaddrinfo(name: &str, port: u16) -> Vec<SocketAddr> {
    (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("http") => 80,
            _ => 443,
        });
        let addrs = if let Some(addrs) = without_asking(host) {
            addrs.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
        } else {
            self.ask(host, port, timeout)?
        };
        let mut resolved = self.empty();
        // 16 is all that fits; no host of an API has that many.
        for addr in addrs.into_iter().take(16) {
            resolved.push(addr);
        }
        if resolved.is_empty() {
            return Err(Error::HostNotFound);
        }
        Ok(resolved)
    }
}

impl CachingResolver {
    fn ask(&self, name: &str, port: u16, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
        if let Some(addrs) = self.known(name, Some(FRESH)) {
            return Ok(with_port(addrs, port));
        }
        let older = self.known(name, None);
        let until = deadline(&timeout).map(|until| match older {
            Some(_) => {
                let now = Instant::now();
                now + until.saturating_duration_since(now) / SHARE_WITH_FALLBACK
            }
            None => until,
        });
        let answer = match self.look_up(name, port, until, &timeout) {
            Err(e) if crate::interrupted(&e) => return Err(e),
            Ok(addrs) if !addrs.is_empty() => return Ok(with_port(addrs, port)),
            Ok(_) => Err(Error::HostNotFound),
            Err(e) => Err(e),
        };
        // The resolver failed or is slow: the last good answer is better than none.
        older.map(|addrs| with_port(addrs, port)).map_or(answer, Ok)
    }
}

fn with_port(mut addrs: Vec<SocketAddr>, port: u16) -> Vec<SocketAddr> {
    addrs.iter_mut().for_each(|addr| addr.set_port(port));
    addrs
}

/// Addresses that need no look-up: literals, and `localhost` (RFC 6761 lets us know it).
fn without_asking(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    host.trim_matches(['[', ']']).parse().ok().map(|ip| vec![ip])
}

impl fmt::Debug for CachingResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachingResolver")
    }
}

#[cfg(test)]
mod tests;
