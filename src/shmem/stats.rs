//! Counters since the server's start, or `cometchat.reset_stats()`, in shared memory: no row to be updated,
//! no lock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use cometchat::{ErrorKind, Exchange, RateClass};
use sync::throughput::Throughput;

use super::spin_lock::SpinLock;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    Ok,
    RateLimited,
    /// CometChat refused: the key, the plan or the user's data.
    Refused,
    /// 5xx, or what is not CometChat's answer.
    ServerError,
    Timeout,
    Network,
}

/// All of them, with their names in `cometchat.stats_requests`.
pub const OUTCOMES: [(RequestOutcome, &str); 6] = [
    (RequestOutcome::Ok, "ok"),
    (RequestOutcome::RateLimited, "rate_limited"),
    (RequestOutcome::Refused, "refused"),
    (RequestOutcome::ServerError, "server_error"),
    (RequestOutcome::Timeout, "timeout"),
    (RequestOutcome::Network, "network"),
];

/// CometChat's classes of operations, with their names there.
pub const CLASSES: [(RateClass, &str); 3] =
    [(RateClass::Core, "core"), (RateClass::Standard, "standard"), (RateClass::Import, "import")];

/// Upper bounds of the latency histogram, in milliseconds; one bucket more has the rest.
pub const BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

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
    /// By class and outcome, in the order of [`CLASSES`] and [`OUTCOMES`].
    pub by_outcome: [[AtomicU64; OUTCOMES.len()]; CLASSES.len()],
    /// By latency, in the order of [`BOUNDS_MS`].
    pub latencies: [AtomicU64; BOUNDS_MS.len() + 1],
    /// When the counting began, in Unix milliseconds.
    pub since: AtomicI64,
    /// When users were synced, for the rate that `cometchat.progress` shows.
    pub throughput: SpinLock<Throughput>,
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
            by_outcome: [const { [const { AtomicU64::new(0) }; OUTCOMES.len()] }; CLASSES.len()],
            latencies: [const { AtomicU64::new(0) }; BOUNDS_MS.len() + 1],
            since: AtomicI64::new(0),
            throughput: SpinLock::new(Throughput::NONE),
        }
    }

    /// Starts anew. What another process counts at this moment may be lost or stay.
    pub fn clear(&self, now_ms: i64) {
        let single = [
            &self.requests,
            &self.failures,
            &self.rate_limited,
            &self.synced,
            &self.retried,
            &self.failed,
            &self.request_microseconds,
            &self.slowest_microseconds,
        ];
        let many = self.by_outcome.iter().flatten().chain(&self.latencies);
        for counter in single.into_iter().chain(many) {
            counter.store(0, Ordering::Relaxed);
        }
        self.since.store(now_ms, Ordering::Relaxed);
    }

    /// Counts one request.
    pub fn request(&self, exchange: &Exchange<'_>) {
        let microseconds = u64::try_from(exchange.elapsed.as_micros()).unwrap_or(u64::MAX);
        add(&self.requests, 1);
        add(&self.request_microseconds, microseconds);
        self.slowest_microseconds.fetch_max(microseconds, Ordering::Relaxed);
        let outcome = outcome(exchange);
        if outcome != RequestOutcome::Ok {
            add(&self.failures, 1);
        }
        if outcome == RequestOutcome::RateLimited {
            add(&self.rate_limited, 1);
        }
        let class = CLASSES.iter().position(|(class, _)| *class == exchange.operation.class());
        let place = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        if let (Some(class), Some(place)) = (class, place) {
            add(&self.by_outcome[class][place], 1);
        }
        let bucket = BOUNDS_MS.partition_point(|bound| bound * 1000 < microseconds);
        add(&self.latencies[bucket], 1);
    }

    /// Counts a user who was synced.
    pub fn user_synced(&self, now_ms: u64) {
        add(&self.synced, 1);
        self.throughput.with(|throughput| throughput.count(now_ms));
    }
}

fn outcome(exchange: &Exchange<'_>) -> RequestOutcome {
    if exchange.is_rate_limited() {
        return RequestOutcome::RateLimited;
    }
    match exchange.failure.map(|failure| failure.kind()) {
        None => RequestOutcome::Ok,
        Some(ErrorKind::Timeout | ErrorKind::Interrupted) => RequestOutcome::Timeout,
        Some(ErrorKind::Network) => RequestOutcome::Network,
        Some(ErrorKind::Server | ErrorKind::NotCometChat | ErrorKind::WrongEndpoint) => {
            RequestOutcome::ServerError
        }
        Some(_) => RequestOutcome::Refused,
    }
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
