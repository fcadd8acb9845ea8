//! A CometChat that does next to nothing: it says yes, and notes when it was asked.
//!
//! The simulator keeps users and would be measured along with the worker; this one keeps nothing,
//! so that a million users leave no trace in it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use scenarios::{read_request, FaultServer};

/// A running one.
pub struct NullServer {
    server: FaultServer,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answered: AtomicUsize,
    latency_ms: AtomicU64,
    /// When who was asked for first; `None` while nobody wants to know.
    arrivals: Mutex<Option<HashMap<String, Instant>>>,
}

impl NullServer {
    pub fn open() -> NullServer {
        let state = Arc::new(State::default());
        let shared = state.clone();
        let server = FaultServer::serving(move |mut stream| {
            let _ = stream.set_nodelay(true);
            while let Some(request) = read_request(&mut stream) {
                let arrived = Instant::now();
                if stream.write_all(shared.answer(&request, arrived).as_bytes()).is_err() {
                    return;
                }
            }
        });
        NullServer { server, state }
    }

    /// For `cometchat.api_base_url`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Requests answered so far.
    pub fn answered(&self) -> usize {
        self.state.answered.load(Ordering::Relaxed)
    }

    /// Every answer takes so long from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.state.latency_ms.store(latency.as_millis() as u64, Ordering::Relaxed);
    }

    /// Notes arrivals from now on; what was noted before is forgotten.
    pub fn note_arrivals(&self) {
        *self.state.arrivals() = Some(HashMap::new());
    }

    /// When `uid` was asked for first.
    pub fn arrival(&self, uid: &str) -> Option<Instant> {
        self.state.arrivals().as_ref()?.get(uid).copied()
    }

    /// Stops noting; returns what was noted.
    pub fn take_arrivals(&self) -> HashMap<String, Instant> {
        self.state.arrivals().take().unwrap_or_default()
    }
}

impl State {
    fn arrivals(&self) -> MutexGuard<'_, Option<HashMap<String, Instant>>> {
        self.arrivals.lock().expect("no panic while it is held")
    }

    /// Whatever is asked about a user, it was done.
    fn answer(&self, request: &str, arrived: Instant) -> String {
        let uid = uid_in(request).unwrap_or("nobody");
        if let Some(arrivals) = self.arrivals().as_mut() {
            arrivals.entry(uid.to_owned()).or_insert(arrived);
        }
        let latency = self.latency_ms.load(Ordering::Relaxed);
        if latency > 0 {
            thread::sleep(Duration::from_millis(latency).saturating_sub(arrived.elapsed()));
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"data":{{"uid":"{uid}","name":"-","role":"default","createdAt":1,"authToken":"{uid}_1"}}}}"#
        );
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// The uid of the path (`/v3/users/{uid}…`) or, when a user is created, of the body.
fn uid_in(request: &str) -> Option<&str> {
    let path = request.split(' ').nth(1)?;
    let in_path = path.strip_prefix("/v3/users/").and_then(|rest| rest.split(['/', '?']).next());
    in_path.or_else(|| request.split_once(r#""uid":""#)?.1.split('"').next())
}
