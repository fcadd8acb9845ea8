//! CometChat clients that send under the settings and limits of this database.

mod backend; // for a session's call
mod permit; // whether a request may be sent now
mod worker; // for the worker's threads

use std::fs::Metadata;
use std::sync::Arc;

use sync::error::CallError;
use transport::{AgentOptions, BadOption, Wait};

use crate::app::file_cache::{self, FileCache};
use crate::app::{self, Endpoint};
use crate::config;

pub use backend::{client, client_of, queue_client};
pub use permit::{is_scarce, room, throttled, throttled_for};
pub use worker::{worker_endpoint, WorkerClient, WorkerEndpoint};

/// Bytes: several times the bundles of the operating systems.
const MAX_CA_FILE: u64 = 4 << 20;

thread_local! {
    /// The process's: options with the authorities of `ca_file`, by the same options without.
    static CA_FILE: FileCache<AgentOptions, Arc<AgentOptions>> = const { FileCache::new() };
}

fn options(endpoint: &Endpoint, keep_idle: usize) -> Result<Arc<AgentOptions>, CallError> {
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
        let unreadable = || CallError::NotConfigured("ca_file cannot be read".into());
        let (pem, meta) = ca_bundle(path).ok_or_else(unreadable)?;
        Ok((Arc::new(AgentOptions { ca_pem: Some(pem), ..options.clone() }), meta))
    };
    CA_FILE.with(|cache| cache.get(path, &options, read))
}

fn ca_bundle(path: &str) -> Option<(String, Metadata)> {
    let (file, meta) = file_cache::open(path).ok()??;
    Some((file_cache::text(file, MAX_CA_FILE).ok()?, meta))
}

fn agent(options: &AgentOptions, waiter: Arc<dyn Wait>) -> Result<ureq::Agent, CallError> {
    transport::agent(options, waiter).map_err(|bad| match bad {
        BadOption::Ca => app::malformed("ca_file"),
        BadOption::Proxy => app::malformed("proxy"),
    })
}
