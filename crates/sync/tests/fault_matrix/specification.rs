//! What is sent where nothing goes wrong: the table of docs/sync-protocol.md, request by request.

use crate::life::{Life, Step};
use crate::{Case, Certain, Prior, LOGIN};

/// The requests of `steps`, and of the worker until it is done.
fn requests(prior: Prior, certain: Certain, steps: &'static [Step]) -> String {
    let operation: &'static _ = Box::leak(Box::new(("", steps, 0)));
    let mut life: Life = Case { prior, certain, operation, plan: None }.prepare();
    let before = life.requests();
    steps.iter().for_each(|step| life.step(*step));
    life.run_to_the_end();
    let remote = life.remote.lock().unwrap();
    remote.requests[before..].join(" ")
}

#[test]
fn what_is_sent_when_all_goes_well() {
    use Certain::{AsItIs, Unsettled};
    use Prior::{
        DeactivatedByOthers, DeactivatedByUs, DeletedByOthers, ExistsUnknown, MappedByHand,
        NeverSeen, Synced,
    };
    use Step::{Ban, Delete, Edit, Refresh, Return, Revoke, SignUp};
    let adopt = "create_user get_user update_user create_token";
    let end = "flush_tokens deactivate_users";
    let table: &[(Prior, Certain, &'static [Step], &str)] = &[
        (NeverSeen, AsItIs, &[SignUp], "create_user"),
        (NeverSeen, AsItIs, &[SignUp, LOGIN], "create_user"),
        (NeverSeen, AsItIs, &[SignUp, Step::Work, LOGIN], "create_user"),
        (NeverSeen, AsItIs, &[SignUp, Delete], "flush_tokens"), // it may be there: nobody has asked
        (ExistsUnknown, AsItIs, &[SignUp], adopt),
        (MappedByHand, AsItIs, &[SignUp], "get_user update_user get_token create_token"),
        (Synced, AsItIs, &[Return], ""),
        (Synced, AsItIs, &[LOGIN], ""),
        (Synced, AsItIs, &[Edit], "update_user"),
        (Synced, AsItIs, &[Edit, Edit], "update_user"),
        (Synced, Unsettled, &[Return], "get_user get_token"),
        (Synced, Unsettled, &[Edit], "get_user update_user get_token"),
        (Synced, AsItIs, &[Ban], end),
        (Synced, AsItIs, &[Delete], end),
        (Synced, AsItIs, &[Refresh], "create_token"),
        (Synced, AsItIs, &[Revoke], "flush_tokens"),
        (Synced, AsItIs, &[Revoke, LOGIN], "flush_tokens create_token"),
        (DeactivatedByUs, AsItIs, &[Return], "reactivate_users get_user create_token"),
        (DeactivatedByOthers, AsItIs, &[Return], ""), // nobody tells us
        (DeactivatedByOthers, AsItIs, &[Edit], "update_user create_user get_user"),
        (DeletedByOthers, AsItIs, &[Edit], "update_user create_user"),
    ];
    let mut wrong = Vec::new();
    for (prior, certain, steps, expected) in table {
        let sent = requests(*prior, *certain, steps);
        if sent != *expected {
            wrong.push(format!("{prior:?} {certain:?} {steps:?}: {sent}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
