//! The functions that SQL calls. Shells, nothing else; declared in sql/functions.sql.

use pgrx::prelude::*;
use pgrx::{JsonB, Uuid};

use crate::{answer, ensure, token};

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
