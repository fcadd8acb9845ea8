//! Every operation, every way of losing its answer, and whatever happens next: CometChat is asked, and
//! has what `auth.users` says in the end.
//!
//! Each case is one user with a story of their own, and all live at the same time.

use scenarios::walk::{Disturbance, Event, Plan, Report, Step, Trouble, Walk};

/// What the user goes through before, what is then sent, and the operation that meets trouble.
const OPERATIONS: [(&str, &[Event], Event, &str); 11] = [
    ("create", &[], Event::SignUp, "create_user"),
    ("adopt", &[Event::ExistThere], Event::SignUp, "update_user"),
    ("read", &[Event::ExistThere], Event::SignUp, "get_user"),
    ("token", &[Event::ExistThere], Event::SignUp, "create_token"),
    ("update", &[Event::SignUp, Event::Settle], Event::Edit, "update_user"),
    ("deactivate", &[Event::SignUp, Event::Settle], Event::Ban, "deactivate_users"),
    (
        "reactivate",
        &[Event::SignUp, Event::Settle, Event::Ban, Event::Settle],
        Event::Unban,
        "reactivate_users",
    ),
    ("flush of a ban", &[Event::SignUp, Event::Settle], Event::Ban, "flush_tokens"),
    ("flush of a farewell", &[Event::SignUp, Event::Settle], Event::Delete, "flush_tokens"),
    ("flush", &[Event::SignUp, Event::Settle], Event::OweFlush, "flush_tokens"),
    ("delete", &[Event::SignUp, Event::Settle], Event::Delete, "deactivate_users"),
];

const NEXT: [&[Event]; 7] = [
    &[],
    &[Event::Ban],
    &[Event::Unban],
    &[Event::Delete],
    &[Event::Edit],
    &[Event::Ensure { named: false }],
    &[Event::Delete, Event::SignUp],
];

/// The stories, each with its name.
fn cases(troubles: &[Trouble]) -> Vec<(String, Plan)> {
    let mut cases = Vec::new();
    for (name, before, op, operation) in OPERATIONS {
        for trouble in troubles {
            for next in NEXT {
                let meet = Step::Meet { trouble: *trouble, operation: Some(operation), skip: 0 };
                let mut plan: Plan = before.iter().map(|op| Step::Do(*op)).collect();
                plan.extend([meet, Step::Do(op), Step::Do(Event::Moment)]);
                plan.extend(next.iter().map(|op| Step::Do(*op)));
                cases.push((format!("{name}, {trouble:?}, then {next:?}"), plan));
            }
        }
    }
    cases
}

#[track_caller]
fn all_agree(cases: Vec<(String, Plan)>, disturbances: &'static [Disturbance]) {
    let (names, plans): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let count = plans.len();
    let Report { violations, requests, .. } = Walk { plans, seed: 1, disturbances }.run();
    println!("{count} cases, {requests} requests, {} violations", violations.len());
    let wrong: Vec<String> = violations
        .into_iter()
        .map(|wrong| format!("{:?}: {}", wrong.person.map(|n| &names[n]), wrong.what))
        .collect();
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    assert!(requests < count as u64 * 16, "{requests} requests");
}

#[test]
fn after_every_lost_answer_and_next_event_cometchat_agrees() {
    let troubles = [
        Trouble::Refused,
        Trouble::DoneYet500,
        Trouble::DoneYetBroken,
        Trouble::DoneYetHalf,
        Trouble::DoneYetLate,
        Trouble::DoneLater,
    ];
    all_agree(cases(&troubles), &[]);
}

#[test]
fn after_every_worker_end_and_next_event_cometchat_agrees() {
    all_agree(cases(&[Trouble::DoneYetLate, Trouble::Slow]), &[Disturbance::WorkerTerminated]);
}

#[test]
fn after_every_throttling_and_next_event_cometchat_agrees() {
    all_agree(cases(&[Trouble::Throttled]), &[]);
}
