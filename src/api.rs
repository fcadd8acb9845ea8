//! The functions that SQL calls. Shells, nothing else; declared in sql/native.

use pgrx::datum::AnyElement;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::calls::{
    ensure_user, explain_user, reconcile, remote, request_stats, response, tokens, worker_status,
};
use crate::pg::arguments::{Json, Text, WholeText};
use crate::pg::{activity, latch, record, rights, session};
use crate::shmem::{self, signs, wake};
use crate::store::{self, attach, auth_users, unseen};
use crate::worker::foreground;
use crate::{app, config};
use sync::error::CallError;

fn from_pgrx(id: pgrx::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn to_pgrx(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(id.into_bytes())
}

#[pg_extern(sql = false)]
fn cometchat_ensure_user(
    user_id: Option<pgrx::Uuid>,
    display_name: Option<Text>,
    email: Option<Text>,
) -> Json {
    response::into_json(ensure_user::ensure_user(
        user_id.map(from_pgrx),
        display_name.as_ref().map(|Text(text)| text.as_str()),
        email.as_ref().map(|Text(text)| text.as_str()),
    ))
}

#[pg_extern(sql = false)]
fn cometchat_refresh_token(user_id: Option<pgrx::Uuid>) -> Json {
    response::into_json(tokens::refresh(user_id.map(from_pgrx)))
}

#[pg_extern(sql = false)]
fn cometchat_revoke_tokens(user_id: Option<pgrx::Uuid>) -> Json {
    response::into_json(tokens::revoke(user_id.map(from_pgrx)))
}

#[pg_extern(sql = false)]
fn cometchat_wake() {
    wake::at_commit();
}

#[pg_extern(sql = false)]
fn cometchat_start_worker() {
    wake::start_worker_at_commit();
}

/// Raises an error that says why the profile cannot be sent, if it cannot.
#[pg_extern(sql = false)]
fn cometchat_check_profile(profile: Option<WholeText>) {
    let Some(profile) = profile else { return };
    if let Err(bad) = sync::profile::fields::check_profile(&profile.0) {
        let code = PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE;
        let mut report = ErrorReport::new(code, bad.message, "cometchat_check_profile");
        if let Some(detail) = bad.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = bad.hint {
            report = report.set_hint(hint);
        }
        report.report(PgLogLevel::ERROR);
    }
}

#[pg_extern(sql = false)]
fn cometchat_worker_status() -> Json {
    worker_status::worker_status()
}

#[pg_extern(sql = false)]
fn cometchat_request_stats() -> Json {
    request_stats::request_stats()
}

#[pg_extern(sql = false)]
fn cometchat_reset_stats() {
    request_stats::reset();
}

#[pg_extern(sql = false)]
fn cometchat_describe_user(user_id: pgrx::Uuid, error_code: Option<Text>) -> Json {
    let error_code = error_code.as_ref().map(|Text(text)| text.as_str());
    explain_user::explain_user(from_pgrx(user_id), error_code)
}

/// What pg_cron says of the job that calls `process_queue()`; null where there is none.
#[pg_extern(sql = false)]
fn cometchat_cron_job() -> Option<Json> {
    Some(Json::of(&serde_json::from_str::<serde_json::Value>(&store::cron_job()?).ok()?))
}

#[pg_extern(sql = false)]
fn cometchat_clear_warnings() {
    signs::clear_warnings(&shmem::slot().signs);
}

/// The answer of a private function: a value, or the failure's phrase under `error`.
fn report<T: serde::Serialize>(result: Result<T, CallError>) -> Json {
    latch::rethrow_pending_error();
    Json::of(&match result {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(failure) => {
            let (error, code) = (failure.to_string(), failure.code().as_str());
            serde_json::json!({ "error": error, "errorCode": code })
        }
    })
}

#[pg_extern(sql = false)]
fn cometchat_claim_batch(limit: i32) -> Json {
    report(foreground::claim(usize::try_from(limit).unwrap_or(0)))
}

#[pg_extern(sql = false)]
fn cometchat_send_batch() -> Json {
    report(foreground::send())
}

#[pg_extern(sql = false)]
fn cometchat_finish_batch() {
    foreground::finish();
}

#[pg_extern(sql = false)]
fn cometchat_configuration() -> Json {
    report(remote::configuration())
}

#[pg_extern(sql = false)]
fn cometchat_list_remote_users(page: i32, per_page: i32) -> Json {
    report(remote::users(page.unsigned_abs(), per_page.unsigned_abs()))
}

#[pg_extern(sql = false)]
fn cometchat_compare_remote_page(page: i32) -> Json {
    report(reconcile::page(page.unsigned_abs()))
}

#[pg_extern(sql = false)]
fn cometchat_show_progress(progress: Option<Text>) {
    activity::show(progress.as_ref().map(|Text(progress)| progress.as_str()));
}

#[pg_extern(sql = false)]
fn cometchat_probe_api() -> Json {
    report(remote::probe())
}

/// Reads no user, in the way that every user is read: raises the error that it would raise.
#[pg_extern(sql = false)]
fn cometchat_check_auth_users() {
    store::load(unseen::beginning());
}

/// One page of users, compared with `auth.users`; with `repair`, those that differ are queued.
#[pg_extern(sql = false)]
fn cometchat_diff_auth_users(from: pgrx::Uuid, limit: i32, repair: bool) -> Json {
    report(app::app_id().map(|app_id| {
        let page =
            unseen::page(from_pgrx(from), usize::try_from(limit).unwrap_or(1).max(1), &app_id);
        if repair {
            unseen::queue(&page.found);
        }
        let found = page.found.iter().map(|difference| {
            serde_json::json!({
                "user_id": difference.user.to_string(),
                "cometchat_uid": difference.uid,
                "kind": difference.what.kind(),
                "detail": difference.what.detail(),
            })
        });
        let found: Vec<serde_json::Value> = found.collect();
        let next = page.next.map(|user| user.to_string());
        serde_json::json!({ "found": found, "seen": page.seen, "next": next })
    }))
}

#[pg_extern(sql = false)]
fn cometchat_create_auth_triggers() {
    let always = attach::drop_triggers();
    attach::create_triggers(&always);
}

#[pg_extern(sql = false)]
fn cometchat_drop_auth_triggers() {
    attach::drop_triggers();
}

#[pg_extern(sql = false)]
fn cometchat_create_foreign_key() {
    attach::add_foreign_key();
}

#[pg_extern(sql = false)]
fn cometchat_remove_foreign_key() {
    attach::drop_foreign_key();
}

#[pg_extern(sql = false)]
fn cometchat_grant_usage_on_public() {
    attach::open_public();
}

/// The next users of `auth.users`, in the order of their ids.
#[pg_extern(sql = false)]
fn cometchat_list_auth_users(
    after: Option<pgrx::Uuid>,
    limit: i32,
) -> TableIterator<
    'static,
    (name!(user_id, pgrx::Uuid), name!(suspended, bool), name!(automatic, bool)),
> {
    let policy = config::sync_policy();
    let automatic = move |user: &auth_users::Listed| {
        policy.passes_over(user.anonymous, !user.confirmed).is_none()
    };
    let page = auth_users::page(after.map(from_pgrx), limit.into());
    TableIterator::new(
        page.into_iter().map(move |user| (to_pgrx(user.user), user.suspended, automatic(&user))),
    )
}

/// Whether an UPDATE of `auth.users`, seen by our trigger, changed a column that we read.
#[pg_extern(sql = false)]
fn cometchat_auth_user_differs(old: AnyElement, new: AnyElement) -> bool {
    record::differ(old, new, &auth_users::COLUMNS)
}

/// The role outside all functions; null where that role need not be the caller.
#[pg_extern(sql = false)]
fn cometchat_calling_role() -> Option<pg_sys::Oid> {
    (!rights::are_restricted()).then(session::outer_role)
}

#[pg_extern(sql = false)]
fn cometchat_switch_role() {
    rights::become_ours(false);
}

#[pg_extern(sql = false)]
fn cometchat_restrict() {
    rights::become_ours(true);
}
