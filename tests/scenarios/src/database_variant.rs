//! What kind of database scenarios run in, for a whole run: `COMETCHAT_DATABASES`.
//!
//! Unset, it is Supabase's own. `latin1`: another encoding. `settings`: everything that people set for
//! a database and that is not ours to rely on.

use crate::Encoding;

/// The database of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseVariant {
    Supabase,
    Latin1,
    Settings,
}

/// Settings of the database in [`DatabaseVariant::Settings`], none of them what Postgres starts with.
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

impl DatabaseVariant {
    /// Of this run.
    pub fn of_this_run() -> DatabaseVariant {
        match std::env::var("COMETCHAT_DATABASES").as_deref() {
            Err(_) | Ok("") => DatabaseVariant::Supabase,
            Ok("latin1") => DatabaseVariant::Latin1,
            Ok("settings") => DatabaseVariant::Settings,
            Ok(other) => panic!("COMETCHAT_DATABASES is {other}: latin1 or settings"),
        }
    }

    pub fn encoding(self) -> Option<Encoding> {
        (self == DatabaseVariant::Latin1).then_some(Encoding::Latin1)
    }

    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            DatabaseVariant::Settings => &SETTINGS,
            DatabaseVariant::Supabase | DatabaseVariant::Latin1 => &[],
        }
    }
}
