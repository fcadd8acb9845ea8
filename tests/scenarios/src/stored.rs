//! What the database has stored about a user.

use uuid::Uuid;

use crate::Stack;

/// The mapping and the state of synchronisation. The default is "nothing at all".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// `cometchat_users.cometchat_uid`.
    pub uid: Option<String>,
    /// `cometchat_users.cometchat_auth_token`.
    pub token: Option<String>,
    /// The app that the state belongs to.
    pub app: Option<String>,
    /// Whether it is known what CometChat has.
    pub sent: bool,
    /// Whether tokens are still to be flushed.
    pub revoke_pending: bool,
    /// Whether we deactivated the user.
    pub deactivated: bool,
}

impl Stack {
    /// What is stored about `user`.
    #[track_caller]
    pub fn stored(&self, user: Uuid) -> Stored {
        let sql = "SELECT u.cometchat_uid, u.cometchat_auth_token, s.app_id,
                          s.sent_profile IS NOT NULL, COALESCE(s.revoke_pending, false),
                          COALESCE(s.deactivated, false)
                   FROM (SELECT $1::uuid AS id) AS q
                   LEFT JOIN public.cometchat_users AS u ON u.user_id = q.id
                   LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.id";
        let row = self.db.admin().query_one(sql, &[&user]).expect(sql);
        Stored {
            uid: row.get(0),
            token: row.get(1),
            app: row.get(2),
            sent: row.get(3),
            revoke_pending: row.get(4),
            deactivated: row.get(5),
        }
    }
}
