//! One HTTP request: read, recorded, answered or taken over.

use super::listener::Line;
use crate::api::access;
use crate::api::handle::{self, Body, Call};
use crate::api::reply::Reply;
use crate::api::route::Route;
use crate::control;
use crate::faults::book::Subject;
use crate::faults::effect::{shape, Outcome};
use crate::faults::kind::FaultKind;
use crate::shared::{lock, Shared};
use crate::state::gauges::{InFlight, Open};
use crate::state::journal::{Ending, Recorded};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bodies beyond this are not read; the API's own limits lie far below.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// Which port a request came by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Api,
    Control,
}

/// Ends the HTTP conversation: the connection was taken over, or the body could not be read.
#[derive(Debug)]
pub struct Over;

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection left HTTP")
    }
}

impl std::error::Error for Over {}

/// Answers a request. `Err` makes the HTTP server stop without writing anything.
pub async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    line: Arc<Line>,
) -> Result<Response<Full<Bytes>>, Over> {
    let (parts, body) = request.into_parts();
    let controlled = parts.uri.path().starts_with("/_control");
    if controlled || line.door == Door::Control {
        let body = Limited::new(body, MOST_BODY).collect().await.map_err(|_| Over)?.to_bytes();
        let own_port = line.door == Door::Control;
        let reply = control::answer(&shared, &parts.method, &parts.uri, &body, own_port).await;
        return Ok(response(reply));
    }
    line.open.get_or_init(|| Open::enter(&shared.gauges));
    let in_flight = InFlight::enter(&shared.gauges);
    let body = Limited::new(body, MOST_BODY).collect().await.map_err(|_| Over)?.to_bytes();
    match api(&shared, &parts, &body, line.number).await {
        Outcome::Http(reply) => Ok(response(reply)),
        Outcome::Raw { script, .. } => {
            *lock(&line.takeover) = Some((script, in_flight));
            Err(Over)
        }
    }
}

async fn api(
    shared: &Arc<Shared>,
    parts: &hyper::http::request::Parts,
    bytes: &Bytes,
    connection: u64,
) -> Outcome {
    let settings = shared.settings();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let route = Route::of(method, path);
    let body = read_body(bytes);
    let app = access::app_id(&settings, &parts.headers);
    let key = access::key_seen(&settings, &parts.headers, &app);
    let seq = lock(&shared.journal).begin(&settings, |seq| Recorded {
        seq,
        method: method.to_owned(),
        path: path.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        app: app.clone(),
        operation: route.operation.name().to_owned(),
        uid: route.uid.clone().or_else(|| body_uid(&body)),
        body: match &body {
            Body::Empty => Value::Null,
            Body::Json(value) => value.clone(),
            Body::Other(text) => Value::String(text.clone()),
        },
        body_bytes: bytes.len(),
        api_key: key,
        headers: noted_headers(parts),
        connection,
        status: None,
        code: None,
        fault: None,
        arrived_unix_ms: shared.unix_ms(),
        arrived_ms: shared.started.elapsed().as_secs_f64() * 1000.0,
    });
    if settings.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(settings.latency_ms)).await;
    }
    let picked = {
        let whole_path = parts.uri.path_and_query().map_or(path, |p| p.as_str());
        let subject = Subject { route: &route, method, path: whole_path, app: &app, body: &body };
        lock(&shared.faults).pick(&subject)
    };
    if let Some((FaultKind::Late { ms }, _)) = picked.fault {
        let (shared, headers) = (shared.clone(), parts.headers.clone());
        let (query, body_bytes) = (parts.uri.query().map(str::to_owned), bytes.len());
        let ending = Ending {
            operation: route.operation,
            status: None,
            code: None,
            fault: Some("late"),
            genuine: false,
        };
        lock(&shared.journal).end(&settings, seq, ending);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            let (shared, settings, query) = (&*shared, &*settings, query.as_deref());
            let (app, route, headers, body) = (&*app, &route, &headers, &body);
            handle::answer(&Call {
                shared,
                settings,
                app,
                route,
                query,
                headers,
                key,
                body,
                body_bytes,
            });
        });
        return shape(&FaultKind::Late { ms }, None);
    }
    let call = Call {
        shared,
        settings: &settings,
        app: &app,
        route: &route,
        query: parts.uri.query(),
        headers: &parts.headers,
        key,
        body: &body,
        body_bytes: bytes.len(),
    };
    let needed = picked.fault.as_ref().is_none_or(|(kind, perform)| *perform || kind.distorts());
    let mut normal = None;
    if needed && picked.perform_before_delay {
        normal = Some(handle::answer(&call));
    }
    if !picked.delay.is_zero() {
        tokio::time::sleep(picked.delay).await;
    }
    if needed && normal.is_none() {
        normal = Some(handle::answer(&call));
    }
    let kind = picked.fault.map(|(kind, _)| kind);
    let fault = match &kind {
        Some(kind) => Some(kind.name()),
        None => (!picked.delay.is_zero()).then_some("delay"),
    };
    let outcome = match (&kind, normal) {
        (None, Some(reply)) => Outcome::Http(reply),
        (None, None) => Outcome::Http(handle::answer(&call)),
        (Some(kind), normal) => shape(kind, normal),
    };
    let (status, code) = match &outcome {
        Outcome::Http(reply) => (Some(reply.status), reply.code.as_deref()),
        Outcome::Raw { status, .. } => (*status, None),
    };
    let ending =
        Ending { operation: route.operation, status, code, fault, genuine: kind.is_none() };
    lock(&shared.journal).end(&settings, seq, ending);
    outcome
}

/// The body as far as it can be understood.
pub fn read_body(bytes: &Bytes) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Body::Json(value),
        Err(_) => Body::Other(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn body_uid(body: &Body) -> Option<String> {
    let Body::Json(value) = body else { return None };
    value.get("uid")?.as_str().map(str::to_lowercase)
}

/// Headers worth recording. The key is not among them: recorded requests end up in test output.
fn noted_headers(parts: &hyper::http::request::Parts) -> BTreeMap<String, String> {
    const NOTED: [&str; 12] = [
        "accept",
        "accept-encoding",
        "appid",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "onbehalfof",
        "transfer-encoding",
        "user-agent",
        "traceparent",
    ];
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let noted = NOTED.iter().filter_map(|name| Some((*name, parts.headers.get(*name)?)));
    noted.map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status);
    if !reply.content_type.is_empty() {
        response = response.header("content-type", &*reply.content_type);
    }
    for (name, value) in &reply.headers {
        response = response.header(&**name, value);
    }
    response.body(Full::new(reply.body)).unwrap_or_else(|error| {
        // Only a fault with an impossible header or status gets here.
        let mut response = Response::new(Full::new(Bytes::from(error.to_string())));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
