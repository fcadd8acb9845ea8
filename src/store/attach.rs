//! What ties us to `auth.users`: our triggers on it and the foreign key to it.
//!
//! SECURITY: each command on a table runs with the rights of its owner: the triggers with those of the
//! owner of `auth.users`, the foreign key with those of the owner of our own table. What either needs of
//! the other is granted for the time of the command.

use std::collections::BTreeSet;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::statement::Statement;
use crate::pg::rights::{self, Lock, Rights};
use crate::pg::spi::{self, Input, Row};

const AUTH_USERS: Rights = Rights::OwnerOf(c"auth", c"users", Lock::Define);

/// Our triggers: name, event, for each row or statement, and the function.
///
/// None names a column, in `UPDATE OF` or `WHEN`: that would stand in the way of a change of its type, and
/// not see what is added later. (health() has the names too.)
const TRIGGERS: [[&str; 4]; 5] = [
    ["cometchat_insert", "AFTER INSERT", "ROW", "on_auth_user_insert"],
    ["cometchat_update", "AFTER UPDATE", "ROW", "on_auth_user_update"],
    ["cometchat_before_delete", "BEFORE DELETE", "ROW", "on_auth_user_before_delete"],
    ["cometchat_after_delete", "AFTER DELETE", "ROW", "on_auth_user_after_delete"],
    ["cometchat_truncate", "BEFORE TRUNCATE", "STATEMENT", "on_truncate"],
];

const fn of_catalog(sql: &'static str) -> Statement {
    Statement::with_rights(Rights::Catalog, sql)
}

static ATTACHED_TRIGGERS: Statement = of_catalog(include_str!("sql/attached_triggers.sql"));

/// Removes our triggers from `auth.users`, where they are. Returns those that fired always, also for
/// what is replicated: an operator's choice.
pub fn drop_triggers() -> Vec<String> {
    let names = TRIGGERS.map(|[name, ..]| name);
    let read = |row: &Row| {
        let name = row.get::<String>(c"name").filter(|_| row.flag(c"fires_always"));
        row.get::<String>(c"drop_command").map(|command| (command, name))
    };
    let attached = ATTACHED_TRIGGERS.all(&[("names", spi::array(names))], read);
    let (commands, always): (Vec<_>, Vec<_>) = attached.into_iter().flatten().unzip();
    if !commands.is_empty() {
        run(AUTH_USERS, &commands);
    }
    always.into_iter().flatten().collect()
}

static GRANTS_FOR_TRIGGERS: Statement = of_catalog(include_str!("sql/grants_for_triggers.sql"));

static CREATE_TRIGGER: Statement = of_catalog(include_str!("sql/create_trigger.sql"));

/// Creates our triggers on `auth.users`, those of `always` to fire always; they go with the extension.
pub fn create_triggers(always: &[String]) {
    let Some(owner) = AUTH_USERS.role() else { return };
    let functions: BTreeSet<&str> = TRIGGERS.iter().map(|[.., function]| *function).collect();
    let inputs = [("owner", owner.into()), ("functions", spi::array(functions))];
    let (grants, revokes): (Vec<_>, Vec<_>) =
        GRANTS_FOR_TRIGGERS.all(&inputs, read_pair).into_iter().flatten().unzip();
    // On our own objects, whichever role of ours owns them.
    run(Rights::Catalog, &grants);
    for [name, event, level, function] in TRIGGERS {
        let inputs = [
            ("name", name.into()),
            ("event", event.into()),
            ("level", level.into()),
            ("function", function.into()),
            ("fires_always", always.iter().any(|always| always == name).into()),
        ];
        run(AUTH_USERS, &commands(&CREATE_TRIGGER, c"command", &inputs));
    }
    run(Rights::Catalog, &revokes);
}

static FOREIGN_KEYS: Statement = of_catalog(include_str!("sql/foreign_keys.sql"));

static FOREIGN_KEY_ELSEWHERE: Statement = of_catalog(include_str!("sql/foreign_key_elsewhere.sql"));

static GRANTS_FOR_FOREIGN_KEY: Statement =
    of_catalog(include_str!("sql/grants_for_foreign_key.sql"));

static SCHEMA_OWNER: Statement = of_catalog(include_str!("sql/schema_owner.sql"));

static ADD_FOREIGN_KEY: Statement = of_catalog(include_str!("sql/add_foreign_key.sql"));

/// Adds the foreign key from `cometchat_users` to `auth.users`, unless it is there.
pub fn add_foreign_key() {
    if FOREIGN_KEYS.first(&[], |_| ()).is_some() {
        return;
    }
    let Some(us) = Rights::Ours.role() else { return };
    let Some(schema_owner) = owner_of("auth") else { return };
    let add = commands(&ADD_FOREIGN_KEY, c"command", &[("our_role", us.into())]);
    let read = |row: &Row| read_pair(row).map(|pair| (row.flag(c"on_schema"), pair));
    let grants = GRANTS_FOR_FOREIGN_KEY.all(&[("our_role", us.into())], read);
    let (on_schema, on_table): (Vec<_>, Vec<_>) =
        grants.into_iter().flatten().partition(|(on_schema, _)| *on_schema);
    let pairs = |all: Vec<(bool, Pair)>| all.into_iter().map(|(_, pair)| pair).unzip();
    let (grant_schema, revoke_schema): (Vec<_>, Vec<_>) = pairs(on_schema);
    let (grant_table, revoke_table): (Vec<_>, Vec<_>) = pairs(on_table);
    // These grants are no part of the extension: pg_dump would take the table's others for that too.
    rights::outside_of_extension(|| {
        run_as(schema_owner, &grant_schema);
        run(AUTH_USERS, &grant_table);
    });
    let mut change = commands(&FOREIGN_KEY_ELSEWHERE, c"drop_command", &[]);
    change.extend(add);
    run(Rights::OursOnMapping(Lock::Define), &change);
    rights::outside_of_extension(|| {
        run(AUTH_USERS, &revoke_table);
        run_as(schema_owner, &revoke_schema);
    });
}

/// Takes the foreign key from `cometchat_users` to `auth.users` away.
pub fn drop_foreign_key() {
    let commands = commands(&FOREIGN_KEYS, c"drop_command", &[]);
    if !commands.is_empty() {
        run(Rights::OursOnMapping(Lock::Define), &commands);
    }
}

static GRANT_ON_PUBLIC: Statement = of_catalog(include_str!("sql/grant_on_public.sql"));

/// Lets our role reach its own table in `public`, also when that is not open to all any more.
pub fn open_public() {
    let Some(us) = Rights::Ours.role() else { return };
    let Some(owner) = owner_of("public") else { return };
    let grant = commands(&GRANT_ON_PUBLIC, c"command", &[("our_role", us.into())]);
    rights::outside_of_extension(|| run_as(owner, &grant));
}

fn owner_of(schema: &str) -> Option<pg_sys::Oid> {
    let read = |row: &Row| row.get::<i64>(c"owner");
    let owner = SCHEMA_OWNER.first(&[("name", schema.into())], read).flatten()?;
    Some(pg_sys::Oid::from(u32::try_from(owner).unwrap_or(0)))
}

/// What grants, and what takes it back.
type Pair = (String, String);

fn read_pair(row: &Row) -> Option<Pair> {
    row.get::<String>(c"grant_command").zip(row.get::<String>(c"revoke_command"))
}

fn commands(statement: &'static Statement, column: &CStr, inputs: &[Input]) -> Vec<String> {
    statement.all(inputs, |row| row.get(column)).into_iter().flatten().collect()
}

fn run(rights: Rights, commands: &[String]) {
    rights.run(|| spi::connected(|| commands.iter().for_each(|sql| spi::command(sql))));
}

fn run_as(role: pg_sys::Oid, commands: &[String]) {
    rights::run_as(role, || {
        spi::connected(|| commands.iter().for_each(|sql| spi::command(sql)));
    });
}
