//! Permission for each request, from the limiter and the plan's quota that all processes share, and
//! what an answer tells them.

use std::time::Duration;

use cometchat::{ErrorKind, Exchange, Operation, Permit};
use sync::policy::unix_ms;
use sync::rate_limiter::{Cap, Priority, RefusedBy, Throttled};

use crate::config;
use crate::shmem::{signs, Slot};

/// How long CometChat's rate limit leaves the worker nothing to send.
pub fn throttled_for(slot: &Slot) -> Duration {
    let now = unix_ms();
    let cap = Cap::from(config::rate_limit());
    let until = slot.limiter.with(|limiter| limiter.earliest(cap, now));
    Duration::from_millis(until.saturating_sub(now))
}

pub(super) fn acquire(
    slot: &Slot,
    operation: Operation,
    priority: Priority,
    cap: Cap,
) -> Result<(), Duration> {
    let now = unix_ms();
    let taken = slot.limiter.with(|limiter| limiter.take(operation.class(), priority, cap, now));
    taken.map_err(|until| Duration::from_millis(until.saturating_sub(now).max(1)))
}

/// Whether the plan has room, as far as is known, if this would take some.
pub(super) fn has_room(slot: &Slot, operation: Operation) -> bool {
    operation != Operation::CreateUser || !slot.quota.with(|quota| quota.refuses(unix_ms()))
}

/// The last check before a request is sent: takes a place in the plan.
pub(super) fn last_check(slot: &Slot, operation: Operation) -> Permit {
    if operation == Operation::CreateUser && !slot.quota.with(|quota| quota.take(unix_ms())) {
        return Permit::NoRoom;
    }
    Permit::Go
}

/// Updates limiter, quota and counters with an answer.
pub(super) fn record(slot: &Slot, exchange: &Exchange<'_>, priority: Priority) {
    let now = unix_ms();
    slot.stats.request(exchange);
    signs::note_answer(&slot.signs, exchange, now);
    if exchange.operation == Operation::CreateUser {
        match exchange.failure {
            None => slot.quota.with(|quota| quota.created()),
            // What one session was told must not stop others: the quota is used up once the worker is
            // told so, and confirmed by sessions after that.
            Some(e) if e.kind() == ErrorKind::PlanLimit => slot.quota.with(|quota| {
                if priority == Priority::Worker || quota.is_used_up() {
                    quota.refused(now);
                }
            }),
            Some(_) => {}
        }
    }
    slot.limiter.with(|limiter| {
        limiter.on_response(exchange.operation.class(), exchange.limits, now);
        if exchange.is_rate_limited() {
            let asked = exchange.retry_after.map(|wait| wait.as_millis());
            let by = match exchange.code {
                Some(_) => RefusedBy::CometChat,
                None => RefusedBy::Gateway,
            };
            limiter.block_for(asked.and_then(|ms| u64::try_from(ms).ok()), by, now);
        } else if exchange.status.is_some() {
            limiter.went_through();
        }
    });
}

/// Why nothing is sent now, if CometChat or a gateway refused requests.
pub fn throttled(slot: &Slot) -> Option<Throttled> {
    let now = unix_ms();
    slot.limiter.with(|limiter| limiter.throttled(now))
}
