//! What concerns everybody: bursts of errors, slowness, limits, and what operators do to the worker.

use std::thread::sleep;
use std::time::Duration;

use simulator::Fault;

use crate::Stack;

/// A disturbance of all users, which lasts a moment and passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Every other request fails, half of them after they were done.
    Errors,
    Slow,
    /// 429 with `Retry-After: 1`, a few times.
    Throttled,
    WorkerTerminated,
    Paused,
    Fine,
}

impl Disturbance {
    /// A walk's.
    pub const USUAL: [Disturbance; 10] = [
        Disturbance::Errors,
        Disturbance::Errors,
        Disturbance::Slow,
        Disturbance::Throttled,
        Disturbance::WorkerTerminated,
        Disturbance::WorkerTerminated,
        Disturbance::Paused,
        Disturbance::Fine,
        Disturbance::Fine,
        Disturbance::Fine,
    ];

    /// Lets it be so for a moment.
    pub fn pass(self, stack: &Stack, patience: u64) {
        let for_a_while = |faults: Vec<Fault>| {
            let set: Vec<u64> = faults.into_iter().map(|f| stack.chat.set_fault(f)).collect();
            sleep(Duration::from_millis(300));
            for id in set {
                stack.chat.clear_fault(id);
            }
        };
        match self {
            Disturbance::Errors => for_a_while(vec![
                Fault::status(503, "ERR_EXCEPTION").probability(0.25),
                Fault::status(500, "ERR_EXCEPTION").perform().probability(0.3),
            ]),
            Disturbance::Slow => for_a_while(vec![Fault::delay(patience / 4).probability(0.5)]),
            Disturbance::Throttled => {
                for_a_while(vec![Fault::status(429, "ERR_TOO_MANY_REQUESTS")
                    .header("Retry-After", "1")
                    .times(3)])
            }
            Disturbance::WorkerTerminated => {
                if let Some(pid) = stack.worker() {
                    stack.execute(&format!("SELECT pg_terminate_backend({pid})"));
                }
            }
            Disturbance::Paused => {
                stack.execute("SELECT cometchat.pause()");
                sleep(Duration::from_millis(200));
                stack.execute("SELECT cometchat.resume()");
            }
            Disturbance::Fine => sleep(Duration::from_millis(200)),
        }
    }
}
