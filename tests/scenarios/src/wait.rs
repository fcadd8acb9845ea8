//! Waiting for what happens in another process.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Waits until `condition` holds: long enough for any machine, and not for ever.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(Duration::from_secs(30), what, condition);
}

/// How many times slower than others the server is: under valgrind, say.
pub fn slowness() -> u32 {
    let given = std::env::var("COMETCHAT_SLOWNESS");
    given.map_or(1, |times| times.parse().expect("COMETCHAT_SLOWNESS is a number"))
}

/// The same for what takes longer.
#[track_caller]
pub fn within(time: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + time * slowness();
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the file has not changed for a few seconds: from then on a change cannot hide in the
/// same tick of the file system's clock as the one before.
#[track_caller]
pub fn wait_until_aged(file: &Path) {
    eventually("the file is old enough", || {
        let changed = fs::metadata(file).expect("the file's times").ctime();
        let changed = UNIX_EPOCH + Duration::from_secs(changed.unsigned_abs());
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > Duration::from_secs(4))
    });
}

/// What a machine that is busy may spoil, and will not three times in a row.
#[track_caller]
pub fn in_three_tries<T, E: Debug>(once: impl FnMut() -> Result<T, E>) -> T {
    in_tries(3, once)
}

/// The same where a try is short, and may be spoiled along with those before and after it.
#[track_caller]
pub fn in_tries<T, E: Debug>(tries: usize, mut once: impl FnMut() -> Result<T, E>) -> T {
    let mut errors = Vec::new();
    while errors.len() < tries {
        match once() {
            Ok(result) => return result,
            Err(error) => errors.push(error),
        }
    }
    panic!("tried {tries} times: {errors:?}");
}
