//! Counters since the server's start, in shared memory: no row to be updated, no lock.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::Exchange;
use sync::rate_limiter::{Cap, RefusedBy};

use crate::config;
use crate::http;
use crate::pg::text::Json;
use crate::shmem::{self, Shared};
use sync::error::{CallError, ErrorCode, PauseReason};

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

/// What shared memory knows about this database, for the operators' views.
pub fn facts() -> Json {
    let slot = shmem::slot();
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let stats = &slot.stats;
    let requests = get(&stats.requests);
    let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
    let cap = Cap::from(config::rate_limit());
    let pid = slot.pid.load(Ordering::Acquire);
    let paused = PauseReason::from_number(slot.breaker_reason.load(Ordering::Acquire));
    let no_room = slot.quota.with(|quota| quota.is_used_up());
    let paused = paused.map(|reason| CallError::from(reason).code());
    let paused = paused.or(no_room.then_some(ErrorCode::PlanLimit));
    let throttled = http::throttled(slot);
    Json(serde_json::json!({
        "preloaded": shmem::preloaded(),
        "library_version": env!("CARGO_PKG_VERSION"),
        "launched": shmem::get().is_some_and(Shared::has_launcher),
        "has_place": shmem::has_place(),
        "waiting_seconds": slot.turn.waiting_for().map(|time| time.as_secs()),
        "databases_waiting": shmem::get().map(|shared| shared.waiting.load(Ordering::Acquire)),
        "read_only": slot.read_only.load(Ordering::Relaxed),
        "resting": slot.turn.look_due_in().is_some(),
        "worker_pid": (pid != 0).then_some(pid),
        "paused_code": paused.map(ErrorCode::as_str),
        "new_users_wait": no_room,
        "throttled_until": throttled.map(|t| t.until as f64 / 1000.0),
        "throttled_by": throttled.map(|t| match t.by {
            RefusedBy::CometChat => "CometChat",
            RefusedBy::Gateway => "a proxy or gateway",
        }),
        "throttled_for": throttled.and_then(|t| t.asked).map(|asked| asked / 1000),
        "rate_per_minute": slot.limiter.with(|limiter| limiter.limit(cap)),
        "requests": requests,
        "failures": get(&stats.failures),
        "rate_limited": get(&stats.rate_limited),
        "synced": get(&stats.synced),
        "retried": get(&stats.retried),
        "failed": get(&stats.failed),
        "average_ms": (requests > 0)
            .then(|| milliseconds(get(&stats.request_microseconds)) / requests as f64),
        "slowest_ms": milliseconds(get(&stats.slowest_microseconds)),
    }))
}
