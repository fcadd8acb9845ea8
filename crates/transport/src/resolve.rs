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
use ureq::unversioned::transport::NextTimeout;
use ureq::Error;

use crate::tcp::wait_for;
use crate::wait::{Interest, Wait};

/// How long an answer is used without asking again.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// How long the last good answer is used without asking again after a look-up failed.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The part of the remaining time that a look-up may use where an older answer is at hand.
const SHARE_WITH_FALLBACK: u32 = 2;

/// Finds the addresses of a name; blocks for as long as it takes. None found: an empty answer.
type LookUpFn = Arc<dyn Fn(&str, u16) -> Vec<SocketAddr> + Send + Sync>;

/// Looks names up for one agent.
pub(crate) struct CachingResolver {
    waiter: Arc<dyn Wait>,
    look_up: LookUpFn,
    /// Locked for moments only, by the threads that share the agent.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By name, for as long as the agent lives.
    known: HashMap<String, Known>,
    running: Option<Arc<Lookup>>,
}

/// The last good answer for a name, and until when it is not asked for again.
struct Known {
    addrs: Vec<SocketAddr>,
    fresh_until: Instant,
}

/// One running look-up, shared by its thread and the callers that wait for it. The eventfd turns
/// readable, for good, when `result` is there; the thread writes both, once.
struct Lookup {
    name: String,
    done: EventFd,
    result: OnceLock<Vec<SocketAddr>>,
}

/// What is known of a name.
enum Answer {
    Known(Vec<SocketAddr>),
    /// A look-up to wait for; perhaps for another name, since there is one at a time.
    Lookup(Arc<Lookup>),
}

impl State {
    /// Stores what the running look-up has found, once it is done. Its caller may have given up; the
    /// next caller may need the answer.
    fn store_finished(&mut self) {
        let Some(lookup) = self.running.take_if(|lookup| lookup.result.get().is_some()) else {
            return;
        };
        let addrs = lookup.result.get().cloned().unwrap_or_default();
        if !addrs.is_empty() {
            let known = Known { addrs, fresh_until: Instant::now() + FRESH_FOR };
            self.known.insert(lookup.name.clone(), known);
        }
    }
}

impl CachingResolver {
    pub(crate) fn new(waiter: Arc<dyn Wait>) -> Self {
        CachingResolver::with_look_up(Arc::new(getaddrinfo), waiter)
    }

    fn with_look_up(look_up: LookUpFn, waiter: Arc<dyn Wait>) -> Self {
        CachingResolver { waiter, look_up, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The lock is never held across anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last good answer, however old.
    fn last_good(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let mut state = self.state();
        state.store_finished();
        state.known.get(name).map(|known| known.addrs.clone())
    }

    /// A fresh answer, or else the running look-up, or a new one. Under one lock: the answer of a
    /// look-up that ends in between must not be asked for again.
    fn ask(&self, name: &str, port: u16) -> Result<Answer, Error> {
        let mut state = self.state();
        state.store_finished();
        let fresh = |known: &&Known| Instant::now() < known.fresh_until;
        if let Some(known) = state.known.get(name).filter(fresh) {
            return Ok(Answer::Known(known.addrs.clone()));
        }
        if let Some(lookup) = &state.running {
            return Ok(Answer::Lookup(lookup.clone()));
        }
        let lookup = Arc::new(Lookup {
            name: name.to_owned(),
            done: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
                .map_err(std::io::Error::from)?,
            result: OnceLock::new(),
        });
        spawn(lookup.clone(), port, self.look_up.clone())?;
        state.running = Some(lookup.clone());
        Ok(Answer::Lookup(lookup))
    }

    /// The name's addresses, waited for unless known; none: the name was not found.
    fn look_up(
        &self,
        name: &str,
        port: u16,
        until: Option<Instant>,
        timeout: &NextTimeout,
    ) -> Result<Vec<SocketAddr>, Error> {
        loop {
            let lookup = match self.ask(name, port)? {
                Answer::Known(addrs) => return Ok(addrs),
                Answer::Lookup(lookup) => lookup,
            };
            wait_for(&*self.waiter, lookup.done.as_fd(), Interest::Readable, until, timeout)?;
            let Some(addrs) = lookup.result.get() else { continue };
            self.state().store_finished();
            // It may have been a look-up for another name (the proxy's) that was still under way.
            if lookup.name == name {
                return Ok(addrs.clone());
            }
        }
    }
}

/// Runs `look_up` on a thread that takes no signals and ends with its answer.
fn spawn(lookup: Arc<Lookup>, port: u16, look_up: LookUpFn) -> Result<(), Error> {
    // A new thread inherits this mask. Without it the kernel could run the host's signal
    // handlers there, and Postgres's must only run on its main thread.
    let before =
        SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(std::io::Error::from)?;
    let spawned = thread::Builder::new()
        .name("cometchat-lookup".into())
        .stack_size(512 * 1024)
        .spawn(move || {
            let _ = lookup.result.set(look_up(&lookup.name, port)); // set once: this thread is the only writer
            let _ = lookup.done.write(1); // cannot fail: the counter is at zero
        });
    before.thread_set_mask().map_err(std::io::Error::from)?;
    spawned.map(drop).map_err(Error::from)
}

fn getaddrinfo(name: &str, port: u16) -> Vec<SocketAddr> {
    (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

impl CachingResolver {
    /// The addresses of a host, looked up by `until` unless they are known.
    pub(crate) fn addresses(
        &self,
        host: &str,
        port: u16,
        until: Option<Instant>,
        timeout: &NextTimeout,
    ) -> Result<Vec<SocketAddr>, Error> {
        if let Some(addrs) = resolve_literal(host) {
            return Ok(addrs.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        }
        let older = self.last_good(host);
        let until = until.map(|until| match older {
            Some(_) => {
                let now = Instant::now();
                now + until.saturating_duration_since(now) / SHARE_WITH_FALLBACK
            }
            None => until,
        });
        let answer = match self.look_up(host, port, until, timeout) {
            Err(e) if crate::interrupted(&e) => return Err(e),
            Ok(addrs) if !addrs.is_empty() => return Ok(with_port(addrs, port)),
            Ok(_) => Err(Error::HostNotFound),
            Err(e) => Err(e),
        };
        // The resolver failed or is slow: the last good answer is better than none.
        let Some(addrs) = older else { return answer };
        if let Some(known) = self.state().known.get_mut(host) {
            known.fresh_until = known.fresh_until.max(Instant::now() + RETRY_AFTER_FAILURE);
        }
        Ok(with_port(addrs, port))
    }
}

fn with_port(mut addrs: Vec<SocketAddr>, port: u16) -> Vec<SocketAddr> {
    addrs.iter_mut().for_each(|addr| addr.set_port(port));
    addrs
}

/// Addresses that need no look-up: literals, and `localhost` (RFC 6761 lets us know it).
fn resolve_literal(host: &str) -> Option<Vec<IpAddr>> {
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
