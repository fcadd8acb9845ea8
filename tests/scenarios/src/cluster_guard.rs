//! Stops the clusters of this process once it has ended, however it ended.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cluster::{major, root};

/// The pipe to `tools/cluster.sh guard`. A static is never dropped, and need not be: the kernel closes
/// the pipe at the end of this process, after a panic, Ctrl-C and `kill -9` too, and then the
/// script does its work.
static GUARD: OnceLock<Mutex<Child>> = OnceLock::new();

/// The cluster in `dir` is stopped and removed at the end of this process, if it is still there.
/// Call it before the cluster is started.
pub fn stop_at_exit(dir: &Path) {
    let guard = GUARD.get_or_init(|| Mutex::new(start()));
    let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = guard.stdin.as_mut().expect("the guard reads from a pipe");
    writeln!(pipe, "{}", dir.display()).expect("tell the guard of a cluster");
}

fn start() -> Child {
    let mut guard = Command::new(root().join("tools/cluster.sh"));
    guard.arg("guard").arg(major()).stdin(Stdio::piped());
    // What reads this process's output must not wait for the guard.
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C ends the process group of the terminal; the guard has to survive that.
    guard.process_group(0).spawn().expect("start tools/cluster.sh")
}
