//! Live numbers about connections and concurrency.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

/// Counted by every connection and request.
#[derive(Default)]
pub struct Gauges {
    /// Connections accepted, from which each gets its number.
    pub accepted: AtomicU64,
    /// Connections that brought an API request; asking the control API must not change it.
    pub connections: AtomicU64,
    pub open: AtomicU64,
    pub in_flight: AtomicU64,
    pub peak: AtomicU64,
}

/// Held while one API request is being answered.
pub struct InFlight(Arc<Gauges>);

impl InFlight {
    pub fn enter(gauges: &Arc<Gauges>) -> Self {
        let now = gauges.in_flight.fetch_add(1, Relaxed) + 1;
        gauges.peak.fetch_max(now, Relaxed);
        InFlight(gauges.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Held from the first API request of a connection until the connection ends.
pub struct Open(Arc<Gauges>);

impl Open {
    pub fn enter(gauges: &Arc<Gauges>) -> Self {
        gauges.connections.fetch_add(1, Relaxed);
        gauges.open.fetch_add(1, Relaxed);
        Open(gauges.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Gauges {
    /// Starts the counts anew; what is open or running now stays counted.
    pub fn clear(&self) {
        self.connections.store(self.open.load(Relaxed), Relaxed);
        self.peak.store(self.in_flight.load(Relaxed), Relaxed);
    }
}
