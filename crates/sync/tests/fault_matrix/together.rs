//! Users who are created together: what each kind of answer leaves behind, and that going again singly
//! mends it.

use std::sync::{Arc, Mutex};

use cometchat::Effect;
use sync::import::{self, Verdict, MAX_IMPORT_USERS};
use sync::job::{Job, JobResult, Outcome};
use sync::model::{AuthUser, Certainty, RemoteState, UserRow, UserStatus};
use sync::policy::{RetryDecision, MAX_IMPORT_BYTES};
use sync::profile::{self, CallArguments};
use uuid::Uuid;

use crate::remote::{Fault, Performed, Plan, Remote};
use crate::wire;

fn job(n: u128) -> Job {
    let user = Uuid::from_u128(n + 1);
    let auth = AuthUser {
        status: UserStatus::Active,
        email: Some(format!("{n}@example.com")),
        names: vec![Some(format!("User {n}"))],
        ..AuthUser::default()
    };
    let id = user.to_string();
    let row = UserRow { user_id: id.clone(), uid: id, auth, ..UserRow::default() };
    Job {
        user,
        app_id: "app".to_owned(),
        backlog: true,
        status: UserStatus::Active,
        wanted: profile::wanted(&row, CallArguments::default()),
        remote: row.remote_in("app"),
        certainty: row.certainty_in("app"),
        ..Job::default()
    }
}

struct Tried {
    results: Vec<JobResult>,
    verdict: Verdict,
    remote: Arc<Mutex<Remote>>,
}

/// Imports three users, with a fault.
fn import(fault: Option<Fault>) -> Tried {
    let jobs: Vec<Job> = (0..3).map(job).collect();
    let remote = Arc::new(Mutex::new(Remote::new(&jobs[0].user.to_string())));
    remote.lock().unwrap().plan = fault.map(|fault| Plan { fault, from: 0, times: 1 });
    let seen = remote.clone();
    let sent = move || !seen.lock().unwrap().requests.is_empty();
    let tried = import::run(jobs, &wire::client(&remote), sent);
    Tried { results: tried.results, verdict: tried.verdict, remote }
}

fn decision(result: &JobResult) -> Option<RetryDecision> {
    match &result.outcome {
        Outcome::Failed { decision, .. } => Some(*decision),
        Outcome::Synced | Outcome::Removed => None,
    }
}

#[test]
fn what_it_leaves_behind_is_what_a_single_request_leaves_but_for_the_token() {
    let tried = import(None);
    assert_eq!(tried.verdict, Verdict::Worked);
    assert_eq!(tried.remote.lock().unwrap().requests, ["import_users"]);
    for (n, together) in tried.results.into_iter().enumerate() {
        assert_eq!(decision(&together), None);
        let remote = Arc::new(Mutex::new(Remote::new(&together.job.user.to_string())));
        let singly = job(n as u128).run(&wire::client(&remote)).job.remote;
        assert!(singly.token.is_some());
        assert_eq!(together.job.remote, RemoteState { token: None, ..singly });
    }
}

#[test]
fn no_report_is_no_loss() {
    use Performed::{Later, Never, Now};
    for fault in [
        Fault::Status(500, Some("ERR_EXCEPTION"), Now),
        Fault::Status(502, None, Never),
        Fault::Status(400, Some("ERR_BAD_REQUEST"), Never),
        Fault::Status(404, Some("ERR_ROLE_NOT_FOUND"), Never),
        Fault::Garbage(Now),
        Fault::Redirect(Never),
        Fault::Timeout(Now),
        Fault::Timeout(Later),
        Fault::Lost(Now),
        Fault::CutOff,
        Fault::Refused,
    ] {
        let tried = import(Some(fault));
        assert_eq!(tried.verdict, Verdict::Failed, "{fault:?}");
        for result in tried.results {
            assert_eq!(decision(&result), Some(RetryDecision::Singly), "{fault:?}");
            assert_ne!(result.job.remote.effect, Effect::None, "{fault:?}: marked");
            // As the queue hands them over again.
            let again =
                Job { certainty: Certainty::Unsettled, ..job(result.job.user.as_u128() - 1) };
            assert!(!again.is_importable());
            let again = again.run(&wire::client(&tried.remote));
            assert_eq!(decision(&again), None, "{fault:?}");
        }
        assert!(tried.remote.lock().unwrap().user().is_some(), "{fault:?}");
    }
}

#[test]
fn what_is_not_offered_is_told_from_what_is_refused_to_everybody() {
    use Verdict::{NotOffered, Nothing};
    for (status, code, verdict, decided) in [
        (402, Some("ERR_PLAN_RESTRICTION"), NotOffered, RetryDecision::Interrupted),
        (403, Some("AUTH_ERR_NO_ACCESS"), NotOffered, RetryDecision::Interrupted),
        (403, None, NotOffered, RetryDecision::Interrupted),
        (404, Some("ERR_API_NOT_FOUND"), NotOffered, RetryDecision::Interrupted),
        (404, None, NotOffered, RetryDecision::Interrupted),
        (405, None, NotOffered, RetryDecision::Interrupted),
        (410, None, NotOffered, RetryDecision::Interrupted),
        (501, None, NotOffered, RetryDecision::Interrupted),
        (429, Some("ERR_TOO_MANY_REQUESTS"), Nothing, RetryDecision::Interrupted),
        (401, Some("AUTH_ERR_APIKEY_NOT_FOUND"), Nothing, RetryDecision::OpenCircuit),
        (403, Some("AUTH_ERR_APIKEY_NOT_FOUND"), Nothing, RetryDecision::OpenCircuit),
        (401, None, Nothing, RetryDecision::OpenCircuit),
    ] {
        let tried = import(Some(Fault::Status(status, code, Performed::Never)));
        assert_eq!(tried.verdict, verdict, "{status} {code:?}");
        for result in tried.results {
            assert_eq!(decision(&result), Some(decided), "{status} {code:?}");
            assert_eq!(result.job.remote.effect, Effect::None, "{status} {code:?}: as before");
        }
    }
}

#[test]
fn what_was_not_sent_is_given_back_and_what_cannot_be_sent_goes_singly() {
    let remote = Arc::new(Mutex::new(Remote::new("x")));
    let client = wire::client(&remote);
    let gate = client.with_gate(Arc::new(|_| cometchat::Permit::Never));
    let tried = import::run(vec![job(0), job(1)], &gate, || false);
    assert_eq!(tried.verdict, Verdict::Nothing);
    assert!(tried.results.iter().all(|r| decision(r) == Some(RetryDecision::Interrupted)));
    let tried = import::run(vec![job(0), job(0)], &client, || false);
    assert!(tried.results.iter().all(|r| decision(r) == Some(RetryDecision::Singly)));
    assert!(remote.lock().unwrap().requests.is_empty());
}

#[test]
fn one_request_takes_fifty_users_and_a_bounded_number_of_bytes() {
    let (fitting, rest) = import::fit((0..60).map(job).collect());
    assert_eq!((fitting.len(), rest.len()), (MAX_IMPORT_USERS, 10));
    let large = |n| {
        let mut job = job(n);
        job.wanted.profile.fields.link = Some(format!("https://x/{}", "y".repeat(10_000)));
        job
    };
    let (fitting, rest) = import::fit((0..50).map(large).collect());
    assert_eq!(fitting.len() + rest.len(), 50);
    assert!(
        fitting.len() * 10_000 <= MAX_IMPORT_BYTES
            && (fitting.len() + 1) * 10_100 > MAX_IMPORT_BYTES
    );
}

#[test]
fn only_those_of_whom_nothing_is_known_are_created_together() {
    assert!(job(0).is_importable());
    let but = |change: fn(&mut Job)| {
        let mut job = job(0);
        change(&mut job);
        job.is_importable()
    };
    for change in [
        (|j: &mut Job| j.backlog = false) as fn(&mut Job),
        |j| j.status = UserStatus::Suspended { back_in_ms: None },
        |j| j.status = UserStatus::Deleted,
        |j| j.status = UserStatus::Unknown,
        |j| j.skip = true,
        |j| j.was_known = true,
        |j| j.remote.mapped = true,
        |j| j.remote.revoke_pending = true,
        |j| j.remote.deactivated = true,
        |j| j.certainty = Certainty::Settled,
        |j| j.certainty = Certainty::Unsettled,
        |j| j.certainty = Certainty::InFlight(1),
        |j| j.imported_token = Some("token".to_owned()),
        |j| j.wanted.unreadable = Some("why".to_owned()),
        |j| j.wanted.profile.fields.status_message = Some("hello".to_owned()),
    ] {
        assert!(!but(change));
    }
}
