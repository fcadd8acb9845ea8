//! Puts the pieces together: a ureq agent that goes where it is told and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{parse_pem, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout};
use ureq::{Agent, Error};

use crate::connect::TcpConnector;
use crate::resolve::CachingResolver;
use crate::tls::TlsConnector;
use crate::tunnel::Host;
use crate::wait::Wait;

/// Bytes of an answer's head that are read before it is given up.
const HEADER_CAP: usize = 64 * 1024;

/// An idle connection is not used after this long: servers close them soon after.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// What an agent may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOptions {
    /// PEM text of the roots to trust instead of the bundled ones.
    pub ca_pem: Option<String>,
    /// `http://host:port` of a CONNECT proxy. The environment's variables are never read.
    pub proxy: Option<String>,
    /// For everything before the request: looking the name up, TCP, the proxy, TLS.
    pub connect_timeout: Duration,
    /// Whether plain http is out of the question.
    pub https_only: bool,
    /// Idle connections that are kept open.
    pub keep_idle: usize,
}

/// An option that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadOption {
    /// No certificate in the PEM text, or text that is not PEM.
    #[error("no certificate found in the CA file")]
    Ca,
    /// Not the address of an http proxy.
    #[error("the proxy is not of the form http://host:port")]
    Proxy,
}

/// Makes an agent whose every wait goes to `waiter`. Opens nothing yet.
///
/// # Errors
/// [`BadOption`], before anything is sent anywhere.
pub fn agent(options: &AgentOptions, waiter: Arc<dyn Wait>) -> Result<Agent, BadOption> {
    let roots = match &options.ca_pem {
        None => RootCerts::WebPki,
        Some(pem) => RootCerts::from(certificates(pem)?),
    };
    let proxy = options.proxy.as_deref().map(proxy_host).transpose()?;
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(None) // not the environment's; ours is the connector's business
        .https_only(options.https_only)
        // SECURITY: ureq drops only Authorization and Cookie on a redirect; our key would travel.
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(options.connect_timeout))
        .max_idle_age(MAX_IDLE)
        .max_idle_connections(options.keep_idle)
        .max_idle_connections_per_host(options.keep_idle)
        .max_response_header_size(HEADER_CAP)
        // One more, or a head beyond the cap would fill the buffer and look like a closed connection.
        .input_buffer_size(HEADER_CAP + 1)
        .output_buffer_size(16 * 1024)
        .build();
    let names = Arc::new(CachingResolver::new(waiter.clone()));
    let connector = TcpConnector { waiter, names, proxy }.chain(TlsConnector::default());
    Ok(Agent::with_parts(config, connector, NoResolver))
}

/// Leaves looking names up to the connector.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// `http://host:port`, nothing more: a password would be there for all to read.
fn proxy_host(url: &str) -> Result<Host, BadOption> {
    let uri: Uri = url.parse().map_err(|_| BadOption::Proxy)?;
    if uri.scheme_str() != Some("http") || url.contains('@') {
        return Err(BadOption::Proxy);
    }
    Host::from_uri(&uri).map_err(|_| BadOption::Proxy)
}

fn certificates(pem: &str) -> Result<Vec<ureq::tls::Certificate<'static>>, BadOption> {
    let mut found = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        match item.map_err(|_| BadOption::Ca)? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => return Err(BadOption::Ca), // a private key has no business in there
        }
    }
    if found.is_empty() {
        return Err(BadOption::Ca);
    }
    Ok(found)
}
