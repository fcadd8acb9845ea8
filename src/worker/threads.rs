//! This process's threads, and the agent that they share.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use nix::sys::eventfd::EventFd;
use transport::{AgentOptions, PollWait};
use uuid::Uuid;

use super::pool::{Done, Pool, Work};
use crate::config;
use crate::http::{WorkerClient, WorkerEndpoint};

thread_local! {
    // Not borrowed while the main thread waits, or is in Postgres: the process may end there, and
    // joins its threads then.
    static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) };
}

/// What the threads send with, and what it was made of.
pub type SharedAgent = Option<(AgentOptions, ureq::Agent)>;

/// A client for the threads, which are started if need be; else, why there is none.
pub fn client(kept: &mut SharedAgent, endpoint: &WorkerEndpoint) -> Result<WorkerClient, String> {
    POOL.with_borrow_mut(|slot| {
        let size = config::concurrency();
        if slot.as_ref().is_none_or(|pool| pool.size() != size && pool.in_flight() == 0) {
            *kept = None;
            drop(slot.take());
            *slot = Some(Pool::start(size).map_err(|e| format!("no thread can start: {e}"))?);
        }
        let pool = slot.as_ref().ok_or("no thread")?;
        if kept.as_ref().is_none_or(|(options, _)| options != endpoint.options()) {
            let waiter = Arc::new(PollWait::stopped_by(pool.stop_signal()));
            let agent = endpoint.agent(waiter).map_err(|failure| failure.to_string())?;
            *kept = Some((endpoint.options().clone(), agent));
        }
        let (_, agent) = kept.as_ref().ok_or("no agent")?;
        Ok(endpoint.client(agent.clone(), pool.stopping()))
    })
}

/// Hands over what `next` gives, until it gives nothing.
pub fn dispatch(mut next: impl FnMut(&Pool) -> Option<(WorkerClient, Work)>) {
    POOL.with_borrow(|pool| {
        let Some(pool) = pool else { return };
        while let Some((client, work)) = next(pool) {
            pool.send(client, work);
        }
    });
}

/// How many threads are busy.
pub fn in_flight() -> usize {
    POOL.with_borrow(|pool| pool.as_ref().map_or(0, Pool::in_flight))
}

/// Adds the users whom they are busy with.
pub fn add_users(to: &mut HashSet<Uuid>) {
    POOL.with_borrow(|pool| pool.iter().for_each(|pool| pool.add_users(to)));
}

/// Takes back what is done by now.
pub fn take() -> Vec<Done> {
    POOL.with_borrow(|pool| pool.as_ref().map(Pool::take).unwrap_or_default())
}

/// Readable while there may be something to take.
pub fn wakeup_fd() -> Option<Arc<EventFd>> {
    POOL.with_borrow(|pool| pool.as_ref().map(Pool::wakeup_fd))
}

/// Ends the threads; called on every way out of the process.
pub fn stop() {
    let pool = POOL.with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.take()));
    drop(pool);
}
