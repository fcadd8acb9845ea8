//! The faults in force, and which of them a request meets.

use super::kind::FaultKind;
use super::rule::Fault;
use crate::api::handle::Body;
use crate::api::route::Route;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultStatus {
    pub id: u64,
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests that matched, those skipped included.
    pub matched: u64,
    /// Requests that met it.
    pub met: u64,
}

/// What faults look at in a request.
pub struct Subject<'a> {
    pub route: &'a Route,
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    pub app: &'a str,
    pub body: &'a Body,
}

/// What a request is to meet.
#[derive(Default, Debug)]
pub struct Picked {
    pub delay: Duration,
    /// The operation comes before the delay, so that a client's timeout cannot undo it.
    pub perform_before_delay: bool,
    pub fault: Option<(FaultKind, bool)>,
}

/// Faults in order of setting; ids are never used twice.
#[derive(Default)]
pub struct FaultBook {
    faults: Vec<FaultStatus>,
    next: u64,
}

impl FaultBook {
    pub fn add(&mut self, fault: Fault) -> u64 {
        self.next += 1;
        self.faults.push(FaultStatus { id: self.next, fault, matched: 0, met: 0 });
        self.next
    }

    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.faults.len();
        self.faults.retain(|status| status.id != id);
        self.faults.len() < before
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    pub fn list(&self) -> &[FaultStatus] {
        &self.faults
    }

    /// All matching delays up to the first matching fault of another kind, and that one.
    pub fn pick(&mut self, subject: &Subject<'_>) -> Picked {
        let mut picked = Picked::default();
        for status in &mut self.faults {
            let used_up = status.fault.times.is_some_and(|times| status.met >= times);
            if used_up || !matches(&status.fault, subject) {
                continue;
            }
            status.matched += 1;
            let chance = status.fault.probability;
            if status.matched <= status.fault.skip || (chance < 1.0 && fastrand::f64() >= chance) {
                continue;
            }
            status.met += 1;
            if let FaultKind::Delay { ms } = status.fault.kind {
                picked.delay += Duration::from_millis(ms);
                picked.perform_before_delay |= status.fault.perform;
            } else {
                picked.fault = Some((status.fault.kind.clone(), status.fault.perform));
                break;
            }
        }
        picked
    }
}

fn matches(fault: &Fault, subject: &Subject<'_>) -> bool {
    let operation = subject.route.operation.name();
    fault.operation.as_deref().is_none_or(|name| name == operation)
        && fault.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(subject.method))
        && fault.path.as_deref().is_none_or(|part| subject.path.contains(part))
        && fault.app.as_deref().is_none_or(|app| app == subject.app)
        && fault.uid.as_deref().is_none_or(|uid| mentions(subject, &uid.to_lowercase()))
}

/// Whether the request is about this user: by path, `uid`, a bulk list or an import row.
fn mentions(subject: &Subject<'_>, uid: &str) -> bool {
    if subject.route.uid.as_deref() == Some(uid) {
        return true;
    }
    let Body::Json(Value::Object(body)) = subject.body else { return false };
    let is = |value: &Value| value.as_str().is_some_and(|text| text.to_lowercase() == uid);
    let listed = |name| body.get(name).and_then(Value::as_array).is_some_and(|l| l.iter().any(is));
    let rows = body.get("users").and_then(Value::as_object);
    body.get("uid").is_some_and(is)
        || listed("uidsToDeactivate")
        || listed("uidsToActivate")
        || rows.is_some_and(|rows| rows.keys().any(|key| key.to_lowercase() == uid))
}
