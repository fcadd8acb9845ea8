//! The control API: table of contents and routing of `/_control/...`.

mod requests;
mod setup;
mod users;

use crate::api::listing::Query;
use crate::api::reply::Reply;
use crate::shared::Shared;
use bytes::Bytes;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{json, Value};

/// A control request that cannot be served: a status and the reason.
type Refusal = (u16, String);

/// One control request.
struct Ask<'a> {
    shared: &'a Shared,
    query: Query,
    body: Value,
    /// Came by the separate control port.
    own_port: bool,
}

impl Ask<'_> {
    /// The app named by `?app=`, else the default one.
    fn app(&self) -> String {
        let named = self.query.last("app").map(str::to_owned);
        named.unwrap_or_else(|| self.shared.settings().default_app.clone())
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let wrong = |_| (400, format!("{name} must be a number"));
        self.query.last(name).map(|text| text.parse().map_err(wrong)).transpose()
    }
}

/// Answers a control request. These are never recorded, limited or met by faults.
pub async fn answer(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    body: &Bytes,
    own_port: bool,
) -> Reply {
    let body = match body.is_empty() {
        true => Value::Null,
        false => match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return refuse((400, format!("the body is not JSON: {error}"))),
        },
    };
    let ask = Ask { shared, query: Query::of(uri.query()), body, own_port };
    let path = uri.path().strip_prefix("/_control").unwrap_or("");
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let done = match parts.as_slice() {
        ["requests" | "counters", ..] => requests::serve(&ask, method.as_str(), &parts),
        ["users" | "seed", ..] => users::serve(&ask, method.as_str(), &parts),
        _ => setup::serve(&ask, method.as_str(), &parts),
    };
    // Who had the switch turned connects, or expects not to, as soon as the answer is there.
    let turned = matches!(parts.as_slice(), ["listener" | "reset"]) && method != Method::GET;
    match done {
        Ok(_) if turned && !shared.switch.followed().await => {
            refuse((503, "the port does not follow its switch".into()))
        }
        Ok(value) => Reply::json(200, &value),
        Err(refusal) => refuse(refusal),
    }
}

fn refuse((status, problem): Refusal) -> Reply {
    Reply::json(status, &json!({ "error": problem }))
}

fn no_such_endpoint() -> Refusal {
    (404, "no such control endpoint; the README lists them".into())
}
