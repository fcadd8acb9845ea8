//! The bare ureq program that the backend is measured beside: this one, run again as a child, so
//! that neither of the two shares a process with the server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The argument that makes it the child.
pub const ARGUMENT: &str = "--bare";

/// The child, seen from here.
pub struct UreqBaseline {
    child: Child,
    orders: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl UreqBaseline {
    pub fn start() -> UreqBaseline {
        let mut child = Command::new(std::env::current_exe().expect("our own path"))
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the child");
        let orders = child.stdin.take().expect("a pipe");
        let results = BufReader::new(child.stdout.take().expect("a pipe"));
        UreqBaseline { child, orders, results }
    }

    /// The time of one of `n` GET requests.
    pub fn get(&mut self, url: &str, n: u32) -> Duration {
        writeln!(self.orders, "{n} {url}").expect("tell the child");
        let mut line = String::new();
        self.results.read_line(&mut line).expect("hear from the child");
        Duration::from_nanos(line.trim().parse().expect("nanoseconds")) / n
    }
}

impl Drop for UreqBaseline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child does: requests as they are ordered.
pub fn run() {
    let agent = ureq::Agent::new_with_defaults();
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let (n, url) = order.split_once(' ').expect("a number and a URL");
        let started = Instant::now();
        for _ in 0..n.parse().expect("a number") {
            let answer = agent.get(url).call().and_then(|answer| answer.into_body().read_to_vec());
            answer.expect("an answer");
        }
        println!("{}", started.elapsed().as_nanos());
    }
}
