//! Forgets what is not so any more: tokens that were flushed, users that CometChat does not know.

use sync::model::UserRow;
use uuid::Uuid;

use super::save::in_flight_ms;
use super::statement::Statement;
use crate::pg::rights::Lock;
use crate::pg::spi::{self, Row};
use crate::shmem::void_tokens::{self, Void};

static FORGET_TOKEN: Statement =
    Statement::on_mapping(Lock::Write, include_str!("sql/forget_token.sql"));

/// Forgets the user's token, whatever app it is of; it is to be flushed before the next is minted.
pub fn forget_token(user: Uuid) {
    FORGET_TOKEN.write(&[("user_id", user.into())]);
}

static FORGET: Statement = Statement::on_mapping(Lock::Write, include_str!("sql/forget.sql"));

static LOOK_AGAIN: Statement = Statement::new(include_str!("sql/look_again.sql"));

/// CometChat does not know the user, said a call that started from `row`: clears what is stored, but for a
/// revocation that is owed, so that the next call creates anew. `true`: the worker has done something
/// meanwhile, and is to look.
pub fn forget(user: Uuid, row: &UserRow, owes_revocation: bool) -> bool {
    let sent = row.known.as_ref().and_then(|known| known.sent.as_ref());
    let sent_profile = || sent.map(|sent| sent.profile.as_str()).into();
    let started = || ("started_outcomes", row.outcomes().into());
    let inputs = [("user_id", user.into()), ("sent_profile", sent_profile()), started()];
    let look_again = LOOK_AGAIN.write(&inputs) > 0;
    FORGET.write(&[
        ("user_id", user.into()),
        ("sent_profile", sent_profile()),
        ("in_flight_ms", in_flight_ms().into()),
        started(),
        ("owes_revocation", owes_revocation.into()),
    ]);
    look_again
}

static STORED_TOKENS: Statement =
    Statement::on_mapping(Lock::Read, include_str!("sql/stored_tokens.sql"));

static FORGET_TOKENS: Statement =
    Statement::on_mapping(Lock::Write, include_str!("sql/forget_tokens.sql"));

/// Forgets tokens that a rollback brought back. Returns those that are stored no more; a token whose
/// row is locked now is left for later.
pub fn forget_void_tokens(void: &[Void]) -> Vec<Void> {
    let brought_back = stored_among(void);
    if !brought_back.is_empty() {
        FORGET_TOKENS.write(&[
            ("user_id", spi::array(brought_back.iter().map(|(user, _)| *user))),
            ("token", spi::array(brought_back.iter().map(|(_, token)| token.as_str()))),
        ]);
    }
    let left = stored_among(void);
    void.iter().filter(|void| !left.iter().any(|(user, _)| *user == void.user)).copied().collect()
}

/// Users whose stored token is one of these.
fn stored_among(void: &[Void]) -> Vec<(Uuid, String)> {
    let users = spi::array(void.iter().map(|void| void.user));
    let read =
        |row: &Row| row.get::<Uuid>(c"user_id").zip(row.get::<String>(c"cometchat_auth_token"));
    let is_void = |(user, token): &(Uuid, String)| {
        void.contains(&Void { user: *user, token: void_tokens::hash(token) })
    };
    STORED_TOKENS.all(&[("user_ids", users)], read).into_iter().flatten().filter(is_void).collect()
}
