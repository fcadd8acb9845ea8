//! Tells whether the request just made on this thread went over a pooled connection.
//!
//! A server may close an idle connection at the very moment we write to it. Such a failure says
//! nothing about the server, and the request may be sent again at once; on a fresh connection it
//! may not. ureq tells neither its caller nor the connector of the other, and an agent is shared by
//! threads; what both have in common is the thread that the request runs on.

use std::cell::Cell;

thread_local! {
    static CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether no connection was opened on this thread since this was last called.
pub fn no_new_connection() -> bool {
    !CONNECTED.replace(false)
}

/// The connector opens (or tries to open) a new connection.
pub(crate) fn note_connect() {
    CONNECTED.set(true);
}
