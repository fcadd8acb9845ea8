//! One request on the wire: built, sent, bounded in time and size, reported.

use std::time::{Duration, Instant};

use serde::Serialize;
use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderValue, Response};
use ureq::typestate::WithBody;
use ureq::{Body, RequestBuilder};

use crate::answer::Answer;
use crate::body::read_body;
use crate::client::{Client, Permit, DEFAULT_TIMEOUT};
use crate::error::Error;
use crate::observe::{date, limits, retry_after, Exchange, Limits, Operation};
use crate::transport_error::{looks_stale, translate, Phase};

/// One user, one token, or an error: a few kilobytes in practice.
pub(crate) const SMALL_BODY: u64 = 64 * 1024;
/// 50 users with 5 KB of metadata each, twice as much.
const IMPORT_BODY: u64 = 1024 * 1024;
/// 1000 users with 5 KB of metadata each.
const LARGE_BODY: u64 = 8 * 1024 * 1024;
const MAX_HEAD: usize = 64 * 1024;

const USER_AGENT: &str = concat!("cometchat_ext/", env!("CARGO_PKG_VERSION"));

#[derive(Clone, Copy)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// A request without the parts that are the same for all.
pub(crate) struct Request {
    pub operation: Operation,
    pub method: Method,
    /// Begins with a slash; segments are encoded already.
    pub path: String,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(operation: Operation, method: Method, path: String) -> Request {
        Request { operation, method, path, body: None }
    }

    pub fn json(mut self, body: &impl Serialize) -> Result<Request, Error> {
        let bytes = serde_json::to_vec(body)
            .map_err(|_| Error::InvalidRequest { what: "body cannot be written as JSON" })?;
        self.body = Some(bytes);
        Ok(self)
    }

    fn body_cap(&self) -> u64 {
        match self.operation {
            Operation::ListUsers => LARGE_BODY,
            Operation::ImportUsers => IMPORT_BODY,
            _ => SMALL_BODY,
        }
    }
}

/// What the head of an answer told, kept for the observer.
#[derive(Default)]
struct Head {
    status: Option<u16>,
    retry_after: Option<Duration>,
    limits: Option<Limits>,
    date_unix: Option<u64>,
}

/// A failed attempt, and whether the connection may simply have been stale.
struct Failure {
    error: Error,
    stale: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, stale: false }
    }
}

impl Client {
    /// Sends the request and reads the answer with `read`; the observer hears of the outcome.
    pub(crate) fn exchange<T>(
        &self,
        request: Request,
        read: impl Fn(&Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + DEFAULT_TIMEOUT);
        let mut may_repeat = self.reused.is_some();
        loop {
            let started = Instant::now();
            let remaining = deadline.saturating_duration_since(started);
            if remaining.is_zero() {
                return Err(Error::Timeout);
            }
            match self.gate.as_ref().map(|gate| gate(request.operation)) {
                None | Some(Permit::Go) => {}
                Some(Permit::NoRoom) => return Err(Error::no_room()),
                Some(Permit::Never) => return Err(Error::Refused),
                Some(Permit::Later(wait)) => return Err(Error::refused_for(wait)),
            }
            let mut head = Head::default();
            self.was_reused();
            let outcome = self
                .attempt(&request, remaining, &mut head)
                .and_then(|answer| read(&answer).map_err(Failure::from));
            if let Err(Failure { error: e @ Error::InvalidRequest { .. }, .. }) = outcome {
                return Err(e);
            }
            self.report(request.operation, started, &head, outcome.as_ref().err());
            match outcome {
                Ok(value) => return Ok(value),
                Err(Failure { stale: true, .. }) if may_repeat && self.was_reused() => {
                    may_repeat = false;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    fn attempt(
        &self,
        request: &Request,
        remaining: Duration,
        head: &mut Head,
    ) -> Result<Answer, Failure> {
        let response = self.send(request, remaining)?;
        let status = response.status().as_u16();
        *head = Head {
            status: Some(status),
            retry_after: retry_after(response.headers()),
            limits: limits(response.headers()),
            date_unix: date(response.headers(), "date"),
        };
        // A page of errors is not worth more than a small buffer.
        let is_error = !(200..300).contains(&status);
        let cap = if is_error && request.operation != Operation::ImportUsers {
            SMALL_BODY
        } else {
            request.body_cap()
        };
        let body = match read_body(response, cap) {
            Ok(body) => body,
            // The status of an error is worth keeping although its text is lost.
            Err(Error::TooLarge { .. } | Error::Network { .. }) if is_error => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let key = self.key.clone();
        Ok(Answer { status, retry_after: head.retry_after, body, key })
    }

    fn send(&self, request: &Request, remaining: Duration) -> Result<Response<Body>, Failure> {
        let base = self.base.as_ref().map_err(|_| Error::InvalidRequest { what: "base URL" })?;
        let url = format!("{base}{}", request.path);
        let agent = &self.agent;
        let body = request.body.as_deref();
        let sent = match request.method {
            Method::Get => self.prepare(agent.get(url), remaining)?.call(),
            Method::Post => send_json(self.prepare(agent.post(url), remaining)?, body),
            Method::Put => send_json(self.prepare(agent.put(url), remaining)?, body),
            Method::Delete if body.is_none() => self.prepare(agent.delete(url), remaining)?.call(),
            // ureq sends no body with DELETE unless told to.
            Method::Delete => {
                send_json(self.prepare(agent.delete(url).force_send_body(), remaining)?, body)
            }
        };
        sent.map_err(|e| Failure { error: translate(&e, Phase::Head), stale: looks_stale(&e) })
    }

    /// Headers and limits, on the request so that they win over the agent's.
    fn prepare<B>(
        &self,
        builder: RequestBuilder<B>,
        remaining: Duration,
    ) -> Result<RequestBuilder<B>, Error> {
        let bad = |what| move |_| Error::InvalidRequest { what };
        let mut key = HeaderValue::from_bytes(self.key.expose()).map_err(bad("API key"))?;
        // SECURITY: keeps the key out of the HTTP library's own debug output.
        key.set_sensitive(true);
        let app_id = HeaderValue::from_str(&self.app_id).map_err(bad("app id"))?;
        let timeouts = self.agent.config().timeouts();
        let plain_http = self.base.as_ref().is_ok_and(|b| b.starts_with("http://"));
        // The user agent is a header rather than a setting: as a setting it would keep
        // ureq from sharing the agent's connections.
        Ok(builder
            .header("apikey", key)
            .header("appId", app_id)
            .header("accept", HeaderValue::from_static("application/json"))
            .header("user-agent", HeaderValue::from_static(USER_AGENT))
            .config()
            .http_status_as_error(false)
            // SECURITY: a redirect would carry the `apikey` header to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(!plain_http)
            .accept_encoding(AutoHeaderValue::None)
            .max_response_header_size(MAX_HEAD)
            .timeout_global(Some(timeouts.global.map_or(remaining, |g| g.min(remaining))))
            .build())
    }

    fn was_reused(&self) -> bool {
        self.reused.as_ref().is_some_and(|probe| probe())
    }

    fn report(&self, operation: Operation, started: Instant, head: &Head, f: Option<&Failure>) {
        if let Some(observer) = &self.observer {
            let failure = f.map(|f| &f.error);
            observer(&Exchange {
                operation,
                status: head.status,
                code: failure.and_then(Error::code),
                elapsed: started.elapsed(),
                retry_after: head.retry_after,
                limits: head.limits,
                date_unix: head.date_unix,
                failure,
            });
        }
    }
}

fn send_json(
    builder: RequestBuilder<WithBody>,
    body: Option<&[u8]>,
) -> Result<Response<Body>, ureq::Error> {
    let json = HeaderValue::from_static("application/json");
    builder.header("content-type", json).send(body.unwrap_or(b"{}"))
}
