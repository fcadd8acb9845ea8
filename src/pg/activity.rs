//! What `pg_stat_activity.query` shows of a long statement: how far it is.

use pgrx::pg_sys;

use super::text;

/// How the comment begins that goes before the statement's text.
const MARK: &[u8] = b"/* cometchat: ";

/// Bytes of the statement that are shown after it: more than `track_activity_query_size` is as a rule.
const MAX_STATEMENT: usize = 16 * 1024;

/// Shows a comment before the statement's text; with `None`, the text as it was. `progress` says what is
/// being done: no name, key or address.
pub fn show(progress: Option<&str>) {
    // SAFETY: a plain global, which is null or the text of the statement that is running.
    let statement = unsafe {
        let statement = pg_sys::debug_query_string;
        if statement.is_null() { c"" } else { std::ffi::CStr::from_ptr(statement) }.to_bytes()
    };
    let mut shown = Vec::new();
    if let Some(progress) = progress {
        shown.extend_from_slice(MARK);
        shown.extend_from_slice(&text::to_server(progress));
        shown.extend_from_slice(b" */ ");
    }
    shown.extend(statement.iter().take(MAX_STATEMENT));
    shown.push(0);
    // SAFETY: a NUL-terminated text, which is copied; the statement's number, which reporting a text
    // forgets, is put back.
    unsafe {
        let id = pg_sys::pgstat_get_my_query_id();
        pg_sys::pgstat_report_activity(
            pg_sys::BackendState::STATE_RUNNING,
            shown.as_ptr().cast::<std::ffi::c_char>(),
        );
        pg_sys::pgstat_report_query_id(id, true);
    }
}
