//! Runs statements through SPI: arguments in, rows out, converted and checked by type.
//!
//! SECURITY: arguments are handed over by a fetch function, as PL/pgSQL does, and plans are generic.
//! What Postgres or auto_explain logs of a statement, its parameters and its plan, then shows none
//! of them: tokens and e-mail addresses are among them.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

pub use super::values::{array, null_array, Arg, Column, Columns, Timestamp, Value};
use super::{session, text};

/// A prepared statement that is kept until the process ends.
#[derive(Clone, Copy)]
pub struct Plan(pg_sys::SPIPlanPtr);

/// One row of a result, while its statement is open.
pub struct Row {
    table: *mut pg_sys::SPITupleTable,
    number: usize,
}

/// Connects to SPI for the time of `f`. (On an error the end of the transaction disconnects.)
pub fn connected<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: connect and finish are paired on every way out that is not an error.
    unsafe {
        ours(pg_sys::SPI_connect(), "SPI_connect");
        let value = f();
        ours(pg_sys::SPI_finish(), "SPI_finish");
        value
    }
}

/// An argument, and what the query calls it: `$1 AS user_id`, `unnest($2) AS token`.
pub type Input = (&'static str, Arg);

/// Prepares `sql` for arguments of the types of `inputs`. Must be [`connected`]. A query that calls one
/// otherwise is a mistake of ours, and an error.
pub fn prepare(sql: &str, inputs: &[Input]) -> Plan {
    let mut types: Vec<pg_sys::Oid> = inputs.iter().map(|(_, arg)| arg.oid).collect();
    for (n, (name, _)) in inputs.iter().enumerate() {
        if name_of(n + 1, sql) != Some(name) {
            pgrx::error!("cometchat_ext: input {} of a query is not called {name}", n + 1);
        }
    }
    let sql = CString::new(sql).unwrap_or_default(); // a literal of ours, without NUL
                                                     // SAFETY: a NUL-terminated text and an array of that many types.
    let plan = unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            sql.as_ptr(),
            types.len() as i32,
            types.as_mut_ptr(),
            pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
        );
        if plan.is_null() {
            failed(pg_sys::SPI_result, "SPI_prepare");
        }
        ours(pg_sys::SPI_keepplan(plan), "SPI_keepplan");
        plan
    };
    Plan(plan)
}

/// What `sql` calls an argument.
fn name_of(number: usize, sql: &str) -> Option<&str> {
    let (_, after) = sql.split_once(&format!("${number}"))?;
    let name = after.strip_prefix(')').unwrap_or(after).strip_prefix(" AS ")?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    name.get(..end.unwrap_or(name.len()))
}

/// What a statement sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// What the transaction sees.
    Transaction,
    /// What is committed now, and what this transaction has done, at any isolation level. It reads
    /// only.
    Now,
}

/// Runs a plan and hands its rows to `take`. At most `limit` rows; 0 for all. Must be [`connected`].
/// Returns what `take` made, and the number of rows that were returned or written.
pub fn execute<T>(
    plan: Plan,
    inputs: &[Input],
    limit: i64,
    sees: Sees,
    take: impl FnOnce(&mut dyn Iterator<Item = Row>) -> T,
) -> (T, usize) {
    // Otherwise SPI takes a snapshot of now by itself.
    let fresh = sees == Sees::Now && session::has_one_snapshot();
    // SAFETY: the list is as long as the arguments, each of the type that the plan was made for;
    // the result is read before SPI is finished.
    unsafe {
        let list = pg_sys::makeParamList(inputs.len() as i32);
        (*list).paramFetch = Some(fetch);
        let params = (*list).params.as_mut_ptr();
        for (n, (_, arg)) in inputs.iter().enumerate() {
            *params.add(n) = pg_sys::ParamExternData {
                value: arg.value.unwrap_or(pg_sys::Datum::null()),
                isnull: arg.value.is_none(),
                pflags: 0,
                ptype: arg.oid,
            };
        }
        if fresh {
            pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        }
        // One that only reads uses the active snapshot.
        let code = pg_sys::SPI_execute_plan_with_paramlist(plan.0, list, fresh, limit as _);
        if fresh {
            pg_sys::PopActiveSnapshot();
        }
        ours(code, "SPI_execute_plan");
        let table = pg_sys::SPI_tuptable;
        let processed = pg_sys::SPI_processed as usize;
        let returned = if table.is_null() { 0 } else { (*table).numvals as usize };
        let mut rows = (0..returned).map(|number| Row { table, number });
        let taken = take(&mut rows);
        if !table.is_null() {
            pg_sys::SPI_freetuptable(table);
        }
        (taken, processed)
    }
}

/// Runs one command that has no arguments and returns nothing: DDL. Must be [`connected`].
pub fn command(sql: &str) {
    let sql = text::to_server(sql);
    let sql = CString::new(sql.into_owned()).unwrap_or_default(); // to_server leaves no NUL
                                                                  // SAFETY: a NUL-terminated text.
    ours(unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) }, "SPI_execute");
}

/// SAFETY of its callers: Postgres asks only for parameters that the plan has.
unsafe extern "C-unwind" fn fetch(
    list: pg_sys::ParamListInfo,
    number: i32,
    _speculative: bool,
    _workspace: *mut pg_sys::ParamExternData,
) -> *mut pg_sys::ParamExternData {
    // SAFETY: numbers begin at 1 and end with the plan's last, which is the list's.
    unsafe { (*list).params.as_mut_ptr().add(number as usize - 1) }
}

impl Row {
    /// The value in a column; `None` for null. One that is not there, or not of the type, is a mistake
    /// of ours, and an error.
    pub fn get<T: Column>(&self, name: &CStr) -> Option<T> {
        // SAFETY: the row is one of the table's, which is open; the type is checked before the
        // datum is read as one.
        unsafe {
            let descriptor = (*self.table).tupdesc;
            let column = pg_sys::SPI_fnumber(descriptor, name.as_ptr());
            let oid = pg_sys::SPI_gettypeid(descriptor, column);
            if !T::TYPES.contains(&oid) {
                pgrx::error!("cometchat_ext: column {name:?} has type {}", oid.to_u32());
            }
            let mut null = true;
            let tuple = *(*self.table).vals.add(self.number);
            let datum = pg_sys::SPI_getbinval(tuple, descriptor, column, &raw mut null);
            (!null).then(|| T::read(datum))
        }
    }

    /// A flag; null is false.
    pub fn flag(&self, name: &CStr) -> bool {
        self.get(name).unwrap_or(false)
    }
}

impl Columns for Row {
    fn get<T: Column>(&self, name: &CStr) -> Option<T> {
        Row::get(self, name)
    }
}

/// Postgres raises what is wrong with the data; a code of SPI's is a mistake of this library.
fn ours(code: i32, what: &str) {
    if code < 0 {
        failed(code, what);
    }
}

fn failed(code: i32, what: &str) -> ! {
    pgrx::error!("cometchat_ext: {what} failed with {code}");
}
