//! The one row of `cometchat.control`: the operator's switch, and notes of the worker's for `health()`.

use super::auth_users::{self, AuthUsers};
use super::statement::Statement;
use crate::pg::session;
use crate::pg::spi::{Row, Timestamp};

/// In microseconds, as Postgres counts time.
const MINUTE: i64 = 60 * 1_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

static CONTROL: Statement = Statement::new(include_str!("sql/control.sql")).seeing_now();

static SENDING: Statement = Statement::new(include_str!("sql/sending.sql")).seeing_now();

static SETTLE_HERE: Statement = Statement::new(include_str!("sql/settle_here.sql"));

static EXPECT_AUTH_USERS: Statement = Statement::new(include_str!("sql/expect_auth_users.sql"));

/// The database that may send.
pub struct Home {
    is_known: bool,
    expects_auth_users: bool,
    /// The clock was set back since the last run of `process_queue()`.
    pub last_run_is_ahead: bool,
}

/// Whether this database may send; not while an operator has stopped it, or has yet to allow it in a copy.
pub fn sending() -> Option<Home> {
    let read = |row: &Row| {
        let home = Home {
            is_known: row.flag(c"has_home"),
            expects_auth_users: row.flag(c"expects_auth_users"),
            last_run_is_ahead: row.flag(c"last_run_is_ahead"),
        };
        (!row.flag(c"paused") && !row.flag(c"is_copy")).then_some(home)
    };
    SENDING.first(&[], read).flatten()
}

/// The contrary.
pub fn paused() -> bool {
    sending().is_none()
}

impl Home {
    /// Remembers, before the first request, that this database sends: a copy of it must not.
    pub fn settle(&self) {
        if !self.is_known {
            SETTLE_HERE.write(&[]);
        }
    }

    /// Remembers that there is an `auth.users`: a dump does not bring that along.
    pub fn expect_auth_users(&self) {
        if !self.expects_auth_users && auth_users::state() == AuthUsers::Table {
            EXPECT_AUTH_USERS.write(&[]);
        }
    }
}

/// Whether there was an `auth.users` once, which the trigger or the foreign key was attached to.
pub fn expects_auth_users() -> bool {
    CONTROL.first(&[], |row| row.flag(c"expects_auth_users")).unwrap_or(false)
}

static RECORD_RUN: Statement = Statement::new(include_str!("sql/record_run.sql"));

/// Remembers how far `process_queue()` has come.
pub fn record_run(result: &str) {
    RECORD_RUN.write(&[("result", result.into())]);
}

/// Whether the whole state is to be compared with `auth.users`: once a day, and after a start of the server. (A
/// time further ahead than a minute is of before the clock was set back.)
pub fn comparison_is_due() -> bool {
    let compared_at = CONTROL.first(&[], |row| row.get::<Timestamp>(c"last_compared_at")).flatten();
    let (now, started) = (session::now(), session::server_started_at());
    compared_at.is_none_or(|Timestamp(at)| {
        at < now.saturating_sub(DAY) || at < started || at > now.saturating_add(MINUTE)
    })
}

static RECORD_COMPARISON: Statement = Statement::new(include_str!("sql/record_comparison.sql"));

/// Remembers that it was compared, and how many users are gone that CometChat was not told of.
pub fn record_comparison(gone: usize) {
    let gone = i64::try_from(gone).unwrap_or(i64::MAX);
    RECORD_COMPARISON.write(&[("gone", gone.into())]);
}
