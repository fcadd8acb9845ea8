//! Whether the sync has come to its end: for a user, for many, and what the server's log says of it.

use uuid::Uuid;

use crate::{eventually, Stack};

impl Stack {
    /// Signs up users of different names.
    pub fn sign_ups(&self, count: usize) -> Vec<Uuid> {
        (0..count).map(|_| self.sign_up(&format!("User {}", Uuid::new_v4().simple()))).collect()
    }

    /// Waits until nothing is left to be done for a user.
    #[track_caller]
    pub fn settled(&self, user: Uuid) {
        eventually("the user is in agreement", || self.is_settled(user));
    }

    /// Whether nothing is left to be done for a user.
    pub fn is_settled(&self, user: Uuid) -> bool {
        let sql = format!(
            "SELECT count(*) FROM cometchat.sync_state
             WHERE user_id = '{user}' AND wanted_revision = synced_revision AND claim IS NULL"
        );
        self.value(&sql).as_deref() == Some("1")
    }

    /// Waits until each of these users has a token.
    #[track_caller]
    pub fn all_arrive(&self, users: &[Uuid]) {
        eventually("all arrive", || users.iter().all(|user| self.stored(*user).token.is_some()));
    }

    /// Whether CometChat has the user, deactivated.
    pub fn is_deactivated(&self, user: Uuid) -> bool {
        self.app().user(&user.to_string()).is_some_and(|u| u["deactivatedAt"].as_u64() > Some(0))
    }

    /// The lines of the server's log with this text that name this database.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let database = format!("in database \"{}\"", self.db.name());
        let log = self.db.cluster().log();
        let ours = log.lines().filter(|line| line.contains(&database) && line.contains(text));
        ours.map(str::to_owned).collect()
    }
}
