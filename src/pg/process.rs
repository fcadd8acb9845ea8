//! What is done once in each process that loads the library.

/// Keeps Rust from capturing a backtrace for every Postgres ERROR.
///
/// pgrx carries an ERROR through Rust as a panic, and its panic hook captures a backtrace where
/// `RUST_BACKTRACE` is set in the server's environment: tens of milliseconds for each, and names
/// of files in the DETAIL that a client gets to see.
pub fn init() {
    // SAFETY: called from _PG_init on the process's only thread (the look-up thread comes later,
    // and only for a request), so no other thread reads the environment at the same time.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
}
