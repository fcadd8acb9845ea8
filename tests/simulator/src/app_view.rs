//! The users of one app as tests see and change them.

use crate::shared::Shared;
use crate::state::store::Which;
use serde_json::Value;

/// The users of one app, looked at and changed past the API.
pub struct AppView<'a> {
    shared: &'a Shared,
    app: String,
}

impl<'a> AppView<'a> {
    pub(crate) fn new(shared: &'a Shared, app: String) -> Self {
        AppView { shared, app }
    }

    /// A user in any state, as the API would show it; `deactivatedAt` tells the state.
    pub fn user(&self, uid: &str) -> Option<Value> {
        self.shared.user(&self.app, uid)
    }

    /// All users, deactivated ones too, oldest first.
    pub fn users(&self) -> Vec<Value> {
        self.shared.users(&self.app, 0, usize::MAX)
    }

    /// How many users there are, deactivated ones too.
    pub fn user_count(&self) -> usize {
        self.shared.with_store(&self.app, |store| store.count(Which::All))
    }

    /// Adds a user under the rules of `POST /users`, outside quota and rate limits.
    pub fn add_user(&self, user: Value) -> Result<Value, String> {
        self.shared.add_user(&self.app, &user)
    }

    /// Adds users `{prefix}1` to `{prefix}{count}`; returns how many were new.
    pub fn seed(&self, prefix: &str, count: usize) -> Result<usize, String> {
        self.shared.seed(&self.app, prefix, count)
    }

    pub fn deactivate(&self, uid: &str) -> bool {
        self.shared.set_active(&self.app, uid, false)
    }

    pub fn reactivate(&self, uid: &str) -> bool {
        self.shared.set_active(&self.app, uid, true)
    }

    /// Deletes for good.
    pub fn delete(&self, uid: &str) -> bool {
        self.shared.delete(&self.app, uid)
    }

    /// Auth tokens of a user, oldest first.
    pub fn tokens(&self, uid: &str) -> Vec<String> {
        self.shared.tokens(&self.app, uid)
    }
}
