//! What can happen to one user, and the stories that are made of it.

use fastrand::Rng;
use simulator::{Fault, FaultKind};

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Signs up, again with the same id perhaps; nothing if there is such a user.
    SignUp,
    SignUpAnonymously,
    /// Gets another name and address in `auth.users`.
    Edit,
    Ban,
    Unban,
    /// Banned for so many milliseconds.
    BanFor(u32),
    SoftDelete,
    SoftBack,
    Delete,
    /// Logs in, with a display name perhaps.
    Ensure {
        named: bool,
    },
    EnsureByServer {
        named: bool,
    },
    RolledBackEnsure {
        named: bool,
    },
    Refresh,
    Revoke,
    RolledBackRevoke,
    /// Is in CometChat already, under another name.
    ExistThere,
    /// Has tokens that are still to be flushed, by the worker.
    OweFlush,
    /// Until nothing is left to be done for this user, a second at most.
    Settle,
    /// Long enough for one request.
    Moment,
    /// In CometChat's dashboard; nobody may undo that but a trusted call, and no plan has one before others
    /// undo it.
    DeactivateByOthers,
    /// The moderator relents. We are not told: some work for the user is to follow.
    ReactivateByOthers,
}

/// What CometChat does to one of the user's next requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 500, and nothing is done.
    Refused,
    /// Done, and yet 500.
    DoneYet500,
    /// The connection breaks, and nothing is done.
    Broken,
    /// Done, and the connection breaks.
    DoneYetBroken,
    /// Done, and half of the answer comes.
    DoneYetHalf,
    /// Done at once, and the answer comes after the client's patience.
    DoneYetLate,
    /// The client's patience ends first, and it is done a little later.
    DoneLater,
    /// The answer takes its time.
    Slow,
    /// 429, for a second.
    Throttled,
}

impl Trouble {
    pub const ALL: [Trouble; 9] = [
        Trouble::Refused,
        Trouble::DoneYet500,
        Trouble::Broken,
        Trouble::DoneYetBroken,
        Trouble::DoneYetHalf,
        Trouble::DoneYetLate,
        Trouble::DoneLater,
        Trouble::Slow,
        Trouble::Throttled,
    ];

    /// The simulator's fault for it, of any user. `patience`: the client's, in milliseconds.
    pub fn fault(self, patience: u64) -> Fault {
        match self {
            Trouble::Refused => Fault::status(500, "ERR_EXCEPTION"),
            Trouble::DoneYet500 => Fault::status(500, "ERR_EXCEPTION").perform(),
            Trouble::Broken => Fault::new(FaultKind::Reset),
            Trouble::DoneYetBroken => Fault::new(FaultKind::Reset).perform(),
            Trouble::DoneYetHalf => Fault::new(FaultKind::TruncatedBody),
            Trouble::DoneYetLate => Fault::delay(patience * 2).perform(),
            Trouble::DoneLater => Fault::new(FaultKind::Late { ms: patience * 3 / 2 }),
            Trouble::Slow => Fault::delay(patience / 3),
            Trouble::Throttled => {
                Fault::status(429, "ERR_TOO_MANY_REQUESTS").header("Retry-After", "1")
            }
        }
    }
}

/// What happens at one point of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Do(Event),
    /// The next request but so many that it meets (of one operation only, if that is given) meets
    /// trouble.
    Meet {
        trouble: Trouble,
        operation: Option<&'static str>,
        skip: u64,
    },
}

/// A user's story.
pub type Plan = Vec<Step>;

const OPERATIONS: [&str; 7] = [
    "create_user",
    "get_user",
    "update_user",
    "deactivate_users",
    "reactivate_users",
    "create_token",
    "flush_tokens",
];

/// A story with about `length` steps.
pub fn plan(random: &mut Rng, length: usize) -> Plan {
    let mut plan = Plan::new();
    if random.u8(..3) == 0 {
        plan.push(meet(random));
    }
    let exists = random.u8(..8) == 0;
    if exists {
        plan.push(Step::Do(Event::ExistThere));
    }
    // Whom nobody syncs is not ours, though somebody of that uid is there.
    let anonymous = !exists && random.u8(..8) == 0;
    plan.push(Step::Do(if anonymous { Event::SignUpAnonymously } else { Event::SignUp }));
    let moderated = random.u8(..12) == 0;
    if moderated {
        return moderated_plan(random, plan, length);
    }
    go_on(random, &mut plan, length, any);
    plan
}

/// Until the story is so long, one event after the other, with trouble now and then.
fn go_on(random: &mut Rng, plan: &mut Plan, length: usize, next: fn(&mut Rng) -> Event) {
    while plan.len() < length {
        if random.u8(..4) == 0 {
            plan.push(meet(random));
        }
        plan.push(Step::Do(next(random)));
    }
}

fn any(random: &mut Rng) -> Event {
    let named = random.u8(..3) == 0;
    match random.u8(..34) {
        0..=3 => Event::Edit,
        4..=7 => Event::Ban,
        8..=10 => Event::Unban,
        11 => Event::BanFor(random.u32(50..1200)),
        12 => Event::SoftDelete,
        13 => Event::SoftBack,
        14..=15 => Event::Delete,
        16..=19 => Event::SignUp,
        20..=22 => Event::Ensure { named },
        23..=24 => Event::EnsureByServer { named },
        25..=26 => Event::RolledBackEnsure { named },
        27 => Event::Refresh,
        28..=29 => Event::Revoke,
        30 => Event::RolledBackRevoke,
        _ => Event::Settle,
    }
}

/// Somebody whom others deactivate once all is quiet: whatever happens here then, that stands, until they
/// relent perhaps.
fn moderated_plan(random: &mut Rng, mut plan: Plan, length: usize) -> Plan {
    plan.extend(
        [Event::Ensure { named: false }, Event::Settle, Event::Settle, Event::DeactivateByOthers]
            .map(Step::Do),
    );
    let relents = random.bool();
    let until = if relents { plan.len() + random.usize(1..=length / 2) } else { length };
    go_on(random, &mut plan, until, while_moderated);
    if relents {
        plan.extend([Event::ReactivateByOthers, Event::Edit].map(Step::Do));
        go_on(random, &mut plan, length, any);
    }
    plan
}

/// No ban: where the worker is killed amid a deactivation, it is not known whose it was.
fn while_moderated(random: &mut Rng) -> Event {
    match random.u8(..7) {
        0 | 1 => Event::Edit,
        2 => Event::Ensure { named: random.bool() },
        3 => Event::Refresh,
        4 => Event::Revoke,
        _ => Event::Settle,
    }
}

fn meet(random: &mut Rng) -> Step {
    let trouble = match random.u8(..40) {
        0 => Trouble::Throttled,
        n => Trouble::ALL[usize::from(n) % (Trouble::ALL.len() - 1)],
    };
    let operation = random.bool().then(|| OPERATIONS[random.usize(..OPERATIONS.len())]);
    Step::Meet { trouble, operation, skip: random.u64(..2) }
}
