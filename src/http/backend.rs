//! The client of a backend, whose agent (and with it its connections) is kept between calls.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Instant;

use cometchat::{Client, Exchange, Operation, Permit};
use pgrx::debug1;
use sync::error::{CallError, PauseReason};
use sync::rate_limiter::{Cap, Priority};
use transport::AgentOptions;

use super::permit::{self, QueuedPermit, MAX_QUEUED_WAIT};
use super::{agent, options};
use crate::app::{self, api_key};
use crate::pg::latch::{self, LatchWait};
use crate::{config, shmem};

/// A backend makes one request at a time; the second connection is for a change of settings.
const MAX_IDLE: usize = 2;

thread_local! {
    // Of the backend's main thread, until its options change.
    static AGENT: RefCell<Option<(Arc<AgentOptions>, ureq::Agent)>> =
        const { RefCell::new(None) };
}

/// A client for a caller who waits; its requests all end by `deadline`, and each is sent only if `may_send`
/// allows it.
///
/// # Errors
/// [`CallError::NotConfigured`], or why the circuit breaker is open; nothing has been sent then.
pub fn client(
    app_id: &str,
    deadline: Instant,
    may_send: impl Fn(Operation) -> bool + Send + Sync + 'static,
) -> Result<Client, CallError> {
    client_of(Priority::Interactive, app_id, deadline, may_send)
}

/// The same, with the given share of the rate limit.
///
/// # Errors
/// As [`client`].
pub fn client_of(
    priority: Priority,
    app_id: &str,
    deadline: Instant,
    may_send: impl Fn(Operation) -> bool + Send + Sync + 'static,
) -> Result<Client, CallError> {
    let (slot, cap) = (shmem::slot(), Cap::from(config::rate_limit()));
    gated(app_id, deadline, move |operation| {
        if !permit::has_room(slot, operation) {
            return Permit::NoRoom;
        }
        if !may_send(operation) {
            return Permit::Never;
        }
        match permit::acquire(slot, operation, priority, cap) {
            Ok(()) => permit::last_check(slot, operation),
            Err(wait) => Permit::Later(wait),
        }
    })
}

/// A client for one user from the queue, from now on; it waits for CometChat's limit as the worker does.
///
/// # Errors
/// As [`client`].
pub fn queue_client(app_id: &str, backlog: bool) -> Result<Client, CallError> {
    let deadline = Instant::now() + config::request_timeout() + MAX_QUEUED_WAIT;
    let cap = Cap::from(config::rate_limit());
    let permit = QueuedPermit::new(shmem::slot(), cap, backlog, MAX_QUEUED_WAIT);
    gated(app_id, deadline, move |operation| {
        permit.get(operation, |time| latch::sleep(time).is_ok())
    })
}

fn gated(
    app_id: &str,
    deadline: Instant,
    gate: impl Fn(Operation) -> Permit + Send + Sync + 'static,
) -> Result<Client, CallError> {
    let endpoint = app::endpoint(app_id.to_owned())?;
    let key = api_key::api_key()?;
    let slot = shmem::slot();
    if let Some(reason) = PauseReason::from_number(slot.breaker_reason.load(Ordering::Acquire)) {
        return Err(reason.into());
    }
    let options = options(&endpoint, MAX_IDLE)?;
    let agent = AGENT.with_borrow_mut(|slot| match slot {
        Some((known, agent)) if *known == options => Ok(agent.clone()),
        _ => {
            let agent = agent(&options, Arc::new(LatchWait))?;
            *slot = Some((options, agent.clone()));
            Ok::<_, CallError>(agent)
        }
    })?;
    Ok(Client::new(agent, &endpoint.base_url, &endpoint.app_id, key)
        .with_deadline(deadline)
        .with_gate(Arc::new(gate))
        .with_reuse_probe(Arc::new(transport::no_new_connection))
        .with_observer(Arc::new(move |exchange| {
            log(exchange);
            permit::record(slot, exchange, Priority::Interactive); // the plan's quota: as a session
        })))
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
