//! A fault together with the requests it is meant for.

use super::kind::FaultKind;
use crate::api::route::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One fault. Every condition given must hold; without any it meets all API requests for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Name of an operation, such as `create_user`.
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub method: Option<String>,
    /// Part of the path (with its query).
    #[serde(default)]
    pub path: Option<String>,
    /// A uid in the path or body, imports and bulk calls included.
    #[serde(default)]
    pub uid: Option<String>,
    #[serde(default)]
    pub app: Option<String>,
    /// Matching requests let through before the fault begins.
    #[serde(default)]
    pub skip: u64,
    /// Matching requests met after that; `None` means all.
    #[serde(default)]
    pub times: Option<u64>,
    /// Chance of meeting a matching request; 1 means always.
    #[serde(default = "always")]
    pub probability: f64,
    /// Perform the operation first, then fail: the client cannot tell that it was done.
    #[serde(default)]
    pub perform: bool,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    pub fn new(kind: FaultKind) -> Fault {
        Fault {
            kind,
            operation: None,
            method: None,
            path: None,
            uid: None,
            app: None,
            skip: 0,
            times: None,
            probability: 1.0,
            perform: false,
        }
    }

    /// An error in CometChat's envelope.
    pub fn status(status: u16, code: &str) -> Fault {
        let (code, headers) = (code.into(), BTreeMap::new());
        Fault::new(FaultKind::Status { status, code, message: None, headers })
    }

    /// Any status and body.
    pub fn raw(status: u16, content_type: &str, body: &str) -> Fault {
        let (body, content_type) = (body.into(), content_type.into());
        Fault::new(FaultKind::Raw { status, body, content_type, headers: BTreeMap::new() })
    }

    pub fn delay(ms: u64) -> Fault {
        Fault::new(FaultKind::Delay { ms })
    }

    /// Adds a header to a `status` or `raw` fault; others have none to add to.
    pub fn header(mut self, name: &str, value: &str) -> Fault {
        if let FaultKind::Status { headers, .. } | FaultKind::Raw { headers, .. } = &mut self.kind {
            headers.insert(name.into(), value.into());
        }
        self
    }

    pub fn operation(mut self, name: &str) -> Fault {
        self.operation = Some(name.into());
        self
    }

    pub fn method(mut self, method: &str) -> Fault {
        self.method = Some(method.into());
        self
    }

    pub fn path(mut self, part: &str) -> Fault {
        self.path = Some(part.into());
        self
    }

    pub fn uid(mut self, uid: &str) -> Fault {
        self.uid = Some(uid.into());
        self
    }

    pub fn app(mut self, app: &str) -> Fault {
        self.app = Some(app.into());
        self
    }

    pub fn skip(mut self, requests: u64) -> Fault {
        self.skip = requests;
        self
    }

    pub fn times(mut self, requests: u64) -> Fault {
        self.times = Some(requests);
        self
    }

    pub fn probability(mut self, chance: f64) -> Fault {
        self.probability = chance;
        self
    }

    /// Performs the operation before failing.
    pub fn perform(mut self) -> Fault {
        self.perform = true;
        self
    }

    /// Reads the JSON form, refusing misspelt fields, which would silently widen a fault's scope.
    pub fn from_json(value: &Value) -> Result<Fault, String> {
        let fault: Fault = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
        let known = serde_json::to_value(&fault).map_err(|e| e.to_string())?;
        for name in value.as_object().into_iter().flat_map(|map| map.keys()) {
            if known.get(name).is_none() {
                return Err(format!("unknown field {name:?}"));
            }
        }
        fault.check()?;
        Ok(fault)
    }

    /// Refuses what could never match or be sent.
    pub fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.operation {
            let names = Operation::ALL.map(Operation::name);
            if !names.contains(&name.as_str()) {
                return Err(format!("operation must be one of {}", names.join(", ")));
            }
        }
        let status = match &self.kind {
            FaultKind::Status { status, .. }
            | FaultKind::Raw { status, .. }
            | FaultKind::Redirect { status, .. } => *status,
            _ => 200,
        };
        if !(200..=999).contains(&status) {
            return Err("status must be from 200 to 999".into());
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err("probability must be from 0 to 1".into());
        }
        Ok(())
    }
}
