//! Every operation, every way of losing its answer, and whatever happens next: CometChat is asked, and
//! has what `auth.users` says in the end.
//!
//! Each case is one user with a story of their own, and all live at the same time.

use scenarios::walk::{Op, Plan, Report, Step, Trouble, Walk, Weather};

/// What the user goes through before, what is then sent, and the operation that meets trouble.
const OPERATIONS: [(&str, &[Op], Op, &str); 11] = [
    ("create", &[], Op::SignUp, "create_user"),
    ("adopt", &[Op::ExistThere], Op::SignUp, "update_user"),
    ("read", &[Op::ExistThere], Op::SignUp, "get_user"),
    ("token", &[Op::ExistThere], Op::SignUp, "create_token"),
    ("update", &[Op::SignUp, Op::Settle], Op::Edit, "update_user"),
    ("deactivate", &[Op::SignUp, Op::Settle], Op::Ban, "deactivate_users"),
    ("reactivate", &[Op::SignUp, Op::Settle, Op::Ban, Op::Settle], Op::Unban, "reactivate_users"),
    ("flush of a ban", &[Op::SignUp, Op::Settle], Op::Ban, "flush_tokens"),
    ("flush of a farewell", &[Op::SignUp, Op::Settle], Op::Delete, "flush_tokens"),
    ("flush", &[Op::SignUp, Op::Settle], Op::OweFlush, "flush_tokens"),
    ("delete", &[Op::SignUp, Op::Settle], Op::Delete, "deactivate_users"),
];

const NEXT: [&[Op]; 7] = [
    &[],
    &[Op::Ban],
    &[Op::Unban],
    &[Op::Delete],
    &[Op::Edit],
    &[Op::Ensure { named: false }],
    &[Op::Delete, Op::SignUp],
];

/// The stories, each with its name.
fn cases(troubles: &[Trouble]) -> Vec<(String, Plan)> {
    let mut cases = Vec::new();
    for (name, before, op, operation) in OPERATIONS {
        for trouble in troubles {
            for next in NEXT {
                let meet = Step::Meet { trouble: *trouble, operation: Some(operation), skip: 0 };
                let mut plan: Plan = before.iter().map(|op| Step::Do(*op)).collect();
                plan.extend([meet, Step::Do(op), Step::Do(Op::Moment)]);
                plan.extend(next.iter().map(|op| Step::Do(*op)));
                cases.push((format!("{name}, {trouble:?}, then {next:?}"), plan));
            }
        }
    }
    cases
}

#[track_caller]
fn all_agree(cases: Vec<(String, Plan)>, weather: &'static [Weather]) {
    let (names, plans): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let count = plans.len();
    let Report { violations, requests, .. } = Walk { plans, seed: 1, weather }.run();
    println!("{count} cases, {requests} requests, {} violations", violations.len());
    let wrong: Vec<String> = violations
        .into_iter()
        .map(|wrong| format!("{:?}: {}", wrong.person.map(|n| &names[n]), wrong.what))
        .collect();
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    assert!(requests < count as u64 * 16, "{requests} requests");
}

#[test]
fn whatever_answer_is_lost_and_whatever_comes_next_cometchat_agrees() {
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
fn whenever_the_worker_ends_and_whatever_comes_next_cometchat_agrees() {
    all_agree(cases(&[Trouble::DoneYetLate, Trouble::Slow]), &[Weather::WorkerTerminated]);
}

#[test]
fn whoever_is_throttled_and_whatever_comes_next_cometchat_agrees() {
    all_agree(cases(&[Trouble::Throttled]), &[]);
}
