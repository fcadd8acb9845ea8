//! What the worker tells operators: a line in the log, and the same for `health()`.

use pgrx::prelude::*;

use crate::shmem::{self, signs};

/// Logs a line. SECURITY: no key, token, name or e-mail.
pub fn tell(text: &str) {
    log!("cometchat: {text}");
    signs::warn(&shmem::slot().signs, text);
}

/// The same as a WARNING, of what has to be mended soon.
pub fn warn(text: &str) {
    warning!("{text}");
    signs::warn(&shmem::slot().signs, text);
}
