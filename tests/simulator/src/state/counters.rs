//! How many requests were answered how.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Totals since the start, the last reset or the last clearing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests by operation and by the status answered; "none" where no status was sent.
    pub answered: BTreeMap<String, BTreeMap<String, u64>>,
    /// 429s sent because a bucket was empty (injected ones are only under `answered`).
    pub rate_limited: u64,
    /// 402s sent because the quota was used up; import rows are not counted.
    pub quota_refused: u64,
    /// Requests by the kind of fault they met.
    pub faulted: BTreeMap<String, u64>,
    /// Connections that brought API requests: fewer than `requests` if the client keeps them alive.
    pub connections: u64,
    /// Those of them that are still open.
    pub open_connections: u64,
    pub in_flight: u64,
    /// The most requests that were in flight at one time.
    pub peak_in_flight: u64,
}

impl Counters {
    /// Requests of one operation answered with one status.
    pub fn answered(&self, operation: &str, status: u16) -> u64 {
        let by_status = self.answered.get(operation);
        by_status.and_then(|m| m.get(&status.to_string())).copied().unwrap_or(0)
    }

    /// Requests of any operation answered with one status.
    pub fn with_status(&self, status: u16) -> u64 {
        self.answered.keys().map(|operation| self.answered(operation, status)).sum()
    }
}
