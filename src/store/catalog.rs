//! The worker's small questions to the database.

use std::ffi::CString;

use pgrx::pg_sys;

use super::statement::Statement;
use crate::pg::planning;
use crate::pg::rights::{Rights, SEARCH_PATH};
use crate::pg::session;
use crate::pg::spi::{self, Timestamp};
use crate::pg::text;
use crate::pg::transaction::{set_as_database, set_session};

/// What a definer function gets from its SET clause, a worker sets for itself.
pub fn prepare_session() {
    set_session(c"search_path", SEARCH_PATH);
    for (name, value) in planning::SETTINGS {
        set_session(name, value);
    }
    // Somebody's ALTER TABLE must not hold the worker up for long: it tries again. Shorter than
    // deadlock_timeout's 1 s: where a DROP EXTENSION and the worker wait for each other, it is most
    // likely the worker that gives way.
    set_session(c"lock_timeout", c"500ms");
    set_session(c"statement_timeout", c"0");
    set_session(c"idle_in_transaction_session_timeout", c"0");
    // It would end the process.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    set_session(c"transaction_timeout", c"0");
    // What sessions do meanwhile is awaited, not a failure.
    set_session(c"default_transaction_isolation", c"read committed");
}

static VERSION: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT e.extversion::text FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext'",
);

/// The version of the extension in this database; `None` when it is not there.
pub fn extension_version() -> Option<String> {
    VERSION.first(&[], |row| row.get::<String>(1)).flatten()
}

static DATABASE_SETTINGS: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT COALESCE(array_to_string(s.setconfig, chr(10)), '')
     FROM pg_catalog.pg_database AS d
     LEFT JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0
     WHERE d.datname = current_database()",
);

/// What `ALTER DATABASE … SET` says about this database.
pub fn database_settings() -> String {
    DATABASE_SETTINGS.first(&[], |row| row.get::<String>(1)).flatten().unwrap_or_default()
}

// A value may have an equals sign in it; a name has none.
static OUR_SETTINGS: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT split_part(c.entry, '=', 1), substr(c.entry, strpos(c.entry, '=') + 1)
     FROM pg_catalog.pg_database AS d
     JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0,
     unnest(s.setconfig) AS c(entry)
     WHERE d.datname = current_database() AND starts_with(c.entry, 'cometchat.')",
);

static HAS_MORE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT true FROM pg_catalog.pg_settings AS g
     WHERE g.source = 'database' AND starts_with(g.name, 'cometchat.') AND g.name <> ALL ($1)",
);

/// Makes this process's settings those that the database has now: one that changed since the
/// process connected, which is when Postgres reads them, would never be noticed. Returns what
/// [`database_settings`] says; `None` when one was taken back in between, which only another
/// process can do.
///
/// What is compared later is read first: a change between the two is noticed then.
pub fn take_on_database_settings() -> Option<String> {
    let all = database_settings();
    let ours = OUR_SETTINGS.all(&[], |row| (row.get::<String>(1), row.get::<String>(2)));
    let mut names = Vec::new();
    for (name, value) in ours.into_iter().filter_map(|(name, value)| name.zip(value)) {
        if let (Ok(c_name), Ok(value)) =
            (CString::new(name.as_str()), CString::new(text::to_server(&value).into_owned()))
        {
            set_as_database(&c_name, &value);
        }
        names.push(name);
    }
    let taken_back = HAS_MORE.first(&[spi::array(names)], |row| row.flag(1)).is_some();
    (!taken_back).then_some(all)
}

static DATABASE_NAME: Statement =
    Statement::with_rights(Rights::Catalog, "SELECT current_database()::text");

/// The name of this database.
pub fn database_name() -> String {
    DATABASE_NAME.first(&[], |row| row.get::<String>(1)).flatten().unwrap_or_default()
}

static IS_TEMPLATE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT d.datistemplate FROM pg_catalog.pg_database AS d
     WHERE d.datname = current_database()",
);

/// Whether this database is a template.
pub fn is_template() -> bool {
    IS_TEMPLATE.first(&[], |row| row.flag(1)).unwrap_or(false)
}

static PAUSED: Statement = Statement::new("SELECT c.paused FROM cometchat.control AS c");

/// Whether an operator has stopped the worker's sending.
pub fn paused() -> bool {
    PAUSED.first(&[], |row| row.flag(1)).unwrap_or(false)
}

static IS_BEING_RESTORED: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT $1 > now() - interval '5 minutes' OR EXISTS (
       SELECT FROM pg_catalog.pg_stat_activity AS a
       WHERE a.datname = current_database() AND (a.pid = $2 OR a.application_name = 'pg_restore'))",
);

/// Whether the extension, created at that time by that process, may be part of a dump that is
/// still coming in.
pub fn is_being_restored(created_at: i64, creator: i32) -> bool {
    let args = [Timestamp(created_at).into(), creator.into()];
    IS_BEING_RESTORED.first(&args, |row| row.flag(1)).unwrap_or(false)
}

/// A number for claims that no earlier worker had: the clock.
pub fn fresh_claim() -> i64 {
    // SAFETY: a function without preconditions.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// A number for the claims of this session. Negative, unlike a worker's, and not of all its bits:
/// the inverted upper half is this process, for a worker that asks whether it is still there.
pub fn session_claim() -> i64 {
    // SAFETY: set once, before any code of ours runs.
    let process = i64::from(unsafe { pg_sys::MyProcPid });
    !(process << 32 | fresh_claim() & i64::from(u32::MAX))
}

/// Whether the session whose number this is, another than this one, is still there.
pub fn is_claimed_elsewhere(claim: i64) -> bool {
    let process = i32::try_from(!claim >> 32).unwrap_or(0);
    // SAFETY: set once, before any code of ours runs.
    process != unsafe { pg_sys::MyProcPid } && session::is_running(process)
}

/// A number in `0..1`.
pub fn random() -> f64 {
    // SAFETY: a function without preconditions, and Postgres's own generator.
    let bits = unsafe { pg_sys::pg_prng_uint64(&raw mut pg_sys::pg_global_prng_state) };
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
