//! Counters since the server's start, in shared memory: no row to be updated, no lock.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::Exchange;

/// What is counted for one database.
pub struct Stats {
    pub requests: AtomicU64,
    pub failures: AtomicU64,
    pub rate_limited: AtomicU64,
    pub synced: AtomicU64,
    pub retried: AtomicU64,
    pub failed: AtomicU64,
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
            failed: AtomicU64::new(0),
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
            failed,
            request_microseconds,
            slowest_microseconds,
        } = self;
        for counter in [
            requests,
            failures,
            rate_limited,
            synced,
            retried,
            failed,
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
