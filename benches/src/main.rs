//! `make bench`: the promises of speed, as ratios and differences measured in one run.
//!
//!     cometchat-bench [--full | --small] [PART ...]
//!
//! Parts are those of [`PARTS`]; without any, all of them are measured, and benches/RESULTS.md is written. `--full` measures more of
//! everything, `--small` shows that everything works. Exits with 1 when a target is missed. Needs
//! the release build of the extension installed, and that of `cometchat_bench` in target/release.

mod null_server;
mod pairs;
mod peers;
mod report;
mod responsive;
mod results;
mod scale;
mod start;
mod stored_call;
mod sync;
mod throughput;
mod ureq_baseline;

use std::process::ExitCode;

use report::Report;
use scale::Scale;
use scenarios::environment::{may_mount, Environment};
use scenarios::{Cluster, Database, NameServer, Names, Stack};
use simulator::{RecordMode, Simulator};

/// What can be measured by itself.
const PARTS: [&str; 17] = [
    "stored",
    "http",
    "route",
    "pg_net",
    "start",
    "transport",
    "responsive",
    "trigger",
    "arrival",
    "wakes",
    "backlog",
    "jit",
    "limits",
    "people",
    "claim",
    "reconcile",
    "idle",
];

/// `--rows FILE`: the rows go to that file, for the run that this one is a part of.
const ROWS: &str = "--rows";

/// What the measurements of one session's calls stand on: a server without the library preloaded,
/// whose resolver hangs if that can be had.
pub struct Bench {
    pub stack: Stack,
    /// `None` where it takes rights that we do not have.
    pub names: Option<NameServer>,
    pub environment: Environment,
    pub tries: usize,
}

impl Bench {
    fn new(tries: usize) -> Bench {
        let names = NameServer::start(Names::Hang).filter(|_| may_mount());
        let environment = match &names {
            Some(names) => Environment::default().name_server(&names.address()),
            None => Environment::default(),
        };
        // Durable commits would measure the disk; all else is as on a server of one's own.
        let conf = ["fsync = on", "synchronous_commit = off", "checkpoint_timeout = 1h"];
        let cluster = Cluster::start(&conf);
        cluster.restart_in(&environment);
        let chat = Simulator::builder().record(RecordMode::Counts).start();
        let stack = Stack::on(Database::plain(cluster), chat.expect("a simulator"));
        throughput::install(&stack);
        Bench { stack, names, environment, tries }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == ureq_baseline::ARGUMENT) {
        ureq_baseline::run();
        return ExitCode::SUCCESS;
    }
    let scale = Scale::of(&arguments);
    let rows_file = arguments.iter().position(|argument| argument == ROWS).map(|at| at + 1);
    let is_part =
        |(n, argument): &(usize, &String)| Some(*n) != rows_file && !argument.starts_with("--");
    let parts: Vec<&String> =
        arguments.iter().enumerate().filter(is_part).map(|(_, a)| a).collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        eprintln!("there is no part {unknown}; there are {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    let chosen = |part: &str| parts.is_empty() || parts.iter().any(|p| *p == part);

    let mut report = Report::new();
    if chosen("stored") {
        stored_call::measure(&scale, &mut report);
    }
    peers::measure(&scale, chosen, &mut report);
    if chosen("start") {
        start::measure(&scale, &mut report);
    }
    sync::measure(&scale, chosen, &mut report);
    if chosen("transport") || chosen("responsive") {
        let bench = Bench::new(scale.tries);
        if chosen("transport") {
            throughput::measure(&bench, &mut report);
        }
        if chosen("responsive") {
            responsive::measure(&bench, &mut report);
        }
    }
    if let Some(file) = rows_file.and_then(|at| arguments.get(at)) {
        report.hand_over(file.as_ref());
    }
    // Of a part, or of a small run, nothing is written down.
    let whole = parts.is_empty() && !arguments.iter().any(|argument| argument == "--small");
    let full = arguments.iter().any(|argument| argument == "--full");
    report.finish(whole.then_some(if full { "`make bench-full`" } else { "`make bench`" }))
}
