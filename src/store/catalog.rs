//! What the catalogs say: this database, its settings, the extension, the rights of a role.

use std::ffi::CString;

use pgrx::pg_sys;

use super::statement::Statement;
use crate::pg::grants;
use crate::pg::planning;
use crate::pg::rights::{Rights, SEARCH_PATH};
use crate::pg::spi::{self, Row, Timestamp};
use crate::pg::text;
use crate::pg::transaction::{set_as_database, set_session};

/// What a definer function gets from its SET clause, a worker sets for itself.
pub fn prepare_session() {
    set_session(c"search_path", SEARCH_PATH);
    for (name, value) in planning::SETTINGS {
        set_session(name, value);
    }
    // An ALTER TABLE of others must not hold the worker up for long: it tries again. Shorter than
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

static DATABASE: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/database.sql"));

/// This database, as the catalogs have it.
#[derive(Default)]
pub struct Database {
    pub name: String,
    pub is_template: bool,
    /// What `ALTER DATABASE … SET` says about it, to be compared as a whole.
    pub settings: String,
    /// The version of the extension in it; `None` when it is not there.
    pub version: Option<String>,
}

/// Looks at this database.
pub fn database() -> Database {
    let read = |row: &Row| Database {
        name: row.get(c"name").unwrap_or_default(),
        is_template: row.flag(c"is_template"),
        settings: row.get(c"settings").unwrap_or_default(),
        version: row.get(c"version"),
    };
    DATABASE.first(&[], read).unwrap_or_default()
}

/// Whether it is one of before 0.2, whose tables lack columns. (The library serves its calls, too, from the
/// restart of the server to ALTER EXTENSION UPDATE.)
pub fn is_before_0_2() -> bool {
    database().version.is_some_and(|version| version.starts_with("0.1."))
}

static OUR_SETTINGS: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/our_database_settings.sql"));

static OTHER_SETTING: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/other_database_setting.sql"));

/// Makes this process's settings those that the database has now: one that changed since the
/// process connected, which is when Postgres reads them, would never be noticed. `false` when one was
/// taken back in between, which only another process can do.
///
/// What is compared later, [`Database::settings`], is read before: a change between the two is noticed then.
pub fn take_on_database_settings() -> bool {
    let ours =
        OUR_SETTINGS.all(&[], |row| (row.get::<String>(c"name"), row.get::<String>(c"value")));
    let mut names = Vec::new();
    for (name, value) in ours.into_iter().filter_map(|(name, value)| name.zip(value)) {
        if let (Ok(c_name), Ok(value)) =
            (CString::new(name.as_str()), CString::new(text::to_server(&value).into_owned()))
        {
            set_as_database(&c_name, &value);
        }
        names.push(name);
    }
    OTHER_SETTING.first(&[("names", spi::array(names))], |_| ()).is_none()
}

static IS_BEING_RESTORED: Statement =
    Statement::with_rights(Rights::Catalog, include_str!("sql/is_being_restored.sql"));

/// Whether the extension, created at that time by that process, may be part of a dump that is
/// still coming in.
pub fn is_being_restored(created_at: i64, creator: i32) -> bool {
    let inputs = [("created_at", Timestamp(created_at).into()), ("creator_pid", creator.into())];
    IS_BEING_RESTORED.first(&inputs, |row| row.flag(c"is_being_restored")).unwrap_or(false)
}

/// A number in `0..1`.
pub fn random() -> f64 {
    // SAFETY: a function without preconditions, and Postgres's own generator.
    let bits = unsafe { pg_sys::pg_prng_uint64(&raw mut pg_sys::pg_global_prng_state) };
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a role may ask for any user: superuser, the extension's owner, or granted
/// `cometchat.enqueue(uuid, jsonb)`.
pub fn is_trusted(role: pg_sys::Oid) -> bool {
    let arguments = [pg_sys::UUIDOID, pg_sys::JSONBOID];
    grants::is_trusted_with(role, c"cometchat_ext", c"cometchat", c"enqueue", &arguments)
}
