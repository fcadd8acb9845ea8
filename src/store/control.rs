//! The one row of `cometchat.control`: the operator's switch, and notes of the worker's for `health()`.

use super::statement::Statement;
use crate::pg::rights::Rights;
use crate::pg::spi::{Row, Timestamp};

static CONTROL: Statement = Statement::new(include_str!("sql/control.sql")).seeing_now();

static HOME: Statement = Statement::new(include_str!("sql/home.sql")).seeing_now();

static SETTLE_HERE: Statement = Statement::new(include_str!("sql/settle_here.sql"));

/// The database that may send.
pub struct Home {
    is_known: bool,
    /// The clock was set back since the last run of `process_queue()`.
    pub last_run_is_ahead: bool,
}

/// Whether this database may send; not while an operator has stopped it, or has yet to allow it in a copy.
pub fn sending() -> Option<Home> {
    let read = |row: &Row| (row.flag(c"paused"), row.flag(c"last_run_is_ahead"));
    let (paused, last_run_is_ahead) = CONTROL.first(&[], read).unwrap_or_default();
    if paused {
        return None;
    }
    let read = |row: &Row| (row.flag(c"is_copy"), row.flag(c"has_home"));
    let (is_copy, is_known) = HOME.first(&[], read).unwrap_or((false, true));
    (!is_copy).then_some(Home { is_known, last_run_is_ahead })
}

/// The contrary.
pub fn paused() -> bool {
    sending().is_none()
}

impl Home {
    /// Remembers, before the first request, that this database sends: a copy of it must not.
    pub fn settle(self) {
        if !self.is_known {
            SETTLE_HERE.write(&[]);
        }
    }
}

/// Whether there was an `auth.users` once, which the trigger or the foreign key was attached to.
pub fn expects_auth_users() -> bool {
    CONTROL.first(&[], |row| row.flag(c"expects_auth_users")).unwrap_or(false)
}

static EXPECT_AUTH_USERS: Statement = Statement::new(include_str!("sql/expect_auth_users.sql"));

/// Remembers that there is an `auth.users`.
pub fn expect_auth_users() {
    EXPECT_AUTH_USERS.write(&[]);
}

static RECORD_RUN: Statement = Statement::new(include_str!("sql/record_run.sql"));

/// Remembers how far `process_queue()` has come.
pub fn record_run(result: &str) {
    RECORD_RUN.write(&[("result", result.into())]);
}

static IS_LONG_AGO: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/is_long_ago.sql"));

/// Whether the whole state is to be compared with `auth.users`: once a day, and after a start of the server.
pub fn comparison_is_due() -> bool {
    let compared_at = CONTROL.first(&[], |row| row.get::<Timestamp>(c"last_compared_at")).flatten();
    let inputs = [("last_compared_at", compared_at.into())];
    IS_LONG_AGO.first(&inputs, |row| row.flag(c"is_long_ago")).unwrap_or(false)
}

static RECORD_COMPARISON: Statement = Statement::new(include_str!("sql/record_comparison.sql"));

/// Remembers that it was compared, and how many users are gone that CometChat was not told of.
pub fn record_comparison(gone: usize) {
    let gone = i64::try_from(gone).unwrap_or(i64::MAX);
    RECORD_COMPARISON.write(&[("gone", gone.into())]);
}
