//! The sync: what it costs those who sign up, how soon and how fast it works, and that it rests.

mod backlog;
mod claim;
mod fixture;
mod idle;
mod jit;
mod latency;
mod limits;
mod people;
mod reconcile;
mod trigger;
mod wake_ups;

use crate::report::Report;
use crate::scale::Scale;

use fixture::Fixture;
use idle::Idle;

/// Measures the parts that `chosen` wants.
pub fn measure(scale: &Scale, chosen: impl Fn(&str) -> bool, report: &mut Report) {
    // Watched while everything else goes on: a server that does nothing needs nothing.
    let idle = chosen("idle").then(|| Idle::watch(scale.idle));
    if ["trigger", "arrival", "wakes", "backlog"].into_iter().any(&chosen) {
        let fixture = Fixture::new();
        if chosen("trigger") {
            trigger::measure(&fixture, scale, report);
        }
        if chosen("arrival") {
            latency::measure(&fixture, scale, report);
        }
        if chosen("wakes") {
            wake_ups::measure(&fixture, scale, report);
        }
        if chosen("backlog") {
            backlog::measure(&fixture, scale, report);
        }
    }
    if chosen("jit") {
        jit::measure(scale, report);
    }
    if chosen("limits") {
        limits::measure(scale, report);
    }
    if chosen("people") {
        people::measure(scale, report);
    }
    if chosen("claim") {
        claim::measure(scale, report);
    }
    if chosen("reconcile") {
        reconcile::measure(scale, report);
    }
    if let Some(idle) = idle {
        idle.report(report);
    }
}
