//! The client of the worker's threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cometchat::{ApiKey, Client};
use sync::error::CallError;
use sync::policy;
use sync::rate_limiter::{Cap, Priority};
use transport::{AgentOptions, Wait};

use super::permit::{self, QueuedPermit, MAX_QUEUED_WAIT};
use super::{agent, options};
use crate::app::{self, api_key, Endpoint};
use crate::{config, shmem};

/// A thread waits so long for CometChat's limit with the first request of the backlog: it may be wanted for
/// people.
const MAX_BACKLOG_WAIT: Duration = Duration::from_millis(200);

/// Where and how the worker sends; read inside a transaction.
pub struct WorkerEndpoint {
    endpoint: Endpoint,
    key: Arc<ApiKey>,
    options: Arc<AgentOptions>,
    timeout: Duration,
    cap: Cap,
}

/// # Errors
/// [`CallError::NotConfigured`].
pub fn worker_endpoint(app_id: &str) -> Result<WorkerEndpoint, CallError> {
    let endpoint = app::endpoint(app_id.to_owned())?;
    let options = options(&endpoint, config::concurrency())?;
    Ok(WorkerEndpoint {
        key: api_key::api_key()?,
        options,
        endpoint,
        timeout: config::request_timeout(),
        cap: Cap::from(config::rate_limit()),
    })
}

impl WorkerEndpoint {
    /// The app that the worker sends for.
    pub fn app_id(&self) -> &str {
        &self.endpoint.app_id
    }

    /// What an agent for it depends on.
    pub fn options(&self) -> &AgentOptions {
        &self.options
    }

    /// An agent for the threads.
    pub fn agent(&self, waiter: Arc<dyn Wait>) -> Result<ureq::Agent, CallError> {
        agent(&self.options, waiter)
    }

    /// A client for one batch of jobs; a job's requests may take `request_timeout` each.
    pub fn client(&self, agent: ureq::Agent, stopping: Arc<AtomicBool>) -> WorkerClient {
        let client =
            Client::new(agent, &self.endpoint.base_url, &self.endpoint.app_id, self.key.clone())
                .with_reuse_probe(Arc::new(transport::no_new_connection));
        WorkerClient { client, timeout: self.timeout, cap: self.cap, stopping }
    }
}

/// A client whose clock starts with the job, not with the batch.
#[derive(Clone)]
pub struct WorkerClient {
    client: Client,
    timeout: Duration,
    cap: Cap,
    stopping: Arc<AtomicBool>,
}

impl WorkerClient {
    /// A client for one job, from now on: its requests and the waits for CometChat's limit between
    /// them. It sets `request_sent` with the first request.
    pub fn start(&self, backlog: bool, request_sent: Arc<AtomicBool>) -> Client {
        self.start_for(self.timeout, backlog, request_sent)
    }

    /// The same for an import, which may take longer.
    pub fn start_import(&self, request_sent: Arc<AtomicBool>) -> Client {
        self.start_for(self.timeout * policy::IMPORT_TIMEOUT_FACTOR, true, request_sent)
    }

    fn start_for(&self, timeout: Duration, backlog: bool, request_sent: Arc<AtomicBool>) -> Client {
        let slot = shmem::slot();
        let deadline = Instant::now() + timeout + MAX_QUEUED_WAIT;
        let permit = QueuedPermit::new(slot, self.cap, backlog, MAX_BACKLOG_WAIT);
        let stopping = self.stopping.clone();
        let gate = move |operation| {
            permit.get(operation, |time| {
                std::thread::sleep(time);
                !stopping.load(Ordering::Relaxed)
            })
        };
        self.client.with_deadline(deadline).with_gate(Arc::new(gate)).with_observer(Arc::new(
            move |exchange| {
                request_sent.store(true, Ordering::Relaxed);
                permit::record(slot, exchange, Priority::Worker);
            },
        ))
    }
}
