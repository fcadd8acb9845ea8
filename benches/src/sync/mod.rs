//! The sync: what it costs those who sign up, how soon and how fast it works, and that it rests.

mod arrival;
mod backlog;
mod claim;
mod ground;
mod idle;
mod jit;
mod limits;
mod trigger;
mod wakes;

use crate::report::Report;
use crate::size::Size;

use ground::Ground;
use idle::Idle;

/// Measures the parts that `chosen` wants.
pub fn measure(size: &Size, chosen: impl Fn(&str) -> bool, report: &mut Report) {
    // Watched while everything else goes on: a server that does nothing needs nothing.
    let idle = chosen("idle").then(|| Idle::watch(size.idle));
    if ["trigger", "arrival", "wakes", "backlog"].into_iter().any(&chosen) {
        let ground = Ground::new();
        if chosen("trigger") {
            trigger::measure(&ground, size, report);
        }
        if chosen("arrival") {
            arrival::measure(&ground, size, report);
        }
        if chosen("wakes") {
            wakes::measure(&ground, size, report);
        }
        if chosen("backlog") {
            backlog::measure(&ground, size, report);
        }
    }
    if chosen("jit") {
        jit::measure(size, report);
    }
    if chosen("limits") {
        limits::measure(size, report);
    }
    if chosen("claim") {
        claim::measure(size, report);
    }
    if let Some(idle) = idle {
        idle.report(report);
    }
}
