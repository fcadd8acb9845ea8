//! The fault matrix: every operation, every prior state, every fault at every request of the operation,
//! run to the end without a network and checked against what is promised.
//!
//! There are some 100,000 cases. A run takes every 61st of those with a fault, so that neighbours which
//! differ in little stand for each other; `COMETCHAT_MATRIX=full` takes all.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test

mod life;
mod remote;
mod session;
mod specification;
mod store;
mod together;
mod wire;

use life::{Life, Step};
use remote::{Fault, Performed, Plan};
use store::Until;
use sync::model::UserStatus;
use uuid::Uuid;

/// What is the matter before the operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Prior {
    NeverSeen,
    Synced,
    ExistsUnknown,
    ExistsDeactivatedUnknown,
    DeactivatedByOthers,
    DeletedByOthers,
    DeactivatedByUs,
    RevokePending,
    MappedByHand,
    KilledWhileClaimed,
}

/// How certain the state is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Certain {
    AsItIs,
    Unsettled,
    InFlight,
}

const LOGIN: Step = Step::Login { trusted: false };

/// The operations, and the most requests that they cost where nothing goes wrong.
const OPERATIONS: &[(&str, &[Step], usize)] = &[
    ("sign up", &[Step::SignUp], 5),
    ("edit", &[Step::Edit], 5),
    ("edit twice", &[Step::Edit, Step::Work, Step::Edit], 8),
    ("edit while in flight", &[Step::Edit, Step::Claim, Step::Edit, Step::Send, Step::Complete], 8),
    ("ban", &[Step::Ban], 4),
    ("ban and return", &[Step::Ban, Step::Work, Step::Return], 8),
    ("ban while in flight", &[Step::Edit, Step::Claim, Step::Send, Step::Ban, Step::Complete], 8),
    (
        "return while in flight",
        &[Step::Ban, Step::Claim, Step::Send, Step::Return, Step::Complete],
        8,
    ),
    ("return", &[Step::Return], 6),
    ("delete", &[Step::Delete], 4),
    ("delete and sign up", &[Step::Delete, Step::Work, Step::SignUp], 8),
    ("revoke", &[Step::Return, Step::Revoke], 7),
    ("log in", &[LOGIN], 5),
    ("log in after an edit", &[Step::Edit, LOGIN], 7),
    ("log in, trusted", &[Step::Edit, Step::Login { trusted: true }], 8),
    ("refresh", &[Step::Return, Step::Refresh], 7),
    ("two callers", &[Step::Edit, LOGIN, LOGIN], 8),
    ("revoke and log in", &[Step::Return, Step::Revoke, LOGIN], 8),
    (
        "log in while the worker sends",
        &[Step::Edit, Step::Claim, Step::Send, LOGIN, Step::Complete],
        10,
    ),
    (
        "log in before the worker sends",
        &[Step::Edit, Step::Claim, LOGIN, Step::Send, Step::Complete],
        10,
    ),
    (
        "log in across the worker's job",
        &[Step::Edit, Step::Claim, Step::LoginSends, Step::Send, Step::LoginSaves, Step::Complete],
        10,
    ),
    (
        "log in around the worker's job",
        &[Step::Edit, Step::LoginSends, Step::Work, Step::LoginSaves],
        10,
    ),
    (
        "ban during a log in",
        &[Step::Edit, Step::LoginSends, Step::Ban, Step::Work, Step::LoginSaves],
        12,
    ),
    ("killed while claimed", &[Step::Edit, Step::Claim, Step::Send, Step::Crash], 10),
];

/// One whole answer each.
fn faults() -> Vec<Fault> {
    use Performed::{Later, Never, Now};
    let mut faults = vec![
        Fault::Refused,
        Fault::CutOff,
        Fault::OthersDeactivate,
        Fault::OthersDelete,
        Fault::OthersCreate,
    ];
    for (status, code) in [
        (400, Some("ERR_BAD_REQUEST")),
        (401, Some("AUTH_ERR_APIKEY_NOT_FOUND")),
        (402, Some("ERR_PLAN_QUOTA_RESTRICTION")),
        (403, None),
        (404, None),
        (404, Some("ERR_API_NOT_FOUND")),
        (429, Some("ERR_TOO_MANY_REQUESTS")),
        (429, None),
    ] {
        faults.push(Fault::Status(status, code, Never));
    }
    for performed in [Never, Now] {
        faults.push(Fault::Status(500, Some("ERR_EXCEPTION"), performed));
    }
    for performed in [Never, Now, Later] {
        faults.push(Fault::Lost(performed));
        faults.push(Fault::Timeout(performed));
        faults.push(Fault::Status(503, None, performed));
        faults.push(Fault::Garbage(performed));
        faults.push(Fault::WrongUser(performed));
        faults.push(Fault::Redirect(performed));
    }
    faults
}

struct Case {
    prior: Prior,
    certain: Certain,
    operation: &'static (&'static str, &'static [Step], usize),
    plan: Option<Plan>,
}

impl Case {
    fn prepare(&self) -> Life {
        let mut life = Life::new(Uuid::from_bytes([7; 16]));
        let is_synced = !matches!(
            self.prior,
            Prior::NeverSeen
                | Prior::ExistsUnknown
                | Prior::ExistsDeactivatedUnknown
                | Prior::MappedByHand
                | Prior::KilledWhileClaimed
        );
        if is_synced {
            life.step(Step::SignUp);
            life.run_to_the_end();
        }
        match self.prior {
            Prior::NeverSeen | Prior::Synced => {}
            Prior::ExistsUnknown => life.remote.lock().unwrap().others_create(),
            Prior::ExistsDeactivatedUnknown => {
                let mut remote = life.remote.lock().unwrap();
                remote.others_create();
                remote.others_deactivate();
            }
            Prior::DeactivatedByOthers => life.remote.lock().unwrap().others_deactivate(),
            Prior::DeletedByOthers => life.remote.lock().unwrap().others_delete(),
            Prior::DeactivatedByUs => {
                life.step(Step::Ban);
                life.run_to_the_end();
                life.store.status = UserStatus::Active; // and the operation finds that out
            }
            Prior::RevokePending => {
                life.set_plan(Some(Plan { fault: Fault::Refused, from: 0, times: 1 }));
                life.step(Step::Revoke);
            }
            Prior::MappedByHand => {
                life.remote.lock().unwrap().others_create();
                let uid = life.store.user.to_string();
                life.store.mapping = Some((uid, Some("of_old".to_owned())));
            }
            Prior::KilledWhileClaimed => {
                [Step::SignUp, Step::Claim, Step::Crash].into_iter().for_each(|s| life.step(s));
            }
        }
        let now = life.store.now;
        if let Some(state) = &mut life.store.state {
            match self.certain {
                Certain::AsItIs => {}
                Certain::Unsettled => state.until = Until::At(now),
                Certain::InFlight => state.until = Until::At(now + store::Store::in_flight_ms()),
            }
        }
        life
    }

    /// What is wrong, and how many requests it took.
    fn run(&self) -> (Vec<String>, usize) {
        let mut life = self.prepare();
        let before = life.requests();
        life.set_plan(self.plan);
        // CometChat does not say who deactivated somebody: where we have too, it may pass for ours.
        let ours = [Step::Ban, Step::Delete].iter().any(|step| self.operation.1.contains(step));
        life.remote.lock().unwrap().may_reactivate = ours || self.prior == Prior::DeactivatedByUs;
        for step in self.operation.1 {
            life.step(*step);
        }
        life.run_to_the_end();
        let requests = life.requests() - before;
        let by_others = self.plan.is_some_and(|plan| plan.fault.is_by_others());
        // Nobody tells us what others do: whoever was not asked for is not looked at.
        if !by_others && !life.was_refused && requests > 0 {
            life.check_agreement();
        }
        life.check_login();
        life.run_to_the_end();
        let faults = self.plan.map_or(0, |plan| plan.times);
        if requests > (self.operation.2 + 4) * (faults + 1) {
            life.problems.push(format!("{requests} requests"));
        }
        let remote = life.remote.lock().unwrap();
        life.problems.extend(remote.violations.iter().cloned());
        if life.problems.is_empty() {
            return (Vec::new(), requests);
        }
        life.problems.push(format!("{:?}", &remote.requests[before..]));
        (std::mem::take(&mut life.problems), requests)
    }
}

/// Of the cases with a fault, one in so many is run.
const SAMPLE: usize = 61;

/// Every operation in this prior state, with every fault.
fn check(prior: Prior) {
    let full = std::env::var("COMETCHAT_MATRIX").is_ok_and(|v| v == "full");
    let every = if full { 1 } else { SAMPLE };
    let (mut with_fault, mut ran, mut failures) = (0, 0, Vec::new());
    for certain in [Certain::AsItIs, Certain::Unsettled, Certain::InFlight] {
        for operation in OPERATIONS {
            let mut run = |plan| {
                ran += 1;
                let (problems, requests) = Case { prior, certain, operation, plan }.run();
                if !problems.is_empty() {
                    let plan = plan.map(|p: Plan| (p.fault, p.from, p.times));
                    failures.push(format!("{certain:?}, {}, {plan:?}: {problems:?}", operation.0));
                }
                requests
            };
            let length = run(None);
            for plan in plans(length) {
                with_fault += 1;
                if with_fault % every == 0 {
                    run(Some(plan));
                }
            }
        }
    }
    println!("{ran} cases; {with_fault} with a fault in all");
    let few: String = failures.iter().take(12).map(|f| format!("{f}\n")).collect();
    assert!(failures.is_empty(), "{} of {ran} cases:\n{few}", failures.len());
}

macro_rules! priors {
    ($($name:ident: $prior:ident;)*) => { $(#[test] fn $name() { check(Prior::$prior) })* };
}

priors! {
    never_seen: NeverSeen;
    synced: Synced;
    exists_there_unknown_to_us: ExistsUnknown;
    deactivated_there_unknown_to_us: ExistsDeactivatedUnknown;
    deactivated_by_others: DeactivatedByOthers;
    deleted_by_others: DeletedByOthers;
    deactivated_by_us: DeactivatedByUs;
    revoke_pending: RevokePending;
    mapped_by_hand: MappedByHand;
    killed_while_claimed: KilledWhileClaimed;
}

/// Each fault at each of the first so many requests: once, and at three in a row.
fn plans(length: usize) -> impl Iterator<Item = Plan> {
    let at = move |fault| (0..length).map(move |from| (fault, from));
    let plan = |(fault, from)| [1, 3].map(|times| Plan { fault, from, times });
    faults().into_iter().flat_map(at).flat_map(plan)
}
