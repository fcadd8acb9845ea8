//! CometChat clients: one for this backend, whose agent (and with it its connections) is kept
//! between calls, and one for the worker's threads.

use std::cell::{Cell, RefCell};
use std::fs::Metadata;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cometchat::limiter::{Asker, Cap, RefusedBy, Throttled};
use cometchat::{ApiKey, Client, ErrorKind, Exchange, Operation, Permit};
use pgrx::debug1;
use transport::{AgentOptions, BadOption, Wait};

use crate::config::{self, Endpoint};
use crate::failure::Failure;
use crate::file::{self, Kept};
use crate::pg::latch::LatchWait;
use crate::pg::shared::{self, Slot};
use crate::secret;
use crate::sync::retry::unix_ms;

/// A backend makes one request at a time; the second connection is for a change of settings.
const KEEP_IDLE: usize = 2;

/// A thread of the worker waits this long for CometChat's limit; for longer its user goes back
/// into the queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes: several times the bundles of the operating systems.
const MAX_CA_FILE: u64 = 4 << 20;

thread_local! {
    /// Whether this thread of the worker has sent anything for its job.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static AGENT: RefCell<Option<(Arc<AgentOptions>, ureq::Agent)>> =
        const { RefCell::new(None) };
    /// Options with the authorities of `ca_file`, by those without.
    static CA_FILE: Kept<AgentOptions, Arc<AgentOptions>> = const { Kept::new() };
}

/// A client for a caller who waits; its requests all end by `deadline`, and each asks `permit`.
///
/// # Errors
/// [`Failure::NotConfigured`], or why sending is paused for everybody; nothing has been sent then.
pub fn client(
    app_id: &str,
    deadline: Instant,
    permit: impl Fn(Operation) -> bool + Send + Sync + 'static,
) -> Result<Client, Failure> {
    let endpoint = config::endpoint(app_id.to_owned())?;
    let key = secret::api_key()?;
    let slot = shared::slot();
    if let Some(failure) = Failure::of_pause(slot.paused.load(Ordering::Acquire)) {
        return Err(failure);
    }
    let options = options(&endpoint, KEEP_IDLE)?;
    let agent = AGENT.with_borrow_mut(|slot| match slot {
        Some((known, agent)) if *known == options => Ok(agent.clone()),
        _ => {
            let agent = agent(&options, Arc::new(LatchWait))?;
            *slot = Some((options, agent.clone()));
            Ok::<_, Failure>(agent)
        }
    })?;
    let cap = Cap::from(config::rate_limit());
    let gate = move |operation: Operation| {
        if !has_room(slot, operation) {
            return Permit::NoRoom;
        }
        if !permit(operation) {
            return Permit::Never;
        }
        match ask(slot, operation, Asker::Interactive, cap) {
            Ok(()) => may_go(slot, operation),
            Err(wait) => Permit::Later(wait),
        }
    };
    Ok(Client::new(agent, &endpoint.base_url, &endpoint.app_id, key)
        .with_deadline(deadline)
        .with_gate(Arc::new(gate))
        .with_reuse_probe(Arc::new(transport::no_new_connection))
        .with_observer(Arc::new(move |exchange| {
            log(exchange);
            hear(slot, exchange, Asker::Interactive);
        })))
}

/// Where and how the worker sends; read inside a transaction.
pub struct WorkerEndpoint {
    endpoint: Endpoint,
    key: Arc<ApiKey>,
    options: Arc<AgentOptions>,
    timeout: Duration,
    cap: Cap,
}

/// # Errors
/// [`Failure::NotConfigured`].
pub fn worker_endpoint(app_id: &str) -> Result<WorkerEndpoint, Failure> {
    let endpoint = config::endpoint(app_id.to_owned())?;
    let options = options(&endpoint, config::concurrency())?;
    Ok(WorkerEndpoint {
        key: secret::api_key()?,
        options,
        endpoint,
        timeout: config::request_timeout(),
        cap: Cap::from(config::rate_limit()),
    })
}

impl WorkerEndpoint {
    /// What an agent for it depends on.
    pub fn options(&self) -> &AgentOptions {
        &self.options
    }

    /// An agent for the threads.
    pub fn agent(&self, waiter: Arc<dyn Wait>) -> Result<ureq::Agent, Failure> {
        agent(&self.options, waiter)
    }

    /// A client for one batch of jobs; a job's requests may take `request_timeout` each.
    pub fn client(&self, agent: ureq::Agent, stopping: Arc<AtomicBool>) -> WorkerClient {
        let (slot, cap) = (shared::slot(), self.cap);
        let gate = move |operation: Operation| {
            let patience = Instant::now() + PATIENCE;
            if !has_room(slot, operation) {
                return Permit::NoRoom;
            }
            loop {
                match ask(slot, operation, Asker::Worker, cap) {
                    Ok(()) => return may_go(slot, operation),
                    Err(wait) => {
                        if stopping.load(Ordering::Relaxed) || Instant::now() + wait > patience {
                            return Permit::Later(wait);
                        }
                        std::thread::sleep(wait.min(Duration::from_millis(20)));
                    }
                }
            }
        };
        let client =
            Client::new(agent, &self.endpoint.base_url, &self.endpoint.app_id, self.key.clone())
                .with_gate(Arc::new(gate))
                .with_reuse_probe(Arc::new(transport::no_new_connection))
                .with_observer(Arc::new(move |exchange| {
                    ASKED.set(true);
                    hear(slot, exchange, Asker::Worker);
                }));
        WorkerClient { client, timeout: self.timeout }
    }
}

/// A client whose clock starts with the job, not with the batch.
#[derive(Clone)]
pub struct WorkerClient {
    client: Client,
    timeout: Duration,
}

impl WorkerClient {
    /// For one job, from now on: its requests and the waits for CometChat's limit between them.
    pub fn start(&self) -> Client {
        ASKED.set(false);
        self.client.with_deadline(Instant::now() + self.timeout + PATIENCE)
    }

    /// Whether anything was sent since this thread's last `start`.
    pub fn asked() -> bool {
        ASKED.get()
    }
}

/// How long the worker need not try, by what CometChat allows.
pub fn throttled_for(slot: &Slot) -> Duration {
    let now = unix_ms();
    let cap = Cap::from(config::rate_limit());
    let until = slot.limiter.with(|limiter| limiter.earliest(cap, now));
    Duration::from_millis(until.saturating_sub(now))
}

fn ask(slot: &Slot, operation: Operation, asker: Asker, cap: Cap) -> Result<(), Duration> {
    let now = unix_ms();
    let taken = slot.limiter.with(|limiter| limiter.take(operation.class(), asker, cap, now));
    taken.map_err(|until| Duration::from_millis(until.saturating_sub(now).max(1)))
}

/// Whether the plan has room, as far as is known, if this would take some.
fn has_room(slot: &Slot, operation: Operation) -> bool {
    operation != Operation::CreateUser || !slot.quota.with(|quota| quota.refuses(unix_ms()))
}

/// The last question before something is sent.
fn may_go(slot: &Slot, operation: Operation) -> Permit {
    if operation == Operation::CreateUser && !slot.quota.with(|quota| quota.take(unix_ms())) {
        return Permit::NoRoom;
    }
    Permit::Go
}

/// Tells limiter, quota and counters what an answer said.
fn hear(slot: &Slot, exchange: &Exchange<'_>, asker: Asker) {
    let now = unix_ms();
    slot.stats.request(exchange);
    if exchange.operation == Operation::CreateUser {
        match exchange.failure {
            None => slot.quota.with(|quota| quota.created()),
            // A session's finding holds nobody else up: only who looks in its name tells.
            Some(e) if e.kind() == ErrorKind::PlanLimit => slot.quota.with(|quota| {
                if asker == Asker::Worker || quota.is_used_up() {
                    quota.refused(now);
                }
            }),
            Some(_) => {}
        }
    }
    slot.limiter.with(|limiter| {
        limiter.heard(exchange.operation.class(), exchange.limits, now);
        if exchange.is_rate_limited() {
            let asked = exchange.retry_after.map(|wait| wait.as_millis());
            let by = match exchange.code {
                Some(_) => RefusedBy::CometChat,
                None => RefusedBy::Gateway,
            };
            limiter.refused(asked.and_then(|ms| u64::try_from(ms).ok()), by, now);
        } else if exchange.status.is_some() {
            limiter.went_through();
        }
    });
}

/// Why nothing is sent now, if somebody refused.
pub fn throttled(slot: &Slot) -> Option<Throttled> {
    let now = unix_ms();
    slot.limiter.with(|limiter| limiter.throttled(now))
}

fn options(endpoint: &Endpoint, keep_idle: usize) -> Result<Arc<AgentOptions>, Failure> {
    let https_only = endpoint.base_url.starts_with("https:");
    let options = AgentOptions {
        ca_pem: None,
        // SECURITY: plain http is for loopback, and would show the key to the proxy's machine.
        proxy: endpoint.proxy.clone().filter(|_| https_only),
        connect_timeout: config::connect_timeout(),
        https_only,
        keep_idle,
    };
    let Some(path) = &endpoint.ca_file else {
        return Ok(Arc::new(options));
    };
    let read = || {
        let unreadable = || Failure::NotConfigured("ca_file cannot be read".into());
        let (pem, meta) = ca_bundle(path).ok_or_else(unreadable)?;
        Ok((Arc::new(AgentOptions { ca_pem: Some(pem), ..options.clone() }), meta))
    };
    CA_FILE.with(|kept| kept.get(path, &options, read))
}

fn ca_bundle(path: &str) -> Option<(String, Metadata)> {
    let (file, meta) = file::open(path).ok()??;
    Some((file::text(file, MAX_CA_FILE).ok()?, meta))
}

fn agent(options: &AgentOptions, waiter: Arc<dyn Wait>) -> Result<ureq::Agent, Failure> {
    transport::agent(options, waiter).map_err(|bad| match bad {
        BadOption::Ca => config::malformed("ca_file"),
        BadOption::Proxy => config::malformed("proxy"),
    })
}

/// One DEBUG1 line for each request: no key, token, uid or e-mail.
fn log(exchange: &Exchange<'_>) {
    debug1!(
        "cometchat: {} {} {} {} ms",
        exchange.operation.as_str(),
        exchange.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        exchange.code.unwrap_or("-"),
        exchange.elapsed.as_millis()
    );
}
