//! Whether the API's port is open: a switch that can be turned while the server runs.

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// State of the API's listening port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerState {
    Open,
    /// The port takes connections (the kernel does) but nobody accepts them. Connections that were
    /// open before go on being served.
    Paused,
    /// New connections are refused and the open ones are dropped.
    Closed,
}

/// The wish and, once the accept loop has followed it, the fact.
pub struct Switch {
    wanted: watch::Sender<ListenerState>,
    actual: watch::Sender<ListenerState>,
}

impl Default for Switch {
    fn default() -> Self {
        Switch {
            wanted: watch::Sender::new(ListenerState::Open),
            actual: watch::Sender::new(ListenerState::Open),
        }
    }
}

impl Switch {
    pub fn want(&self, state: ListenerState) {
        self.wanted.send_replace(state);
    }

    pub fn wanted(&self) -> watch::Receiver<ListenerState> {
        self.wanted.subscribe()
    }

    pub fn reached(&self, state: ListenerState) {
        self.actual.send_replace(state);
    }

    pub fn actual(&self) -> ListenerState {
        *self.actual.borrow()
    }

    /// Blocks a caller outside the runtime until the accept loop has followed; false after 5 s.
    pub fn settle(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while *self.wanted.borrow() != self.actual() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}
