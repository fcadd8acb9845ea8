//! One user at a time: create, get, update, delete ("Users" in CometChat's REST reference).

use std::fmt;

use serde::Serialize;
use serde_json::{json, Value};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::exchange::{Method, Request};
use crate::observe::Operation;
use crate::path::{segment, user_path};
use crate::tokens::read_token;
use crate::user::{NewUser, User, UserPatch};
use crate::value::texts_at;

/// A created user.
pub struct Created {
    /// As CometChat stored it.
    pub user: User,
    /// The first auth token, when asked for.
    pub auth_token: Option<String>,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").finish_non_exhaustive()
    }
}

/// A deleted or deactivated user. CometChat answers the two kinds differently;
/// both mean that it was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Deleted {
    /// The uids named by the answer to a soft delete; empty for a permanent one.
    pub deactivated_uids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody<'a> {
    #[serde(flatten)]
    user: &'a NewUser,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    with_auth_token: bool,
}

impl Client {
    /// Creates a user, with a first auth token if asked.
    ///
    /// # Errors
    /// [`crate::ErrorKind::UidExists`] also when a deactivated user holds the uid.
    pub fn create_user(&self, user: &NewUser, with_token: bool) -> Result<Created, Error> {
        segment(&user.uid)?;
        let body = CreateBody { user, with_auth_token: with_token };
        let request = Request::new(Operation::CreateUser, Method::Post, "/users".into());
        self.exchange(request.json(&body)?, |answer| {
            let data = answer.data()?;
            let auth_token = data.get("authToken").and_then(read_token);
            Ok(Created { user: expect_user(answer, data, &user.uid)?, auth_token })
        })
    }

    /// Reads a user.
    ///
    /// # Errors
    /// [`crate::ErrorKind::UidNotFound`] also when the user is deactivated.
    pub fn get_user(&self, uid: &str) -> Result<User, Error> {
        let path = user_path(uid)?;
        self.exchange(Request::new(Operation::GetUser, Method::Get, path), |answer| {
            expect_user(answer, answer.data()?, uid)
        })
    }

    /// Changes the fields named by `patch` and clears those in its `unset`.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty patch, [`crate::ErrorKind::UidNotFound`] also when the
    /// user is deactivated.
    pub fn update_user(&self, uid: &str, patch: &UserPatch) -> Result<User, Error> {
        if patch.is_empty() {
            return Err(Error::InvalidRequest { what: "nothing to update" });
        }
        let request = Request::new(Operation::UpdateUser, Method::Put, user_path(uid)?);
        self.exchange(request.json(patch)?, |answer| expect_user(answer, answer.data()?, uid))
    }

    /// Deactivates a user (reversible, the uid stays taken) or, with `permanent`, removes it
    /// with all its messages ("Delete user": "irreversible").
    ///
    /// # Errors
    /// [`crate::ErrorKind::UidNotFound`] when there is no such user.
    pub fn delete_user(&self, uid: &str, permanent: bool) -> Result<Deleted, Error> {
        let request = Request::new(Operation::DeleteUser, Method::Delete, user_path(uid)?);
        self.exchange(request.json(&json!({ "permanent": permanent }))?, |answer| {
            let done = answer.done()?;
            let mut named = texts_at(&done, "deactivatedUids");
            named.retain(|named| named.eq_ignore_ascii_case(uid));
            Ok(Deleted { deactivated_uids: named })
        })
    }
}

/// The user that was asked for. SECURITY: a cache or proxy that mixes answers up must not
/// make us store one person's data, or hand out their token, under another's name.
fn expect_user(answer: &Answer, data: Value, uid: &str) -> Result<User, Error> {
    let user = User::from_value(data).ok_or_else(|| answer.unexpected_body("no user in it"))?;
    if user.uid.eq_ignore_ascii_case(uid) {
        Ok(user)
    } else {
        Err(answer.unexpected_body("another user"))
    }
}
