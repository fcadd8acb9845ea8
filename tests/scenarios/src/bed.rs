//! What kind of database scenarios run in, for a whole run: `COMETCHAT_BED`.
//!
//! Unset, it is Supabase's own. `latin1`: another encoding. `settings`: everything that people set for
//! a database and that is not ours to rely on.

use crate::Encoding;

/// The database of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bed {
    Supabase,
    Latin1,
    Settings,
}

/// Settings of the database in [`Bed::Settings`], none of them what Postgres starts with.
const SETTINGS: [(&str, &str); 23] = [
    ("default_transaction_isolation", "serializable"),
    ("statement_timeout", "90s"),
    ("lock_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "5min"),
    ("row_security", "on"),
    ("jit_above_cost", "0"),
    ("plan_cache_mode", "force_custom_plan"),
    ("enable_indexscan", "off"),
    ("enable_nestloop", "off"),
    ("work_mem", "64kB"),
    ("DateStyle", "German"),
    ("IntervalStyle", "sql_standard"),
    ("TimeZone", "Asia/Kathmandu"),
    ("extra_float_digits", "-15"),
    ("bytea_output", "escape"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("quote_all_identifiers", "on"),
    ("xmloption", "document"),
    ("synchronous_commit", "off"),
    ("check_function_bodies", "off"),
    ("plpgsql.variable_conflict", "use_column"),
    ("log_statement", "all"),
];

impl Bed {
    /// Of this run.
    pub fn of_this_run() -> Bed {
        match std::env::var("COMETCHAT_BED").as_deref() {
            Err(_) | Ok("") => Bed::Supabase,
            Ok("latin1") => Bed::Latin1,
            Ok("settings") => Bed::Settings,
            Ok(other) => panic!("COMETCHAT_BED is {other}: latin1 or settings"),
        }
    }

    pub fn encoding(self) -> Option<Encoding> {
        (self == Bed::Latin1).then_some(Encoding::Latin1)
    }

    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Bed::Settings => &SETTINGS,
            Bed::Supabase | Bed::Latin1 => &[],
        }
    }
}
