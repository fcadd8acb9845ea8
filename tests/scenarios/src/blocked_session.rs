//! A session that is busy with one statement, and how long it takes to get something done then.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;

use crate::environment::is_running;
use crate::{eventually, Answer, Cluster, Process};

/// A statement under way in a thread of its own.
pub struct BlockedSession {
    pub process: Process,
    done: Receiver<Done>,
}

/// How the statement ended.
pub struct Done {
    pub client: Client,
    pub at: Instant,
    pub result: Result<Option<String>, postgres::Error>,
}

impl BlockedSession {
    /// Runs `sql`, which returns at most one value.
    pub fn with(mut client: Client, sql: &str) -> BlockedSession {
        let process = Process::of(&mut client);
        let (tell, done) = mpsc::channel();
        let sql = sql.to_owned();
        thread::spawn(move || {
            let result = client.simple_query(&sql).map(|messages| {
                messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
            });
            let _ = tell.send(Done { client, at: Instant::now(), result });
        });
        BlockedSession { process, done }
    }

    /// Waits for the statement's end.
    #[track_caller]
    pub fn done(self) -> Done {
        self.done.recv_timeout(Duration::from_secs(30)).expect("the statement ends")
    }

    /// Waits so long for the statement's end; `None` while it is under way.
    pub fn try_done(&self, time: Duration) -> Option<Done> {
        self.done.recv_timeout(time).ok()
    }

    /// `pg_cancel_backend`; the time until the session has its error, and what comes of it.
    #[track_caller]
    pub fn cancel(self, admin: &mut Client) -> (Duration, Client) {
        // A cancel that comes before the statement is forgotten.
        let active = "SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
        eventually("the statement is under way", || {
            admin.query_opt(active, &[&self.process.0]).expect(active).is_some()
        });
        let started = Instant::now();
        admin.execute("SELECT pg_cancel_backend($1)", &[&self.process.0]).expect("cancel");
        let done = self.done();
        let error = done.result.expect_err("a cancelled statement fails");
        let error = error.as_db_error().expect("an error of the server's");
        assert_eq!(error.code(), &SqlState::QUERY_CANCELED);
        assert_eq!(error.message(), "canceling statement due to user request");
        assert_eq!((error.detail(), error.hint()), (None, None));
        (done.at - started, done.client)
    }

    /// `pg_terminate_backend`; the time until the process is gone.
    #[track_caller]
    pub fn terminate(self, admin: &mut Client) -> Duration {
        let (process, started) = (self.process, Instant::now());
        admin.execute("SELECT pg_terminate_backend($1)", &[&process.0]).expect("terminate");
        let error = self.done().result.expect_err("its session ends");
        // The driver may see the end of the connection before it reads the reason.
        assert!(error.code().is_none_or(|code| *code == SqlState::ADMIN_SHUTDOWN), "{error}");
        wait_for_end(process.0);
        started.elapsed()
    }
}

impl Done {
    /// The answer object of a call.
    #[track_caller]
    pub fn answer(&self) -> Answer {
        let text = self.result.as_ref().expect("an answer, not an error");
        let text = text.as_deref().expect("a value");
        Answer(serde_json::from_str::<Value>(text).expect("JSON"))
    }
}

/// Creates a database, and measures how long dropping it takes.
pub fn drop_another_database(admin: &mut Client) -> Duration {
    let name = format!("another_{}", std::process::id());
    admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).expect("create");
    let started = Instant::now();
    admin.batch_execute(&format!("DROP DATABASE {name}")).expect("drop");
    started.elapsed()
}

/// A fast shutdown; the time until the postmaster is gone. The server has to be started again.
pub fn fast_shutdown(cluster: &Cluster) -> Duration {
    let pid = cluster.postmaster().expect("a server");
    let started = Instant::now();
    cluster.signal("INT");
    wait_for_end(pid);
    started.elapsed()
}

#[track_caller]
fn wait_for_end(pid: i32) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while is_running(pid) {
        assert!(Instant::now() < give_up, "process {pid} does not end");
        thread::sleep(Duration::from_micros(200));
    }
}

/// The times of something done again and again.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(tries: usize, mut once: impl FnMut() -> Duration) -> Times {
        Times((0..tries).map(|_| once()).collect())
    }

    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// More of the same.
    pub fn extend(&mut self, more: Times) {
        self.0.extend(more.0);
    }

    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub fn first_quartile(&self) -> Duration {
        self.percentile(25)
    }

    /// What so many of a hundred stay below.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[sorted.len() * percent / 100]
    }

    pub fn worst(&self) -> Duration {
        self.0.iter().copied().max().expect("at least one try")
    }
}
