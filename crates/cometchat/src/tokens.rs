//! Auth tokens: what a client logs in with ("Auth tokens" in CometChat's REST reference).

use std::fmt;

use serde_json::{json, Value};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::{Method, Request};
use crate::observe::Operation;
use crate::path::{segment, user_path};
use crate::value::{self, text, text_at, time_at};

/// Tokens seen so far have at most 141 characters.
const MAX_TOKEN: usize = 1024;

/// A user's auth token. It does not expire; only the newest 100 per user stay valid.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken {
    /// Whose it is; the uid that was asked for when the answer does not say.
    pub uid: String,
    /// Opaque.
    pub auth_token: String,
    /// Unix seconds.
    pub created_at: Option<i64>,
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthToken").finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for a token. With `force` always a new one; without, CometChat may return an
    /// existing one. Neither revokes older tokens.
    ///
    /// # Errors
    /// [`crate::ErrorKind::UidNotFound`] also when the user is deactivated.
    pub fn create_token(&self, uid: &str, force: bool) -> Result<AuthToken, Error> {
        let request = Request::new(Operation::CreateToken, Method::Post, tokens_path(uid)?);
        self.exchange(request.json(&json!({ "force": force }))?, |answer| {
            expect_token(answer, answer.data()?, uid)
        })
    }

    /// Looks one token up.
    ///
    /// # Errors
    /// [`crate::ErrorKind::TokenNotFound`] or [`crate::ErrorKind::UidNotFound`].
    pub fn get_token(&self, uid: &str, token: &str) -> Result<AuthToken, Error> {
        let path = format!("{}/{}", tokens_path(uid)?, segment(token)?);
        self.exchange(Request::new(Operation::GetToken, Method::Get, path), |answer| {
            expect_token(answer, answer.data()?, uid)
        })
    }

    /// Revokes all tokens of the user.
    pub fn flush_tokens(&self, uid: &str) -> Result<(), Error> {
        let path = tokens_path(uid)?;
        self.exchange(Request::new(Operation::FlushTokens, Method::Delete, path), |answer| {
            answer.done().map(drop)
        })
    }
}

fn tokens_path(uid: &str) -> Result<String, Error> {
    Ok(format!("{}/auth_tokens", user_path(uid)?))
}

/// A token that a client library can use: printable ASCII of a sane length.
pub(crate) fn read_token(v: &Value) -> Option<String> {
    text(v).filter(|t| {
        !t.is_empty() && t.len() <= MAX_TOKEN && t.bytes().all(|b| b.is_ascii_graphic())
    })
}

fn expect_token(answer: &Answer, data: Value, uid: &str) -> Result<AuthToken, Error> {
    let no_token = || answer.unexpected_body("no token in it");
    let map = value::map(data).ok_or_else(no_token)?;
    let auth_token = map.get("authToken").and_then(read_token).ok_or_else(no_token)?;
    let owner = text_at(&map, "uid").unwrap_or_else(|| uid.to_owned());
    // SECURITY: never hand one user another's token, see `expect_user`.
    if !owner.eq_ignore_ascii_case(uid) {
        return Err(answer.unexpected_body("another user"));
    }
    Ok(AuthToken { uid: owner, auth_token, created_at: time_at(&map, "createdAt") })
}
