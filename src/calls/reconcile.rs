//! One page of CometChat's list compared with our state, for `cometchat.reconcile()`.
//!
//! A rate limit is waited for as long as the statement may take: a list of a million users is a thousand
//! requests, more than most limits allow in a minute. Of the worker's share of the limit, so that whoever
//! logs in meanwhile goes first.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cometchat::{User, UserPage};
use serde_json::{json, Value};
use uuid::Uuid;

use super::remote;
use crate::pg::{activity, deadline, latch, rights, subxact};
use crate::{app, config, store};
use sync::error::CallError;
use sync::model::UserRow;
use sync::policy;
use sync::profile::{self, CallArguments};
use sync::rate_limiter::Priority;

/// Users in a page: the most that CometChat gives.
const PER_PAGE: u32 = cometchat::MAX_PER_PAGE;

/// Compares a page. In the answer are `seen`, the users of ours who are in it as they should be; `found`,
/// the entries of which there is something to say; whether there are `more` pages, and how many in all.
///
/// # Errors
/// Whatever CometChat answers, if it does so again and again.
pub fn page(number: u32) -> Result<Value, CallError> {
    if rights::are_restricted() {
        return Err(CallError::Unauthorized); // SECURITY: as in `caller::identify`
    }
    let app_id = app::app_id()?;
    let list = ask_until_answered(number)?;
    let uids: Vec<String> = list.users.iter().map(|user| user.uid.clone()).collect();
    // What it waits for a lock of another session's.
    let left = config::request_timeout().max(subxact::FINAL_WRITE_LOCK_TIMEOUT);
    let read = subxact::run(left, move || {
        let mut owners = store::owners(uids.clone());
        for uid in uids {
            let user = uuid_of(&uid);
            owners.entry(uid).or_insert_with(|| user.unwrap_or_default());
        }
        owners.retain(|_, user| !user.is_nil());
        let rows = store::load_many(&owners.values().copied().collect::<Vec<_>>());
        (owners, rows)
    });
    let (owners, rows) = read.map_err(|code| CallError::Database(subxact::sqlstate(code)))?;
    let mut answer = Answer::default();
    for user in &list.users {
        answer.add(user, owners.get(&user.uid), &rows, &app_id);
    }
    let pages = list.pagination.and_then(|pagination| pagination.total_pages);
    Ok(json!({
        "seen": answer.seen, "found": answer.found, "more": list.has_more(), "pages": pages
    }))
}

/// Asks for a page, again after a refusal or a failure that may pass.
fn ask_until_answered(number: u32) -> Result<UserPage, CallError> {
    let mut failures = 0;
    loop {
        let failure = match remote::list(number, PER_PAGE, true, Priority::Worker) {
            Ok(list) => return Ok(list),
            Err(failure) => failure,
        };
        let wait = match &failure {
            CallError::RateLimited(_, asked) => policy::throttled_delay(*asked),
            other if other.is_transient() && failures < policy::LIST_RETRIES => {
                failures += 1;
                policy::LIST_RETRY_DELAY
            }
            _ => return Err(failure),
        };
        let until = Instant::now() + wait;
        if deadline::of_statement().is_some_and(|ends| ends <= until) {
            return Err(failure);
        }
        activity::show(Some(&format!("page {number}, waiting: {failure}")));
        sleep_until(until);
    }
}

fn sleep_until(until: Instant) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return;
        }
        if latch::sleep(left).is_err() {
            latch::rethrow_pending_error();
        }
    }
}

/// The user whose uid is the id itself, as it is unless a mapping says otherwise.
fn uuid_of(uid: &str) -> Option<Uuid> {
    Uuid::try_parse(uid).ok().filter(|user| user.to_string() == uid)
}

#[derive(Default)]
struct Answer {
    seen: Vec<String>,
    found: Vec<Value>,
}

impl Answer {
    fn add(
        &mut self,
        user: &User,
        owner: Option<&Uuid>,
        rows: &HashMap<Uuid, UserRow>,
        app_id: &str,
    ) {
        let deactivated = user.is_deactivated();
        let entry = |owner: Option<&str>, differs: &str| {
            json!({
                "user_id": owner, "uid": user.uid, "deactivated": deactivated, "differs": differs
            })
        };
        let row = owner.and_then(|owner| rows.get(owner));
        let ours = row.and_then(|row| Some((row, uid_of(row)?)));
        let Some((row, uid)) = ours else {
            // Nothing is known of such a user here.
            if !deactivated {
                self.found.push(entry(None, ""));
            }
            return;
        };
        // Not an orphan: it is our user's id, though the user has another uid, or no state to compare.
        if row.known.is_none() || uid != user.uid {
            return;
        }
        let differs = if deactivated { Vec::new() } else { drift(row, user, app_id) };
        if deactivated || !differs.is_empty() {
            self.found.push(entry(Some(&row.user_id), &differs.join(", ")));
        } else {
            self.seen.push(row.user_id.clone());
        }
    }
}

/// The uid that a user of ours has in CometChat; `None` for somebody of whom we know nothing.
fn uid_of(row: &UserRow) -> Option<&str> {
    if row.mapping.is_some() {
        return Some(&row.uid);
    }
    row.known.as_ref().map(|known| known.uid.as_deref().unwrap_or_default())
}

/// The fields that were changed in CometChat by others: those that differ though the profile was sent
/// as it is wanted now.
fn drift(row: &UserRow, remote: &User, app_id: &str) -> Vec<&'static str> {
    let wanted = profile::wanted(row, CallArguments::default()).profile;
    let Some(known) = row.known_in(app_id).filter(|known| known.has(&wanted)) else {
        return Vec::new(); // not yet sent, which is not drift
    };
    wanted.drift(remote, known.sent.as_ref())
}
