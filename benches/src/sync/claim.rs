//! What it costs to claim users, however many are waiting or failed.
//!
//! Three databases of one server, asked in turns; the queries are those of the worker.

use postgres::Client;
use scenarios::blocked_session::Times;
use scenarios::Cluster;
use serde_json::Value;
use std::time::Duration;

use crate::report::Report;
use crate::scale::Scale;

/// The worker's own queries, by the names that they are prepared under here, and their inputs' types.
const QUERIES: [(&str, &str, &str); 2] = [
    ("claim", "(bigint, bigint, bigint, bigint)", include_str!("../../../src/store/sql/claim.sql")),
    ("queue_state", "(bigint, bigint)", include_str!("../../../src/store/sql/queue_state.sql")),
];

/// How many users the worker claims at a time: four times `cometchat.concurrency`.
const MOST: u32 = 64;

/// A short queue.
const FEW: usize = 100;

const ROUNDS: usize = 200;

/// What a long queue's claim may cost, as a multiple of a short one's.
const AT_MOST: f64 = 1.5;

pub fn measure(size: &Scale, report: &mut Report) {
    report.heading(&format!("Claiming {MOST} users, beside the same with {FEW} waiting"));
    let conf = ["shared_preload_libraries = ''", "fsync = on", "max_wal_size = 4GB"];
    let cluster = Cluster::start(&conf);
    let waiting = format!("SELECT gen_random_uuid(), 1, now() FROM generate_series(1, {FEW})");
    let many = waiting.replace(&FEW.to_string(), &size.rows.to_string());
    let failed = many.replace("now()", "NULL");
    let mut few = Queue::filled(&cluster, "few", &[&waiting]);
    let mut long = Queue::filled(&cluster, "many", &[&many]);
    let mut failed = Queue::filled(&cluster, "failed", &[&failed, &waiting]);
    for sql in [
        "UPDATE cometchat.sync_state SET failed_at = now(), error_code = 'ERR_BAD_REQUEST'
         WHERE next_attempt_at IS NULL",
        "VACUUM (FULL, ANALYZE) cometchat.sync_state",
    ] {
        failed.client.batch_execute(sql).expect(sql);
    }
    for (what, sql) in [
        ("claim", execute("claim", &format!("{MOST}, {MOST}, 1, 0"))),
        ("look whether somebody is due", execute("queue_state", "1, 600000")),
    ] {
        let mut costs = [Costs::default(), Costs::default(), Costs::default()];
        for round in 0..=ROUNDS {
            for (queue, costs) in [&mut few, &mut long, &mut failed].into_iter().zip(&mut costs) {
                let cost = queue.cost(&sql);
                if round > 0 {
                    costs.push(cost); // the first is to warm up
                }
            }
        }
        let [few, long, failed] = costs;
        for (state, costs) in [("waiting", long), ("failed", failed)] {
            let what = format!("{what}, {} {state}", size.rows);
            report.median_ratio(&what, &costs.times, &few.times, AT_MOST);
            report.note(&format!("buffers {} beside {}", costs.buffers(), few.buffers()));
        }
    }
}

/// A database with so many rows in the queue's table.
struct Queue {
    client: Client,
}

impl Queue {
    fn filled(cluster: &Cluster, name: &str, rows: &[&str]) -> Queue {
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        cluster.admin("postgres").batch_execute(&create).expect("create a database");
        let mut client = cluster.admin(name);
        client.batch_execute("CREATE EXTENSION cometchat_ext").expect("create the extension");
        for rows in rows {
            let fill = format!(
                "INSERT INTO cometchat.sync_state (user_id, wanted_revision, next_attempt_at) {rows}"
            );
            client.batch_execute(&fill).expect("fill the queue");
        }
        for (name, types, query) in QUERIES {
            let sql = format!("PREPARE {name} {types} AS {query}");
            client.batch_execute(&sql).expect("the worker's statement");
        }
        for sql in ["VACUUM ANALYZE cometchat.sync_state", "CHECKPOINT"] {
            client.batch_execute(sql).expect(sql);
        }
        Queue { client }
    }

    /// Runs a statement, and undoes what it did; its time and the buffers that it touched.
    fn cost(&mut self, sql: &str) -> (Duration, u64) {
        let mut transaction = self.client.transaction().expect("begin");
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}");
        let plan: Value = transaction.query_one(&explain, &[]).expect(&explain).get(0);
        transaction.rollback().expect("roll back");
        let root = &plan[0]["Plan"];
        let blocks = ["Shared Hit Blocks", "Shared Read Blocks"].map(|kind| root[kind].as_u64());
        let milliseconds = plan[0]["Execution Time"].as_f64().expect("a time");
        (Duration::from_secs_f64(milliseconds / 1000.0), blocks.into_iter().flatten().sum())
    }
}

#[derive(Default)]
struct Costs {
    times: Times,
    buffers: Vec<u64>,
}

impl Costs {
    fn push(&mut self, (time, buffers): (Duration, u64)) {
        self.times.push(time);
        self.buffers.push(buffers);
    }

    /// The median.
    fn buffers(&self) -> u64 {
        let mut sorted = self.buffers.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }
}

fn execute(name: &str, arguments: &str) -> String {
    format!("EXECUTE {name} ({arguments})")
}
