//! What the library adds to a server's start, and what `CREATE EXTENSION` takes.

use std::thread;
use std::time::{Duration, Instant};

use postgres::{Config, NoTls};
use scenarios::blocked_session::Times;
use scenarios::Cluster;

use crate::pairs::Pairs;
use crate::report::Report;
use crate::scale::Scale;

/// Both together, in milliseconds.
const AT_MOST: f64 = 20.0;

pub fn measure(scale: &Scale, report: &mut Report) {
    report.heading("A server's start with the library preloaded, and CREATE EXTENSION");
    let with = Cluster::start(&["shared_preload_libraries = 'cometchat_ext'"]);
    let without = Cluster::start(&[]);
    let tries = scale.tries.max(10);
    let mut pairs = Pairs::default();
    for n in 0..tries {
        let mut times = [Duration::ZERO; 2];
        for which in if n.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
            times[which] = start([&with, &without][which]);
        }
        pairs.push(times[0], times[1]);
    }
    report.beside("a server's start, preloaded or not", &pairs);
    let create = Times::of(tries, || create_extension(&with)).median().as_secs_f64() * 1000.0;
    let preload = pairs.difference() * 1000.0;
    report.at_most("preload and CREATE EXTENSION, ms more", preload.max(0.0) + create, AT_MOST);
    report.note(&format!("preload {preload:.1} ms, CREATE EXTENSION {create:.1} ms"));
}

/// From the program's start to the first session. `pg_ctl` itself looks ten times a second only.
fn start(cluster: &Cluster) -> Duration {
    cluster.pg_ctl(&["stop", "-m", "fast"]);
    let mut config = Config::new();
    config.host_path(cluster.dir()).user("supabase_admin").dbname("postgres");
    let started = Instant::now();
    cluster.pg_ctl(&["start", "-W"]);
    while config.connect(NoTls).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "the server does not start");
        thread::sleep(Duration::from_micros(500));
    }
    started.elapsed()
}

/// In a new database.
fn create_extension(cluster: &Cluster) -> Duration {
    let mut admin = cluster.admin("postgres");
    admin.batch_execute("CREATE DATABASE fresh TEMPLATE template0").expect("create a database");
    let mut client = cluster.admin("fresh");
    let started = Instant::now();
    client.batch_execute("CREATE EXTENSION cometchat_ext").expect("create the extension");
    let took = started.elapsed();
    drop(client);
    admin.batch_execute("DROP DATABASE fresh WITH (FORCE)").expect("drop the database");
    took
}
