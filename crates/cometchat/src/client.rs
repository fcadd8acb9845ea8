//! The client: where requests go, with which key, by when, and who watches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::key::ApiKey;
use crate::limits::{check_base_url, BadBaseUrl};
use crate::observe::{Exchange, Operation};

/// How long a request may take when the caller sets no deadline.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// See [`Client::with_observer`].
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// See [`Client::with_gate`].
pub type Gate = Arc<dyn Fn(Operation) -> Permit + Send + Sync>;

/// What a gate says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Send it.
    Go,
    /// CometChat's limit is used up for this long: as if it had answered 429.
    Later(Duration),
    /// The plan has no room for another user: as if it had answered 402.
    NoRoom,
    /// The caller has had enough.
    Never,
}

/// See [`Client::with_reuse_probe`].
pub type ReuseProbe = Arc<dyn Fn() -> bool + Send + Sync>;

/// A client for one app. Cloning is cheap; clones share connections and key.
#[derive(Clone)]
pub struct Client {
    pub(crate) agent: Agent,
    pub(crate) base: Result<Arc<str>, BadBaseUrl>,
    pub(crate) app_id: Arc<str>,
    pub(crate) key: Arc<ApiKey>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) observer: Option<Observer>,
    pub(crate) gate: Option<Gate>,
    pub(crate) reused: Option<ReuseProbe>,
}

impl Client {
    /// A client for the app at `base_url` (see [`crate::limits::base_url`]).
    ///
    /// The agent decides about sockets, TLS, proxy and connect timeout; whatever else it is
    /// set to, requests never follow redirects, ask for no compression and are bounded in
    /// time and size. A base URL that [`check_base_url`] refuses makes every request fail
    /// with `InvalidRequest`: the key does not leave for such an address.
    pub fn new(agent: Agent, base_url: &str, app_id: &str, key: Arc<ApiKey>) -> Client {
        Client {
            agent,
            base: check_base_url(base_url).map(Arc::from),
            app_id: Arc::from(app_id),
            key,
            deadline: None,
            observer: None,
            gate: None,
            reused: None,
        }
    }

    /// A clone all of whose requests end by `deadline`: several requests share one budget.
    /// With a deadline in the past they end at once, without being sent. Without any
    /// deadline each request may take [`DEFAULT_TIMEOUT`].
    pub fn with_deadline(&self, deadline: Instant) -> Client {
        Client { deadline: Some(deadline), ..self.clone() }
    }

    /// A clone that reports every attempt of a request, after it ended.
    pub fn with_observer(&self, o: Observer) -> Client {
        Client { observer: Some(o), ..self.clone() }
    }

    /// A clone that asks `gate` before every attempt of a request, and sends nothing unless it
    /// says [`Permit::Go`].
    pub fn with_gate(&self, gate: Gate) -> Client {
        Client { gate: Some(gate), ..self.clone() }
    }

    /// A clone that repeats a request once, at once, when the connection broke before an
    /// answer and `probe` says that it had been used before. `probe` is called on the
    /// request's thread twice: before each attempt, when its answer does not count, and after
    /// such a failure; it tells whether no connection was opened in between. Every operation of
    /// this client is safe to repeat. Without a probe nothing is ever repeated.
    pub fn with_reuse_probe(&self, probe: ReuseProbe) -> Client {
        Client { reused: Some(probe), ..self.clone() }
    }
}
