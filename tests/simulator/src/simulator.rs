//! The handle of a running simulator.

use crate::app_view::AppView;
use crate::builder::Builder;
use crate::faults::{Fault, FaultStatus};
use crate::net::switch::ListenerState;
use crate::settings::{Limits, Settings};
use crate::shared::{lock, Filter, Shared};
use crate::state::counters::Counters;
use crate::state::journal::Recorded;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What the builder hands over.
pub struct Parts {
    pub shared: Arc<Shared>,
    /// `None` once dropping has begun.
    pub runtime: Option<Runtime>,
    pub address: SocketAddr,
    pub control_address: Option<SocketAddr>,
    pub https: bool,
    /// The path, and whether the file goes with the simulator.
    pub ca_file: Option<(PathBuf, bool)>,
}

/// A running simulator. It stops, its port free again, when dropped.
pub struct Simulator {
    parts: Parts,
}

impl Simulator {
    /// One with the defaults.
    ///
    /// # Panics
    /// If no port or thread can be had: nothing a test could go on without.
    pub fn start() -> Simulator {
        match Builder::default().start() {
            Ok(simulator) => simulator,
            Err(error) => panic!("the simulator cannot start: {error}"),
        }
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The base URL for clients, such as `http://127.0.0.1:8090/v3`.
    pub fn base_url(&self) -> String {
        format!("{}/v3", self.origin())
    }

    /// The base URL without `/v3`.
    pub fn origin(&self) -> String {
        let scheme = if self.parts.https { "https" } else { "http" };
        format!("{scheme}://{}", reachable(self.parts.address))
    }

    /// The URL under which the control endpoints are, such as `http://127.0.0.1:8090/_control`.
    pub fn control_url(&self) -> String {
        match self.parts.control_address {
            Some(address) => format!("http://{}/_control", reachable(address)),
            None => format!("{}/_control", self.origin()),
        }
    }

    pub fn port(&self) -> u16 {
        self.parts.address.port()
    }

    /// The certificate clients must trust, if this is HTTPS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.parts.shared.ca_pem.as_deref()
    }

    /// The same in a file.
    pub fn ca_file(&self) -> Option<&Path> {
        self.parts.ca_file.as_ref().map(|(path, _)| path.as_path())
    }

    pub fn settings(&self) -> Settings {
        (*self.shared().settings()).clone()
    }

    /// Changes settings for requests that arrive from now on.
    pub fn update(&self, change: impl FnOnce(&mut Settings)) {
        let _ = self.shared().change(|old| {
            let mut new = old.clone();
            change(&mut new);
            Ok::<_, ()>(new)
        });
    }

    pub fn set_limits(&self, limits: Limits) {
        self.update(|settings| settings.limits = limits);
    }

    /// Puts a fault in force after those already there; the number is for [`Self::clear_fault`].
    ///
    /// # Panics
    /// If the fault could never match or be sent (see [`Fault::check`]).
    pub fn set_fault(&self, fault: Fault) -> u64 {
        match self.shared().add_fault(fault) {
            Ok(id) => id,
            Err(problem) => panic!("this fault makes no sense: {problem}"),
        }
    }

    pub fn clear_fault(&self, id: u64) -> bool {
        lock(&self.shared().faults).remove(id)
    }

    pub fn clear_faults(&self) {
        lock(&self.shared().faults).clear();
    }

    /// Faults in force, with how many requests met them.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.shared().fault_list()
    }

    /// Requests in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared().requests(&Filter::default())
    }

    pub fn requests_where(&self, filter: &Filter) -> Vec<Recorded> {
        self.shared().requests(filter)
    }

    /// Recorded requests, which are then forgotten; counters stay.
    pub fn take_requests(&self) -> Vec<Recorded> {
        lock(&self.shared().journal).take()
    }

    /// Forgets recorded requests and counters.
    pub fn clear_requests(&self) {
        self.shared().clear_requests();
    }

    pub fn counters(&self) -> Counters {
        self.shared().counters()
    }

    /// Waits until `count` recorded requests fit the filter; false when time runs out.
    pub fn wait_for(&self, filter: &Filter, count: usize, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        while self.shared().count(filter) < count {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Opens, pauses or closes the port; true, always, once that is done. Panics after 30 s.
    pub fn set_listener(&self, state: ListenerState) -> bool {
        self.shared().switch.turn(state);
        true
    }

    /// Back to the state at the start.
    pub fn reset(&self) {
        self.shared().reset();
        self.shared().switch.settle();
    }

    /// The users of one app.
    pub fn app<'a>(&'a self, app: &'a str) -> AppView<'a> {
        AppView::new(self.shared(), app.into())
    }

    fn default_app(&self) -> AppView<'_> {
        let app = self.shared().settings().default_app.clone();
        AppView::new(self.shared(), app)
    }

    /// A user of the default app in any state, as the API would show it.
    pub fn user(&self, uid: &str) -> Option<Value> {
        self.default_app().user(uid)
    }

    pub fn users(&self) -> Vec<Value> {
        self.default_app().users()
    }

    pub fn user_count(&self) -> usize {
        self.default_app().user_count()
    }

    pub fn add_user(&self, user: Value) -> Result<Value, String> {
        self.default_app().add_user(user)
    }

    pub fn seed(&self, prefix: &str, count: usize) -> Result<usize, String> {
        self.default_app().seed(prefix, count)
    }

    pub fn deactivate(&self, uid: &str) -> bool {
        self.default_app().deactivate(uid)
    }

    pub fn reactivate(&self, uid: &str) -> bool {
        self.default_app().reactivate(uid)
    }

    pub fn delete(&self, uid: &str) -> bool {
        self.default_app().delete(uid)
    }

    pub fn tokens(&self, uid: &str) -> Vec<String> {
        self.default_app().tokens(uid)
    }

    pub(crate) fn new(parts: Parts) -> Simulator {
        Simulator { parts }
    }

    fn shared(&self) -> &Shared {
        &self.parts.shared
    }
}

/// Where to reach a socket that may listen on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.parts.runtime.take() {
            // In a thread of its own, because waiting is not allowed inside another runtime.
            let stopping =
                std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(2)));
            let _ = stopping.join();
        }
        if let Some((path, true)) = &self.parts.ca_file {
            let _ = std::fs::remove_file(path);
        }
    }
}
