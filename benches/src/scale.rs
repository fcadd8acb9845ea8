//! How much of everything is measured: `--small`, as it is, or `--full`.

use std::time::Duration;

/// The counts of one run.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Tries of each combination of a hanging call and a way to end it.
    pub tries: usize,
    /// Pairs of commits with and without the trigger.
    pub pairs: usize,
    /// Sign-ups of which the arrival is waited for one by one.
    pub sign_ups: usize,
    /// Commits that wake the worker in one session.
    pub waking: usize,
    /// The shortest time for which an idle server is watched.
    pub idle: Duration,
    /// Users in one backlog.
    pub users: usize,
    /// Differences of each kind that are looked for among them.
    pub differences: usize,
    /// Rows in the queue's table when it is said to be long.
    pub rows: usize,
    /// Windows that are watched of limits of 500 and of 10,000 requests in 10 seconds, and of 500 in a minute.
    pub windows: [usize; 3],
    /// What says so to this program, if anything does.
    pub argument: Option<&'static str>,
}

impl Scale {
    /// `make bench`.
    pub const USUAL: Scale = Scale {
        tries: 20,
        pairs: 300,
        sign_ups: 200,
        waking: 50_000,
        idle: Duration::from_secs(61),
        users: 100_000,
        differences: 1000,
        rows: 1_000_000,
        windows: [5, 3, 3],
        argument: None,
    };

    /// `make bench-full`.
    pub const FULL: Scale = Scale {
        tries: 200,
        pairs: 1000,
        idle: Duration::from_secs(301),
        users: 1_000_000,
        windows: [10, 10, 5],
        argument: Some("--full"),
        ..Scale::USUAL
    };

    /// To see that everything works; the figures say little.
    pub const SMALL: Scale = Scale {
        tries: 3,
        pairs: 30,
        sign_ups: 20,
        waking: 5_000,
        idle: Duration::from_secs(5),
        users: 5_000,
        differences: 50,
        rows: 50_000,
        windows: [3, 2, 0],
        argument: Some("--small"),
    };

    /// As the arguments say.
    pub fn of(arguments: &[String]) -> Scale {
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        match (has("--full"), has("--small")) {
            (true, _) => Scale::FULL,
            (_, true) => Scale::SMALL,
            _ => Scale::USUAL,
        }
    }
}
