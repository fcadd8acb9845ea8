//! The functions that SQL calls. Shells, nothing else; declared in sql/functions.sql.

use pgrx::prelude::*;
use pgrx::{JsonB, Uuid};

use crate::failure::Failure;
use crate::pg::{latch, wake};
use crate::sync::foreground;
use crate::{answer, ensure, remote, stats, token};

#[pg_extern(sql = false)]
fn cometchat_ensure_user(
    user_id: Option<Uuid>,
    display_name: Option<&str>,
    email: Option<&str>,
) -> JsonB {
    answer::of(ensure::ensure_user(user_id, display_name, email))
}

#[pg_extern(sql = false)]
fn cometchat_refresh_token(user_id: Option<Uuid>) -> JsonB {
    answer::of(token::refresh(user_id))
}

#[pg_extern(sql = false)]
fn cometchat_revoke_tokens(user_id: Option<Uuid>) -> JsonB {
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
fn cometchat_worker_facts() -> JsonB {
    stats::facts()
}

/// What a private function answers: a value, or the failure's phrase under `error`.
fn report<T: serde::Serialize>(result: Result<T, Failure>) -> JsonB {
    latch::raise_held_error();
    JsonB(match result {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(failure) => {
            let (error, code) = (failure.to_string(), failure.code().as_str());
            serde_json::json!({ "error": error, "errorCode": code })
        }
    })
}

#[pg_extern(sql = false)]
fn cometchat_claim_batch(most: i32) -> JsonB {
    report(foreground::claim(usize::try_from(most).unwrap_or(0)))
}

#[pg_extern(sql = false)]
fn cometchat_send_batch() -> JsonB {
    report(foreground::send())
}

#[pg_extern(sql = false)]
fn cometchat_finish_batch() {
    foreground::finish();
}

#[pg_extern(sql = false)]
fn cometchat_configuration() -> JsonB {
    report(remote::configuration())
}

#[pg_extern(sql = false)]
fn cometchat_remote_users(page: i32, per_page: i32) -> JsonB {
    report(remote::users(page.unsigned_abs(), per_page.unsigned_abs()))
}
