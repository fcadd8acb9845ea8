//! A CometChat client for this backend: its agent is kept between calls, and with it the
//! connections that can be used again.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use cometchat::{Client, Exchange};
use pgrx::debug1;
use transport::{AgentOptions, BadOption};

use crate::config::{self, Endpoint};
use crate::failure::Failure;
use crate::pg::latch::LatchWait;
use crate::secret;

/// A backend makes one request at a time; the second connection is for a change of settings.
const KEEP_IDLE: usize = 2;

thread_local! {
    static AGENT: RefCell<Option<(AgentOptions, ureq::Agent)>> = const { RefCell::new(None) };
}

/// A client whose requests all end by `deadline`.
///
/// # Errors
/// [`Failure::NotConfigured`]; nothing has been sent then.
pub fn client(app_id: &str, deadline: Instant) -> Result<Client, Failure> {
    let endpoint = config::endpoint(app_id.to_owned())?;
    let key = secret::api_key()?;
    let agent = agent(&endpoint)?;
    Ok(Client::new(agent, &endpoint.base_url, &endpoint.app_id, key)
        .with_deadline(deadline)
        .with_reuse_probe(Arc::new(transport::no_new_connection))
        .with_observer(Arc::new(log)))
}

fn agent(endpoint: &Endpoint) -> Result<ureq::Agent, Failure> {
    let ca_pem = match &endpoint.ca_file {
        None => None,
        Some(path) => {
            let unreadable = |_| Failure::NotConfigured("ca_file cannot be read".into());
            Some(fs::read_to_string(path).map_err(unreadable)?)
        }
    };
    let options = AgentOptions {
        ca_pem,
        proxy: endpoint.proxy.clone(),
        connect_timeout: config::connect_timeout(),
        https_only: endpoint.base_url.starts_with("https:"),
        keep_idle: KEEP_IDLE,
    };
    AGENT.with_borrow_mut(|slot| match slot {
        Some((known, agent)) if *known == options => Ok(agent.clone()),
        _ => {
            let agent =
                transport::agent(&options, Arc::new(LatchWait)).map_err(|bad| match bad {
                    BadOption::Ca => config::malformed("ca_file"),
                    BadOption::Proxy => config::malformed("proxy"),
                })?;
            *slot = Some((options, agent.clone()));
            Ok(agent)
        }
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
