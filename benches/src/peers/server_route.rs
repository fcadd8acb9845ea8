//! A team's own server route on Node, beside `supabase.rpc('cometchat_ensure_user')`: both through the gateway that
//! stands for PostgREST and Auth in tests/supabase, with supabase-js.
//!
//! tests/supabase/src/bench runs both and takes the times; this starts the database and CometChat.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scenarios::{root, Cluster, Database, Stack, APP};
use serde_json::{json, Value};
use simulator::{RecordMode, Simulator, DEV_API_KEY};

use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

const AT_MOST: f64 = 0.5;

/// What CometChat takes to answer.
const LATENCY_MS: u64 = 20;

const CONF: [&str; 2] = ["shared_preload_libraries = 'cometchat_ext'", "checkpoint_timeout = 1h"];

/// Where a team's own route keeps the tokens: only the server's key may.
const TABLE: &str = "
    CREATE TABLE public.chat_users (
      user_id              uuid PRIMARY KEY,
      cometchat_uid        text NOT NULL UNIQUE,
      cometchat_auth_token text,
      updated_at           timestamptz DEFAULT now()
    );
    ALTER TABLE public.chat_users ENABLE ROW LEVEL SECURITY";

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading(
        "Beside a server route on Node, which asks Auth whose token it has, or reads it itself",
    );
    if !root().join("tests/supabase/node_modules").exists() {
        let why = "not measured: tools/node.sh has not installed Node's packages";
        return report.elsewhere("a server route on Node", why, "");
    }
    let chat = Simulator::builder().record(RecordMode::Counts).latency_ms(LATENCY_MS).start();
    let stack =
        Stack::on(Database::like_supabase(Cluster::start(&CONF)), chat.expect("a simulator"));
    stack.execute(TABLE);
    let rounds = scale.tries * 2;
    let mut measured = run(&stack, rounds);
    // A first login of each way in each round, and in those that warm up: a request each.
    let expected = measured.logins;
    assert_eq!(stack.chat.counters().requests, expected, "a stored token sent a request");
    for (kind, at) in [("stored", "token stored"), ("new", "first login, 20ms to answer")] {
        for (way, against) in [("asks", "asks Auth"), ("verifies", "reads it itself")] {
            let pairs = measured.pairs.remove(&format!("{kind} {way}")).expect("its times");
            report.paired(&format!("{at}; the route {against}"), &pairs, AT_MOST);
        }
    }
}

struct Measured {
    /// By kind of login and way of the route.
    pairs: BTreeMap<String, Pairs>,
    /// How many first logins there were.
    logins: u64,
}

fn run(stack: &Stack, rounds: usize) -> Measured {
    let config = json!({
        "socket": stack.db.cluster().dir(), "database": stack.db.name(), "rounds": rounds,
        "chat": { "url": stack.chat.base_url(), "key": DEV_API_KEY, "app": APP },
    });
    let script = r#"cd "$0"; source tools/lib.sh; exec node tests/supabase/src/bench/compare.ts"#;
    let mut command = Command::new("bash");
    command.args(["-c", script]).arg(root()).env("CONFIG", config.to_string());
    let child = command.stdout(Stdio::piped()).spawn().expect("start Node");
    let mut node = Node(child);
    let output = BufReader::new(node.0.stdout.take().expect("a pipe"));
    let mut measured = Measured { pairs: BTreeMap::new(), logins: 0 };
    for line in output.lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        if let Some(logins) = line["logins"].as_u64() {
            measured.logins = logins;
            continue;
        }
        let time = |of: &str| Duration::from_secs_f64(line[of].as_f64().expect(of) / 1000.0);
        let what = line["what"].as_str().expect("what").to_owned();
        measured.pairs.entry(what).or_default().push(time("ours"), time("theirs"));
    }
    assert!(node.0.wait().expect("its end").success(), "the Node side failed");
    measured
}

/// Ends with the measurement.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
