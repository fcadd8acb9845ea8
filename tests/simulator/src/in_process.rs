//! The same API without sockets: one request in, one answer out, on the caller's thread.

use crate::api::access;
use crate::api::handle::{self, Call};
use crate::api::route::Route;
use crate::app_view::AppView;
use crate::net::service::read_body;
use crate::settings::Settings;
use crate::shared::Shared;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};

/// CometChat in memory, for tests that bring a transport of their own.
pub struct InProcess {
    shared: Shared,
}

/// An answer to put on the wire.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl InProcess {
    pub fn new(settings: Settings) -> Self {
        InProcess { shared: Shared::new(settings, None) }
    }

    /// Answers one request to the app that `settings.default_app` names.
    pub fn answer(&self, method: &str, target: &str, api_key: &str, body: &[u8]) -> Answer {
        let settings = self.shared.settings();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        if let Ok(key) = HeaderValue::from_str(api_key) {
            headers.insert("apikey", key);
        }
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let app = access::app_id(&settings, &headers);
        let key = access::key_seen(&settings, &headers, &app);
        let reply = handle::answer(&Call {
            shared: &self.shared,
            settings: &settings,
            app: &app,
            route: &Route::of(method, path),
            query,
            headers: &headers,
            key,
            body: &read_body(&Bytes::copy_from_slice(body)),
            body_bytes: body.len(),
        });
        let headers = reply.headers.iter().map(|(name, value)| (name.to_string(), value.clone()));
        Answer { status: reply.status, headers: headers.collect(), body: reply.body.to_vec() }
    }

    /// The name of the operation that a request is, such as `create_user`.
    pub fn operation(method: &str, target: &str) -> &'static str {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        Route::of(method, path).operation.name()
    }

    /// The users of the app.
    pub fn users(&self) -> AppView<'_> {
        let app = self.shared.settings().default_app.clone();
        AppView::new(&self.shared, app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DEV_API_KEY;

    #[test]
    fn it_answers_as_over_a_socket() {
        let cometchat = InProcess::new(Settings::default());
        let create = |key| {
            cometchat.answer("POST", "/v3/users", key, br#"{"uid":"Ann","name":"Ann"}"#).status
        };
        assert_eq!((create("wrong"), create(DEV_API_KEY), create(DEV_API_KEY)), (401, 200, 400));
        assert!(cometchat.users().user("ann").is_some());
        assert_eq!(InProcess::operation("DELETE", "/v3/users"), "deactivate_users");
    }
}
