//! `/_control/requests` and `/_control/counters`.

use super::{no_such_endpoint, Ask, Refusal};
use crate::shared::{lock, Filter};
use serde_json::{json, Value};

pub fn serve(ask: &Ask<'_>, method: &str, parts: &[&str]) -> Result<Value, Refusal> {
    match (method, parts) {
        ("GET", ["requests"]) => {
            let mut requests = ask.shared.requests(&filter(ask)?);
            // Only the newest so many.
            if let Some(last) = ask.number("last")? {
                requests.drain(..requests.len().saturating_sub(last));
            }
            Ok(json!({ "requests": requests }))
        }
        ("GET", ["requests", "count"]) => Ok(json!({ "count": ask.shared.count(&filter(ask)?) })),
        ("POST", ["requests", "take"]) => {
            Ok(json!({ "requests": lock(&ask.shared.journal).take() }))
        }
        ("DELETE", ["requests" | "counters"]) => {
            ask.shared.clear_requests();
            Ok(json!({ "cleared": true }))
        }
        ("GET", ["counters"]) => Ok(json!(ask.shared.counters())),
        _ => Err(no_such_endpoint()),
    }
}

fn filter(ask: &Ask<'_>) -> Result<Filter, Refusal> {
    let text = |name| ask.query.last(name).map(str::to_owned);
    Ok(Filter {
        operation: text("operation"),
        method: text("method").map(|method| method.to_uppercase()),
        uid: text("uid").map(|uid| uid.to_lowercase()),
        status: ask.number("status")?.map(|status| status as u16),
        app: text("app"),
        after: ask.number("after")?.map(|seq| seq as u64),
    })
}
