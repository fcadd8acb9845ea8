//! What the worker tells operators: a line in the log, and the same for `health()`.

use pgrx::log;

use crate::shmem::{self, signs};

/// Logs a line. SECURITY: no key, token, name or e-mail.
pub fn tell(text: &str) {
    log!("cometchat: {text}");
    signs::warn(&shmem::slot().signs, text);
}
