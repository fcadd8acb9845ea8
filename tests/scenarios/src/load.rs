//! Sessions that sign people up and edit their profiles, come what may, and know what is committed.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, Config, Error, NoTls};
use serde_json::json;
use uuid::Uuid;

use crate::Stack;

/// How `pg_stat_activity` shows the sessions.
pub const LOAD: &str = "load";

/// Sessions at work, each with users of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicUsize>,
    sessions: Vec<JoinHandle<Ledger>>,
}

/// What the sessions know for certain.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every user whose sign-up is committed, with the name of the last committed edit.
    pub users: HashMap<Uuid, String>,
    /// Users whose sign-up was rolled back.
    pub ghosts: HashSet<Uuid>,
    /// Transactions that were committing when the server died.
    pub in_doubt: usize,
}

impl Load {
    /// Starts sessions which sign up `users` each, and edit until they are told to stop.
    pub fn start(stack: &Stack, sessions: usize, users: usize, seed: u64) -> Load {
        let (stop, committed) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let sessions = (0..sessions)
            .map(|n| {
                let mut member = Member {
                    random: fastrand::Rng::with_seed(seed ^ (n as u64 + 1)),
                    socket: stack.db.cluster().dir().to_owned(),
                    database: stack.db.name().to_owned(),
                    client: None,
                    ledger: Ledger::default(),
                    doubted: HashMap::new(),
                    order: Vec::new(),
                    edits: 0,
                };
                let (stop, committed) = (stop.clone(), committed.clone());
                thread::spawn(move || {
                    while member.order.len() < users || !stop.load(Ordering::SeqCst) {
                        let known = member.order.len();
                        member.act(known < users);
                        committed.fetch_add(member.order.len() - known, Ordering::SeqCst);
                    }
                    member.ledger
                })
            })
            .collect();
        Load { stop, committed, sessions }
    }

    /// How many sign-ups are committed by now.
    pub fn committed(&self) -> usize {
        self.committed.load(Ordering::SeqCst)
    }

    /// Lets every session finish its sign-ups, and asks what it knows.
    pub fn finish(self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Ledger::default();
        for session in self.sessions {
            let one = session.join().expect("a session that meets nothing but the server's death");
            all.users.extend(one.users);
            all.ghosts.extend(one.ghosts);
            all.in_doubt += one.in_doubt;
        }
        all
    }
}

struct Member {
    random: fastrand::Rng,
    socket: PathBuf,
    database: String,
    client: Option<Client>,
    ledger: Ledger,
    /// What the transaction that was under way when the server died would have made of its users.
    doubted: HashMap<Uuid, String>,
    /// The users of the ledger, so that choosing one is repeatable.
    order: Vec<Uuid>,
    edits: usize,
}

impl Member {
    /// One transaction, however it ends.
    fn act(&mut self, may_sign_up: bool) {
        let mut client = self.connected();
        let roll_back = self.random.u8(..10) == 0;
        let sign_up = self.order.is_empty() || may_sign_up && (roll_back || self.random.bool());
        let mut change = HashMap::new();
        for _ in 0..self.random.usize(1..=if sign_up { 10 } else { 2 }) {
            self.edits += 1;
            let id = match sign_up {
                true => Uuid::from_u128(self.random.u128(..)),
                false => self.order[self.random.usize(..self.order.len())],
            };
            change.insert(id, format!("User {} of {}", self.edits, id.simple()));
        }
        match transact(&mut client, &change, sign_up, sign_up && roll_back) {
            Ok(true) => self.keep(change),
            Ok(false) => self.ledger.ghosts.extend(change.into_keys()),
            Err(error) => {
                assert!(is_death(&error), "a sign-up failed: {error:?}");
                self.doubted = change;
                return; // with the session
            }
        }
        self.client = Some(client);
    }

    /// A session; after the server's death a new one, which first asks what became of the last.
    fn connected(&mut self) -> Client {
        if let Some(client) = self.client.take() {
            return client;
        }
        let mut config = Config::new();
        config.host_path(&self.socket).user("supabase_auth_admin").dbname(&self.database);
        config.application_name(LOAD);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match config.connect(NoTls).map_err(|e| e.to_string()).and_then(|mut client| {
                self.resolve(&mut client).map(|()| client).map_err(|e| e.to_string())
            }) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "no server: {error}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A commit in doubt may have happened or not, for all its users alike.
    fn resolve(&mut self, client: &mut Client) -> Result<(), Error> {
        if self.doubted.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.doubted.keys().copied().collect();
        let sql =
            "SELECT id, raw_user_meta_data ->> 'full_name' FROM auth.users WHERE id = ANY ($1)";
        let there: HashMap<Uuid, String> =
            client.query(sql, &[&ids])?.iter().map(|row| (row.get(0), row.get(1))).collect();
        let doubted = std::mem::take(&mut self.doubted);
        self.ledger.in_doubt += 1;
        if there == doubted {
            self.keep(doubted);
            return Ok(());
        }
        for (id, name) in &doubted {
            let before = self.ledger.users.get(id);
            assert_eq!(there.get(id), before, "half of a transaction, or a lost one: {name}");
            if before.is_none() {
                self.ledger.ghosts.insert(*id);
            }
        }
        Ok(())
    }

    fn keep(&mut self, change: HashMap<Uuid, String>) {
        for (id, name) in change {
            if self.ledger.users.insert(id, name).is_none() {
                self.order.push(id);
            }
        }
        self.order.sort_unstable();
    }
}

/// `Ok(false)`: rolled back, as was asked for.
fn transact(
    client: &mut Client,
    change: &HashMap<Uuid, String>,
    sign_up: bool,
    roll_back: bool,
) -> Result<bool, Error> {
    let sql = match sign_up {
        true => "INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES ($1, $2, $3)",
        false => "UPDATE auth.users SET email = $2, raw_user_meta_data = $3 WHERE id = $1",
    };
    let mut transaction = client.transaction()?;
    for (id, name) in change {
        let metadata = json!({ "full_name": name });
        transaction.execute(sql, &[id, &email_of(name), &metadata])?;
    }
    if roll_back {
        transaction.rollback()?;
        return Ok(false);
    }
    transaction.commit()?;
    Ok(true)
}

/// The address that somebody of this name has.
pub fn email_of(name: &str) -> String {
    format!("{}@example.com", name.to_lowercase().replace(' ', "."))
}

/// The connection ended, or the server said that it is ending.
fn is_death(error: &Error) -> bool {
    let ending = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    error.is_closed()
        || error.code().is_some_and(|code| ending.contains(code))
        || std::error::Error::source(error).is_some_and(|s| s.is::<std::io::Error>())
}
