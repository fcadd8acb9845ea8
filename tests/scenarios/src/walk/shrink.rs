//! From a story that went wrong to the shortest one found that goes wrong again.

use super::event::Plan;
use super::run::Walk;

/// Each candidate is lived by so many users at once: what depends on a moment happens to one of them.
const COPIES: usize = 24;

/// No more candidates than this are tried.
const TRIES: usize = 24;

/// The shortest story found of which one of several copies goes wrong, with what went wrong; `None`
/// where not even the whole story does so again without the disturbances.
pub fn shrink(plan: &Plan, seed: u64) -> Option<(Plan, String)> {
    let mut tries = TRIES;
    let mut goes_wrong = |plan: &Plan| {
        tries = tries.checked_sub(1)?;
        let plans = vec![plan.clone(); COPIES];
        let report = Walk { plans, seed, disturbances: &[] }.run();
        report.violations.into_iter().next().map(|violation| violation.what)
    };
    let mut shortest = (plan.clone(), goes_wrong(plan)?);
    let mut piece = shortest.0.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < shortest.0.len() {
            let mut shorter = shortest.0.clone();
            shorter.drain(at..(at + piece).min(shortest.0.len()));
            match goes_wrong(&shorter) {
                Some(what) if !shorter.is_empty() => shortest = (shorter, what),
                _ => at += piece,
            }
        }
        piece /= 2;
    }
    Some(shortest)
}
