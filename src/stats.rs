//! Counters since the server's start, in shared memory: no row to be updated, no lock.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::Exchange;

use crate::config;
use crate::failure::Failure;
use crate::pg::shared;
use crate::pg::text::Json;
use crate::sync::limiter::Cap;

/// What is counted for one database.
pub struct Stats {
    pub requests: AtomicU64,
    pub failures: AtomicU64,
    pub rate_limited: AtomicU64,
    pub synced: AtomicU64,
    pub retried: AtomicU64,
    pub parked: AtomicU64,
    pub request_microseconds: AtomicU64,
    pub slowest_microseconds: AtomicU64,
}

impl Stats {
    pub const fn new() -> Self {
        Stats {
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            request_microseconds: AtomicU64::new(0),
            slowest_microseconds: AtomicU64::new(0),
        }
    }

    /// Starts anew, for another database.
    pub fn clear(&self) {
        let Stats {
            requests,
            failures,
            rate_limited,
            synced,
            retried,
            parked,
            request_microseconds,
            slowest_microseconds,
        } = self;
        for counter in [
            requests,
            failures,
            rate_limited,
            synced,
            retried,
            parked,
            request_microseconds,
            slowest_microseconds,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Counts one request.
    pub fn request(&self, exchange: &Exchange<'_>) {
        let microseconds = u64::try_from(exchange.elapsed.as_micros()).unwrap_or(u64::MAX);
        add(&self.requests, 1);
        add(&self.request_microseconds, microseconds);
        self.slowest_microseconds.fetch_max(microseconds, Ordering::Relaxed);
        if exchange.failure.is_some() {
            add(&self.failures, 1);
        }
        if exchange.is_rate_limited() {
            add(&self.rate_limited, 1);
        }
    }
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// What shared memory knows about this database, for the operators' views.
pub fn facts() -> Json {
    let slot = shared::slot();
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let stats = &slot.stats;
    let requests = get(&stats.requests);
    let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
    let cap = Cap::from(config::rate_limit());
    let pid = slot.pid.load(Ordering::Acquire);
    let paused = Failure::of_pause(slot.paused.load(Ordering::Acquire));
    Json(serde_json::json!({
        "preloaded": shared::preloaded(),
        "library_version": env!("CARGO_PKG_VERSION"),
        "worker_pid": (pid != 0).then_some(pid),
        "paused_code": paused.map(|failure| failure.code().as_str()),
        "rate_per_minute": slot.limiter.with(|limiter| limiter.limit(cap)),
        "requests": requests,
        "failures": get(&stats.failures),
        "rate_limited": get(&stats.rate_limited),
        "synced": get(&stats.synced),
        "retried": get(&stats.retried),
        "parked": get(&stats.parked),
        "average_ms": (requests > 0)
            .then(|| milliseconds(get(&stats.request_microseconds)) / requests as f64),
        "slowest_ms": milliseconds(get(&stats.slowest_microseconds)),
    }))
}
