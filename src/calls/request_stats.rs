//! What was counted of requests, for `cometchat.request_stats()` and the views made of it.

use std::sync::atomic::Ordering;

use serde_json::{json, Value};
use sync::policy::unix_ms;

use crate::pg::arguments::Json;
use crate::shmem;
use crate::shmem::stats::{BOUNDS_MS, CLASSES, OUTCOMES};

/// The counters of this database since the server's start, or the last reset.
pub fn request_stats() -> Json {
    let stats = &shmem::slot().stats;
    let requests: Vec<Value> = CLASSES
        .iter()
        .zip(&stats.by_outcome)
        .flat_map(|((_, class), counters)| {
            OUTCOMES.iter().zip(counters).map(move |((_, outcome), counter)| {
                let requests = counter.load(Ordering::Relaxed);
                json!({ "class": class, "outcome": outcome, "requests": requests })
            })
        })
        .collect();
    // As Prometheus has them: each bucket counts those below it, too.
    let bounds = BOUNDS_MS.iter().map(|bound| json!(bound)).chain([Value::Null]);
    let mut up_to = 0;
    let latencies: Vec<Value> = bounds
        .zip(&stats.latencies)
        .map(|(bound, counter)| {
            up_to += counter.load(Ordering::Relaxed);
            json!({ "le_ms": bound, "requests": up_to })
        })
        .collect();
    let since = stats.since.load(Ordering::Relaxed);
    Json::of(&json!({
        "requests": requests,
        "latencies": latencies,
        "reset_at": (since > 0).then_some(since as f64 / 1000.0),
        "synced_per_minute": stats.throughput.with(|rate| rate.per_minute(unix_ms())),
    }))
}

/// Starts counting anew.
pub fn reset() {
    shmem::slot().stats.clear(i64::try_from(unix_ms()).unwrap_or(0));
}
