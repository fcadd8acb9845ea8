//! Permission for each request, from the limiter and the plan's quota that all processes share, and
//! what an answer tells them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cometchat::{ErrorKind, Exchange, Operation, Permit};
use sync::pacing::ThrottledFor;
use sync::policy::{self, unix_ms};
use sync::rate_limiter::{Cap, Priority, RefusedBy, Throttled};

use crate::config;
use crate::shmem::{signs, Slot};

/// How long CometChat's rate limit leaves the worker nothing to send.
pub fn throttled_for(slot: &Slot) -> ThrottledFor {
    let now = unix_ms();
    let wait = |priority| match room_until(slot, priority, now) {
        Ok(_) => Duration::ZERO,
        Err(until) => Duration::from_millis(until.saturating_sub(now)),
    };
    let cap = Cap::from(config::rate_limit());
    let import = slot.limiter.with(|limiter| limiter.import_room(cap, now)).err().unwrap_or(now);
    ThrottledFor {
        people: wait(Priority::Worker),
        backlog: wait(Priority::Backlog),
        import: Duration::from_millis(import.saturating_sub(now)),
    }
}

/// Whether CometChat allows no more single requests than what its import can create besides.
pub fn is_scarce(slot: &Slot) -> bool {
    let cap = Cap::from(config::rate_limit());
    let limit = slot.limiter.with(|limiter| limiter.limit(cap));
    limit.is_some_and(|limit| limit <= policy::IMPORTED_PER_MINUTE)
}

/// How many users it leaves the worker to create now.
pub fn room(slot: &Slot, priority: Priority) -> usize {
    let room = room_until(slot, priority, unix_ms()).unwrap_or(0);
    usize::try_from(room).unwrap_or(usize::MAX)
}

fn room_until(slot: &Slot, priority: Priority, now: u64) -> Result<u32, u64> {
    let cap = Cap::from(config::rate_limit());
    slot.limiter.with(|limiter| limiter.room(priority, cap, now))
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

/// Work from the queue waits this long for CometChat's limit; for longer its user goes back into it.
pub(super) const MAX_QUEUED_WAIT: Duration = Duration::from_secs(2);

/// Looked at again no later than this: another process may have freed something.
const RECHECK: Duration = Duration::from_millis(20);

/// Permission for the requests of one user from the queue.
pub(super) struct QueuedPermit {
    slot: &'static Slot,
    cap: Cap,
    /// What the backlog has begun, it ends as people do.
    behind_people: AtomicBool,
    /// How long the first request of the backlog waits.
    max_backlog_wait: Duration,
}

impl QueuedPermit {
    pub(super) fn new(slot: &'static Slot, cap: Cap, backlog: bool, max_wait: Duration) -> Self {
        QueuedPermit { slot, cap, behind_people: backlog.into(), max_backlog_wait: max_wait }
    }

    /// Whether a request may be sent, after waiting with `wait` if need be; it returns false when there is
    /// no time for that.
    pub(super) fn get(&self, operation: Operation, wait: impl Fn(Duration) -> bool) -> Permit {
        if !has_room(self.slot, operation) {
            return Permit::NoRoom;
        }
        let behind_people = self.behind_people.load(Ordering::Relaxed);
        let longest = if behind_people { self.max_backlog_wait } else { MAX_QUEUED_WAIT };
        let wait_until = Instant::now() + longest;
        let priority = Priority::of_queued(behind_people);
        loop {
            match acquire(self.slot, operation, priority, self.cap) {
                Ok(()) => {
                    self.behind_people.store(false, Ordering::Relaxed);
                    return last_check(self.slot, operation);
                }
                Err(time) if Instant::now() + time > wait_until => return Permit::Later(time),
                Err(time) if !wait(time.min(RECHECK)) => return Permit::Later(time),
                Err(_) => {}
            }
        }
    }
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
                if priority != Priority::Interactive || quota.is_used_up() {
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
            let asked = asked.and_then(|ms| u64::try_from(ms).ok());
            limiter.block_for(exchange.operation.class(), asked, by, now);
        } else if exchange.status.is_some() {
            limiter.went_through(exchange.operation.class());
        }
    });
}

/// Why nothing is sent now, if CometChat or a gateway refused requests.
pub fn throttled(slot: &Slot) -> Option<Throttled> {
    let now = unix_ms();
    slot.limiter.with(|limiter| limiter.throttled(now))
}
