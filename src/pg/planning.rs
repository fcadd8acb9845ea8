//! How Postgres plans our statements: about a few users, found by index, and never compiled.
//!
//! Plans are kept. One that was made while a table was still small would read the whole of it until
//! the table is analyzed, so a page that is read in sequence is made to look dear. Compiling
//! (`jit`, on by default) costs a hundred times what our statements do.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::session;

/// The planner's settings for statements of ours.
pub const SETTINGS: [(&CStr, &CStr); 3] =
    [(c"jit", c"off"), (c"seq_page_cost", c"100"), (c"random_page_cost", c"1")];

/// Ways to read and to plan that somebody may have turned off for a whole database, and that our statements
/// need: without them a look-up of a few users reads all.
const NEEDED: [&CStr; 3] = [c"enable_indexscan", c"enable_bitmapscan", c"enable_nestloop"];

/// Sets them until the current nest level of settings ends.
///
/// # Safety
/// Inside such a level that this process opened.
pub unsafe fn pin() {
    // SAFETY: reads of plain globals; the level is the caller's.
    unsafe {
        if !(pg_sys::enable_indexscan && pg_sys::enable_bitmapscan && pg_sys::enable_nestloop) {
            for name in NEEDED {
                session::save_setting(name, c"on");
            }
        }
        if pg_sys::plan_cache_mode != pg_sys::PlanCacheMode::PLAN_CACHE_MODE_AUTO as i32 {
            session::save_setting(c"plan_cache_mode", c"auto"); // a plan is kept
        }
        // A worker has them for good, and does not pay for setting them.
        if !pg_sys::jit_enabled && pg_sys::seq_page_cost == 100.0 && pg_sys::random_page_cost == 1.0
        {
            return;
        }
        for (name, value) in SETTINGS {
            session::save_setting(name, value);
        }
    }
}
