//! pgaudit, which a server may have loaded: it copies a statement's parameters into the log, also those that
//! [`super::spi`] keeps from Postgres's own log, as soon as `pgaudit.log_parameter` is on.
//!
//! SECURITY: tokens and e-mail addresses are among the parameters of our statements. That these ran is still
//! logged, with their text.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::session;

const LOG_PARAMETER: &CStr = c"pgaudit.log_parameter";

/// Turns the parameters off until the current nest level of settings ends.
///
/// # Safety
/// Inside such a level that this process opened.
pub unsafe fn hide_parameters() {
    // SAFETY: NUL-terminated strings; the value lives until the next call and is only compared; the level is
    // the caller's.
    unsafe {
        let now = pg_sys::GetConfigOption(LOG_PARAMETER.as_ptr(), true, false);
        if !now.is_null() && CStr::from_ptr(now) != c"off" {
            session::save_setting(LOG_PARAMETER, c"off");
        }
    }
}
