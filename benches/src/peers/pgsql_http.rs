//! The same flow with pgsql-http, in PL/pgSQL: a first login, and a login whose token is stored.
//!
//! Debian has pgsql-http for PostgreSQL 17. A run on another major runs this part of the program again, there.

use std::process::Command;
use std::time::{Duration, Instant};

use postgres::Client;
use scenarios::{major, Cluster, Database, Stack, APP};
use serde_json::json;
use simulator::{RecordMode, Simulator, DEV_API_KEY};
use uuid::Uuid;

use super::relay::Relay;
use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

/// The major version that has it.
const MAJOR: &str = "17";

/// A first login.
const AT_MOST: f64 = 0.6;

/// A login whose token is stored: as for the bare look-up, which theirs is.
const STORED: f64 = 2.0;

/// What CometChat takes to answer, or the way there and back.
const LATENCY: Duration = Duration::from_millis(20);

/// Logins in one statement.
const CALLS: usize = 200;

const CONF: [&str; 2] = ["shared_preload_libraries = 'cometchat_ext'", "checkpoint_timeout = 1h"];

pub fn measure(scale: &Scale, report: &mut Report) {
    if major() != MAJOR {
        return measure_on(MAJOR, scale, report);
    }
    report.heading(&format!("Beside pgsql-http in PL/pgSQL, over HTTPS, on PostgreSQL {MAJOR}"));
    let cluster = Cluster::start(&CONF);
    let sql = "SELECT FROM pg_available_extensions WHERE name = 'http'";
    if cluster.admin("postgres").query_opt(sql, &[]).expect(sql).is_none() {
        return absent(report);
    }
    let bench = Bench::new(cluster, scale);
    bench.first_logins(report);
    bench.stored(report);
}

/// Runs this part alone with the servers of another major version.
fn measure_on(major: &str, scale: &Scale, report: &mut Report) {
    report.heading(&format!("Beside pgsql-http: on PostgreSQL {major}, which Debian has it for"));
    let rows = std::env::temp_dir().join(format!("cometchat-bench-{}.json", std::process::id()));
    let mut child = Command::new(std::env::current_exe().expect("our own path"));
    child.env("COMETCHAT_PG", major).args(scale.argument).args(["http", "--rows"]).arg(&rows);
    let _ = child.status().expect("run it");
    if report.take_rows(&rows).is_err() {
        absent(report);
    }
    let _ = std::fs::remove_file(&rows);
}

fn absent(report: &mut Report) {
    let why = "not measured: PostgreSQL 17 with the extension http is not installed here";
    report.elsewhere("pgsql-http", why, "");
}

struct Bench {
    stack: Stack,
    rounds: usize,
}

impl Bench {
    fn new(cluster: Cluster, scale: &Scale) -> Bench {
        let chat = Simulator::builder().https().record(RecordMode::Counts).start();
        let stack = Stack::on(Database::like_supabase(cluster), chat.expect("a simulator"));
        stack.execute(include_str!("pgsql_http.sql"));
        for (setting, value) in
            [("key", DEV_API_KEY), ("app", APP), ("url", &stack.chat.base_url())]
        {
            stack.db.set(&format!("chat.{setting}"), Some(value));
        }
        Bench { stack, rounds: scale.tries }
    }

    fn first_logins(&self, report: &mut Report) {
        self.stack.chat.update(|settings| settings.latency_ms = LATENCY.as_millis() as u64);
        let new = self.logins(&[], false);
        report.paired(&format!("first login, {LATENCY:?} to answer"), &new, AT_MOST);
        let kept = self.logins(&["SET http.keepalive = on"], false);
        report.beside("the same, http.keepalive on (it is off)", &kept);
        let fallback = self.logins(&[], true);
        report.beside("the same, CometChat has the user already", &fallback);

        // The way there takes its time too, and theirs goes it once more for each handshake.
        self.stack.chat.update(|settings| settings.latency_ms = 0);
        let relay = Relay::start(self.stack.chat.port(), LATENCY / 2);
        let direct = self.stack.chat.base_url();
        let far = direct
            .replace(&format!(":{}/", self.stack.chat.port()), &format!(":{}/", relay.port()));
        self.point_at(&far);
        let far = self.logins(&[], false);
        report.paired(&format!("first login, {LATENCY:?} there and back"), &far, AT_MOST);
        report.note("the handshake's way alone: opening the connection is not slowed down");
        self.point_at(&direct);
    }

    fn point_at(&self, url: &str) {
        self.stack.db.set("cometchat.api_base_url", Some(url));
        self.stack.db.set("chat.url", Some(url));
    }

    /// First logins with ours and with theirs, in turns.
    fn logins(&self, set: &[&str], known: bool) -> Pairs {
        let (mut ours, mut theirs) = (self.stack.db.admin(), self.stack.db.admin());
        theirs.batch_execute(&set.join(";")).expect("settings");
        trust(&mut theirs, &self.stack);
        let users = self.stack.sign_ups(2 * (self.rounds + 1));
        if known {
            for user in &users {
                let user = json!({ "uid": user.to_string(), "name": "Ada" });
                self.stack.app().add_user(user).expect("a user of CometChat's");
            }
        }
        let mut pairs = Pairs::default();
        for (n, pair) in users.chunks_exact(2).enumerate() {
            let mut times = [Duration::ZERO; 2];
            for which in if n.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                times[which] = match which {
                    0 => login(&mut ours, "cometchat_ensure_user", pair[0]),
                    _ => login(&mut theirs, "chat_ensure_user", pair[1]),
                };
            }
            // The first makes what the session keeps.
            if n > 0 {
                pairs.push(times[0], times[1]);
            }
        }
        pairs
    }

    fn stored(&self, report: &mut Report) {
        let users = self.stack.sign_ups(CALLS);
        let mut client = self.stack.db.admin();
        trust(&mut client, &self.stack);
        for function in ["cometchat_ensure_user", "chat_ensure_user"] {
            for user in &users {
                login(&mut client, function, *user);
            }
        }
        self.stack.execute(
            "VACUUM ANALYZE auth.users, public.cometchat_users, public.chat_users, cometchat.sync_state",
        );
        let sent = self.stack.chat.counters().requests;
        let mut calls = |function: &str| {
            let sql = format!("SELECT count(public.{function}(u)) FROM unnest($1::uuid[]) AS u");
            let started = Instant::now();
            client.query_one(&sql, &[&users]).expect(&sql);
            started.elapsed()
        };
        let mut pairs = Pairs::default();
        for n in 0..=self.rounds * 5 {
            let (ours, theirs) = (calls("cometchat_ensure_user"), calls("chat_ensure_user"));
            if n > 0 {
                pairs.push(ours, theirs);
            }
        }
        assert_eq!(self.stack.chat.counters().requests, sent, "none of them sent a request");
        report.paired(&format!("{CALLS} logins whose token is stored"), &pairs, STORED);
    }
}

/// For the simulator's certificate. Theirs are options of a session.
fn trust(client: &mut Client, stack: &Stack) {
    let ca = stack.db.cluster().secret_file("ca-of-chat.pem", stack.chat.ca_pem().expect("HTTPS"));
    let sql = "SELECT extensions.http_set_curlopt('CURLOPT_CAINFO', $1)";
    client.execute(sql, &[&ca.to_str()]).expect(sql);
}

fn login(client: &mut Client, function: &str, user: Uuid) -> Duration {
    let sql = format!("SELECT public.{function}($1)::text");
    let call = client.prepare(&sql).expect(&sql);
    let started = Instant::now();
    let answer: String = client.query_one(&call, &[&user]).expect("an answer").get(0);
    let took = started.elapsed();
    assert!(answer.contains("authToken"), "{answer}");
    took
}
