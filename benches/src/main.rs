//! `make bench`: the promises of speed, as ratios and differences measured in one run.
//!
//!     cometchat-bench [--full]          200 tries of each combination instead of 20
//!
//! Exits with 1 when a target is missed. Needs the release build of the extension installed, and
//! that of `cometchat_bench` in target/release.

mod bare;
mod report;
mod responsive;
mod throughput;

use std::process::ExitCode;

use report::Report;
use scenarios::environment::{may_mount, Environment};
use scenarios::{Cluster, Database, NameServer, Names, Stack};
use simulator::{RecordMode, Simulator};

/// What all measurements stand on: one server of our own, whose resolver hangs if that can be had.
pub struct Bench {
    pub stack: Stack,
    /// `None` where it takes rights that we do not have.
    pub names: Option<NameServer>,
    pub environment: Environment,
    pub tries: usize,
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == bare::ARGUMENT) {
        bare::run();
        return ExitCode::SUCCESS;
    }
    let full = std::env::args().any(|argument| argument == "--full");
    let names = NameServer::start(Names::Hang).filter(|_| may_mount());
    let environment = match &names {
        Some(names) => Environment::default().name_server(&names.address()),
        None => Environment::default(),
    };
    // Durable commits would measure the disk.
    let cluster = Cluster::start(&["synchronous_commit = off", "checkpoint_timeout = 1h"]);
    cluster.restart_in(&environment);
    let chat = Simulator::builder().record(RecordMode::Counts).start();
    let stack = Stack::on(Database::plain(cluster), chat.expect("a simulator"));
    throughput::install(&stack);
    let bench = Bench { stack, names, environment, tries: if full { 200 } else { 20 } };

    let mut report = Report::default();
    throughput::measure(&bench, &mut report);
    responsive::measure(&bench, &mut report);
    report.finish()
}
