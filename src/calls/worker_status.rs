//! The state of the worker, of the circuit breaker and of the rate limit, for `cometchat.worker_status()`.

use std::sync::atomic::{AtomicU64, Ordering};

use cometchat::RateClass;
use sync::error::{CallError, ErrorCode, PauseReason};
use sync::policy::unix_ms;
use sync::rate_limiter::{Cap, RefusedBy};

use crate::pg::arguments::Json;
use crate::shmem::signs::Signs;
use crate::shmem::{self, Shared};
use crate::{config, http};

/// What shared memory knows about this database, for the operators' views.
pub fn worker_status() -> Json {
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
    let outage = ErrorCode::from_number(slot.outage.load(Ordering::Acquire));
    let paused = paused.or(outage).or(no_room.then_some(ErrorCode::PlanLimit));
    let throttled = http::throttled(slot);
    Json::of(&serde_json::json!({
        "preloaded": shmem::preloaded(),
        "library_version": env!("CARGO_PKG_VERSION"),
        "launched": shmem::get().is_some_and(Shared::has_launcher),
        "has_place": shmem::has_slot(),
        "waiting_seconds": slot.turn.waiting_for().map(|time| time.as_secs()),
        "databases_waiting": shmem::get().map(|shared| shared.waiting.load(Ordering::Acquire)),
        "read_only": slot.read_only.load(Ordering::Relaxed),
        "resting": slot.turn.restart_due_in().is_some(),
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
        "recent": recent(&slot.signs.with(|signs| *signs)),
    }))
}

/// Ends of the worker that count as happening again and again are not longer ago.
const RECENT_ENDS: u64 = 10 * 60 * 1000;

/// What happened lately. Times are Unix seconds.
fn recent(signs: &Signs) -> serde_json::Value {
    let now = unix_ms();
    let seconds = |ms: u64| (ms != 0).then_some(ms as f64 / 1000.0);
    let allowance = |class| {
        let (at, limits) = signs.announced(class)?;
        let (limit, remaining) = (limits.limit, limits.remaining);
        Some(serde_json::json!({ "limit": limit, "remaining": remaining, "at": seconds(at) }))
    };
    let warnings = signs.warnings().into_iter();
    let warnings = warnings.map(
        |(at, times, text)| serde_json::json!({ "at": seconds(at), "times": times, "text": text }),
    );
    serde_json::json!({
        "succeeded_at": seconds(signs.succeeded_at),
        "refused_since": seconds(signs.refused_since),
        "clock_ahead": (signs.clock_seen_at != 0).then_some(signs.clock_ahead),
        "create_allowance": allowance(RateClass::Core),
        "other_allowance": allowance(RateClass::Standard),
        "worker_ends": signs.ends_within(RECENT_ENDS, now),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}
