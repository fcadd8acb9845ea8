//! Waiting for what happens in another process.

use std::time::{Duration, Instant};

/// Waits until `condition` holds: long enough for any machine, and not for ever.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
