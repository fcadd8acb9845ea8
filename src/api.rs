//! The functions that SQL calls. Shells, nothing else; declared in sql/functions.sql.

use pgrx::prelude::*;
use pgrx::Uuid;

use crate::failure::Failure;
use crate::pg::text::{Json, Text};
use crate::pg::{latch, rights, session, wake};
use crate::sync::foreground;
use crate::users::{attach, auth_users};
use crate::{answer, config, ensure, remote, stats, token};

#[pg_extern(sql = false)]
fn cometchat_ensure_user(
    user_id: Option<Uuid>,
    display_name: Option<Text>,
    email: Option<Text>,
) -> Json {
    let plain = |text: &'_ Option<Text>| text.as_ref().map(|Text(text)| text.clone());
    answer::of(ensure::ensure_user(
        user_id,
        plain(&display_name).as_deref(),
        plain(&email).as_deref(),
    ))
}

#[pg_extern(sql = false)]
fn cometchat_refresh_token(user_id: Option<Uuid>) -> Json {
    answer::of(token::refresh(user_id))
}

#[pg_extern(sql = false)]
fn cometchat_revoke_tokens(user_id: Option<Uuid>) -> Json {
    answer::of(token::revoke(user_id))
}

#[pg_extern(sql = false)]
fn cometchat_wake() {
    wake::at_commit();
}

#[pg_extern(sql = false)]
fn cometchat_rouse() {
    wake::rouse_at_commit();
}

#[pg_extern(sql = false)]
fn cometchat_worker_facts() -> Json {
    stats::facts()
}

/// What a private function answers: a value, or the failure's phrase under `error`.
fn report<T: serde::Serialize>(result: Result<T, Failure>) -> Json {
    latch::raise_held_error();
    Json(match result {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(failure) => {
            let (error, code) = (failure.to_string(), failure.code().as_str());
            serde_json::json!({ "error": error, "errorCode": code })
        }
    })
}

#[pg_extern(sql = false)]
fn cometchat_claim_batch(most: i32) -> Json {
    report(foreground::claim(usize::try_from(most).unwrap_or(0)))
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
fn cometchat_remote_users(page: i32, per_page: i32) -> Json {
    report(remote::users(page.unsigned_abs(), per_page.unsigned_abs()))
}

#[pg_extern(sql = false)]
fn cometchat_create_triggers() {
    attach::drop_triggers();
    attach::create_triggers();
}

#[pg_extern(sql = false)]
fn cometchat_drop_triggers() {
    attach::drop_triggers();
}

#[pg_extern(sql = false)]
fn cometchat_create_foreign_key() {
    attach::add_foreign_key();
}

#[pg_extern(sql = false)]
fn cometchat_open_public() {
    attach::open_public();
}

/// The next users of `auth.users`, in the order of their ids.
#[pg_extern(sql = false)]
fn cometchat_list_auth_users(
    after: Option<Uuid>,
    most: i32,
) -> TableIterator<'static, (name!(user_id, Uuid), name!(shut_out, bool), name!(by_itself, bool))> {
    let policy = config::sync_policy();
    let by_itself = move |user: &auth_users::Listed| {
        (policy.anonymous || !user.anonymous) && (policy.unconfirmed || user.confirmed)
    };
    let page = auth_users::page(after, most.into());
    TableIterator::new(
        page.into_iter().map(move |user| (user.user, user.shut_out, by_itself(&user))),
    )
}

/// The role outside all functions; null where that says nothing about who calls.
#[pg_extern(sql = false)]
fn cometchat_caller() -> Option<pg_sys::Oid> {
    (!rights::are_restricted()).then(session::outer_role)
}

#[pg_extern(sql = false)]
fn cometchat_become() {
    rights::become_ours(false);
}

#[pg_extern(sql = false)]
fn cometchat_restrict() {
    rights::become_ours(true);
}
