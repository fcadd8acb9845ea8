//! How many users a worker may claim next, and when: people, and the backlog behind them.

use std::time::Duration;

/// How many users may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub users: usize,
    /// Of these, those of the backlog.
    pub backlog: usize,
    /// Besides, those of the backlog who are to be created together.
    pub import: usize,
}

/// In how long the next user is due, if that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextDue {
    pub people: Option<Duration>,
    pub backlog: Option<Duration>,
}

/// For how long CometChat's limit leaves nothing to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottledFor {
    pub people: Duration,
    pub backlog: Duration,
    pub import: Duration,
}
