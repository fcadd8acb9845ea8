//! What Supabase's sessions preload, for our tests: UPDATE and DELETE without WHERE are errors,
//! inside functions and WITH clauses too.
//!
//! A stand-in for pg-safeupdate, with its name, messages and SQLSTATE, so that a test's database
//! is set up as Supabase's are.

use std::sync::OnceLock;

use pgrx::prelude::*;
use pgrx::PgList;

::pgrx::pg_module_magic!();

static NEXT: OnceLock<pg_sys::post_parse_analyze_hook_type> = OnceLock::new();

#[pg_guard]
extern "C-unwind" fn _PG_init() {
    // SAFETY: a backend has one thread, and this runs once, when the library is loaded.
    unsafe {
        let _ = NEXT.set(pg_sys::post_parse_analyze_hook);
        pg_sys::post_parse_analyze_hook = Some(analyzed);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn analyzed(
    state: *mut pg_sys::ParseState,
    query: *mut pg_sys::Query,
    jumble: *mut pg_sys::JumbleState,
) {
    // SAFETY: the parser's own tree, alive during the call.
    unsafe { check(query) };
    if let Some(Some(next)) = NEXT.get() {
        // SAFETY: what was there before us, called as it would have been.
        unsafe { next(state, query, jumble) };
    }
}

/// # Safety
/// `query` is a valid, analyzed query.
unsafe fn check(query: *const pg_sys::Query) {
    // SAFETY: by this function's contract, also for what the query points to.
    unsafe {
        let command = match (*query).commandType {
            pg_sys::CmdType::CMD_UPDATE => "UPDATE",
            pg_sys::CmdType::CMD_DELETE => "DELETE",
            _ => "",
        };
        if !command.is_empty() && (*(*query).jointree).quals.is_null() {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
                format!("{command} requires a WHERE clause")
            );
        }
        for cte in PgList::<pg_sys::CommonTableExpr>::from_pg((*query).cteList).iter_ptr() {
            check((*cte).ctequery.cast());
        }
    }
}
