//! The record of requests: in full, as counts, or not at all.

use super::counters::Counters;
use crate::api::route::Operation;
use crate::settings::{RecordMode, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// What the request's `apikey` header held. The key itself is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySeen {
    Missing,
    Empty,
    FullAccess,
    AuthOnly,
    Unknown,
}

/// One request as it arrived, and how it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Counts up from 1 in order of arrival.
    pub seq: u64,
    pub method: String,
    /// Path without the query, as sent.
    pub path: String,
    pub query: Option<String>,
    pub app: String,
    /// `create_user`, `list_users`, ... or `unknown`.
    pub operation: String,
    /// The uid of the path or of the body, lower-cased.
    pub uid: Option<String>,
    /// The JSON body; a string when it was not JSON, null when there was none.
    pub body: Value,
    pub body_bytes: usize,
    pub api_key: KeySeen,
    /// Selected headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Number of the connection it came on: equal numbers mean keep-alive worked.
    pub connection: u64,
    /// `None` while it is being answered, and when no status line was sent at all.
    pub status: Option<u16>,
    /// CometChat's error code, if one was answered.
    pub code: Option<String>,
    /// The kind of fault it met.
    pub fault: Option<String>,
    pub arrived_unix_ms: u64,
    /// Milliseconds since the simulator started, to compare arrivals.
    pub arrived_ms: f64,
}

/// How a request ended.
pub struct Ending<'a> {
    pub operation: Operation,
    pub status: Option<u16>,
    pub code: Option<&'a str>,
    pub fault: Option<&'static str>,
    /// The 429 or 402 came from a bucket or the quota, not from a fault.
    pub genuine: bool,
}

/// Recorded requests and counts.
#[derive(Default)]
pub struct Journal {
    requests: VecDeque<Recorded>,
    next: u64,
    arrived: u64,
    answered: BTreeMap<(Operation, Option<u16>), u64>,
    rate_limited: u64,
    quota_refused: u64,
    faulted: BTreeMap<&'static str, u64>,
}

impl Journal {
    /// Notes an arrival; the number returned is for [`Journal::end`].
    pub fn begin(&mut self, settings: &Settings, make: impl FnOnce(u64) -> Recorded) -> u64 {
        self.next += 1;
        if settings.record == RecordMode::Off {
            return self.next;
        }
        self.arrived += 1;
        if settings.record == RecordMode::Full && settings.record_limit > 0 {
            while self.requests.len() >= settings.record_limit {
                self.requests.pop_front();
            }
            self.requests.push_back(make(self.next));
        }
        self.next
    }

    pub fn end(&mut self, settings: &Settings, seq: u64, ending: Ending<'_>) {
        if settings.record == RecordMode::Off {
            return;
        }
        *self.answered.entry((ending.operation, ending.status)).or_default() += 1;
        if let Some(fault) = ending.fault {
            *self.faulted.entry(fault).or_default() += 1;
        }
        if ending.genuine {
            self.rate_limited += u64::from(ending.status == Some(429));
            self.quota_refused += u64::from(ending.status == Some(402));
        }
        // Numbers rise along the queue, though not by one where recording was off for a while.
        if let Ok(place) = self.requests.binary_search_by_key(&seq, |r| r.seq) {
            let request = &mut self.requests[place];
            request.status = ending.status;
            request.code = ending.code.map(str::to_owned);
            request.fault = ending.fault.map(str::to_owned);
        }
    }

    pub fn requests(&self) -> impl Iterator<Item = &Recorded> {
        self.requests.iter()
    }

    pub fn take(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.requests).into()
    }

    pub fn counters(&self) -> Counters {
        let mut counters = Counters {
            requests: self.arrived,
            rate_limited: self.rate_limited,
            quota_refused: self.quota_refused,
            faulted: self.faulted.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect(),
            ..Counters::default()
        };
        for ((operation, status), n) in &self.answered {
            let status = status.map_or("none".to_owned(), |s| s.to_string());
            counters.answered.entry(operation.name().to_owned()).or_default().insert(status, *n);
        }
        counters
    }

    /// Forgets everything; numbering goes on, so a late ending cannot hit a new request.
    pub fn clear(&mut self) {
        *self = Journal { next: self.next, ..Journal::default() };
    }
}
