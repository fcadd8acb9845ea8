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

    /// Waits until the accept loop has followed; false after 5 s.
    pub async fn followed(&self) -> bool {
        let mut actual = self.actual.subscribe();
        let followed = actual.wait_for(|actual| *actual == *self.wanted.borrow());
        let followed = tokio::time::timeout(Duration::from_secs(5), followed).await;
        matches!(followed, Ok(Ok(_)))
    }

    /// Wishes, and blocks a caller outside the runtime until that is so.
    pub fn turn(&self, state: ListenerState) {
        self.want(state);
        self.settle();
    }

    /// Blocks a caller outside the runtime until the accept loop has followed.
    ///
    /// # Panics
    /// If it has not after 30 s: a test that goes on would fail later, and for no visible reason.
    pub fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let wanted = *self.wanted.borrow(); // let go of before the other is taken
            let actual = self.actual();
            if wanted == actual {
                return;
            }
            assert!(Instant::now() < deadline, "the port is still {actual:?}, not {wanted:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
