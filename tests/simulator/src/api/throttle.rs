//! Rate limits: which bucket a request draws from, and what is said about it.

use super::error::ApiError;
use super::handle::Call;
use super::reply::Reply;
use super::route::Operation;
use crate::settings::{HeaderStyle, Limits};
use crate::state::bucket::Verdict;
use std::time::{Duration, Instant, SystemTime};

/// Draws from the request's bucket; `None` when that bucket has no limit.
pub fn take(call: &Call<'_>) -> Option<Verdict> {
    let limits = &call.settings.limits;
    // RL: creating and deleting users is "core"; token creation is taken to be "standard".
    let core = matches!(
        call.route.operation,
        Operation::CreateUser | Operation::DeleteUser | Operation::DeactivateUsers
    );
    let import = call.route.operation == Operation::ImportUsers;
    let limit = match (core, import) {
        (true, _) => limits.core?,
        (_, true) => limits.import?,
        _ => limits.standard?,
    };
    let mut world = call.shared.world();
    let app = world.app(call.app);
    let bucket = match (core, import) {
        (true, _) => &mut app.core,
        (_, true) => &mut app.import,
        _ => &mut app.standard,
    };
    Some(bucket.take(Instant::now(), limit, Duration::from_millis(limits.window_ms)))
}

/// The 429.
pub fn refuse(limits: &Limits, verdict: Verdict) -> Reply {
    let wait = limits.retry_after.clone().unwrap_or_else(|| verdict.retry_after().to_string());
    ApiError::too_many_requests().reply().header("Retry-After", wait)
}

/// Adds the limit headers, in the spelling asked for, to any reply.
pub fn announce(limits: &Limits, verdict: Verdict, mut reply: Reply) -> Reply {
    let (dashed, joined) = match limits.headers {
        HeaderStyle::Dashed => (true, false),
        HeaderStyle::Joined => (false, true),
        HeaderStyle::Both => (true, true),
        HeaderStyle::None => (false, false),
    };
    let reset = verdict.reset_at().saturating_add_signed(limits.clock_ms / 1000);
    let reset = if limits.reset_in_ms { reset * 1000 } else { reset };
    if limits.clock_ms != 0 {
        let ahead = Duration::from_millis(limits.clock_ms.unsigned_abs());
        let now = SystemTime::now();
        let date = if limits.clock_ms > 0 { now + ahead } else { now - ahead };
        reply = reply.header("Date", httpdate::fmt_http_date(date));
    }
    if dashed {
        reply = reply
            .header("X-Rate-Limit", verdict.limit)
            .header("X-Rate-Limit-Remaining", verdict.remaining)
            .header("X-Rate-Limit-Reset", reset);
    }
    if joined {
        reply = reply
            .header("X-RateLimit-Limit", verdict.limit)
            .header("X-RateLimit-Remaining", verdict.remaining)
            .header("X-RateLimit-Reset", reset);
    }
    reply
}
