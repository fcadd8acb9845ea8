//! What ties us to `auth.users`: our triggers on it and the foreign key to it.
//!
//! SECURITY: each command on a table runs with the rights of its owner: the triggers with those of the
//! owner of `auth.users`, the foreign key with those of the owner of our own table. What either needs of
//! the other is granted for the time of the command.

use std::collections::BTreeSet;

use pgrx::pg_sys;

use super::statement::Statement;
use crate::pg::rights::{self, Lock, Rights};
use crate::pg::spi;

const AUTH_USERS: Rights = Rights::OwnerOf(c"auth", c"users", Lock::Define);

/// Our triggers: name, event, and the function.
///
/// None names a column, in `UPDATE OF` or `WHEN`: that would stand in the way of whoever changes it, and
/// not see what is added later. (health() has the names too.)
const TRIGGERS: [[&str; 3]; 5] = [
    ["cometchat_insert", "AFTER INSERT ON auth.users FOR EACH ROW", "on_auth_user_insert"],
    ["cometchat_update", "AFTER UPDATE ON auth.users FOR EACH ROW", "on_auth_user_update"],
    [
        "cometchat_before_delete",
        "BEFORE DELETE ON auth.users FOR EACH ROW",
        "on_auth_user_before_delete",
    ],
    [
        "cometchat_after_delete",
        "AFTER DELETE ON auth.users FOR EACH ROW",
        "on_auth_user_after_delete",
    ],
    ["cometchat_truncate", "BEFORE TRUNCATE ON auth.users FOR EACH STATEMENT", "on_truncate"],
];

static ATTACHED: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT t.tgname::text, t.tgenabled = 'A' FROM pg_catalog.pg_trigger AS t
     WHERE t.tgrelid = to_regclass('auth.users') AND t.tgname = ANY ($1)",
);

// What the table's owner lacks for it, and how to give and take it.
static GRANTS_FOR_TRIGGERS: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('GRANT %s TO %I', g.what, r.rolname), format('REVOKE %s FROM %I', g.what, r.rolname)
     FROM pg_catalog.pg_roles AS r, LATERAL (
       SELECT 'USAGE ON SCHEMA cometchat', has_schema_privilege(r.oid, 'cometchat', 'USAGE')
       UNION ALL
       SELECT format('EXECUTE ON FUNCTION cometchat.%I()', f.name),
              has_function_privilege(r.oid, format('cometchat.%I()', f.name), 'EXECUTE')
       FROM unnest($2) AS f(name)
     ) AS g(what, has)
     WHERE r.oid = $1 AND NOT g.has",
);

/// Removes our triggers from `auth.users`, where they are. Returns those that fired always, also for
/// what is replicated: somebody's choice.
pub fn drop_triggers() -> Vec<String> {
    let names = TRIGGERS.map(|[name, ..]| name);
    let read = |row: &spi::Row| row.get::<String>(1).map(|name| (name, row.flag(2)));
    let attached: Vec<_> = ATTACHED.all(&[spi::array(names)], read).into_iter().flatten().collect();
    if !attached.is_empty() {
        let drop = |(name, _): &(String, bool)| format!("DROP TRIGGER {name} ON auth.users");
        let commands: Vec<String> = attached.iter().map(drop).collect();
        run(AUTH_USERS, commands.iter());
    }
    attached.into_iter().filter(|(_, always)| *always).map(|(name, _)| name).collect()
}

/// Creates our triggers on `auth.users`, those of `always` to fire always; they go with the extension.
pub fn create_triggers(always: &[String]) {
    let Some(owner) = AUTH_USERS.role() else { return };
    let functions: BTreeSet<&str> = TRIGGERS.iter().map(|[_, _, function]| *function).collect();
    let read = |row: &spi::Row| row.get::<String>(1).zip(row.get::<String>(2));
    let pairs = GRANTS_FOR_TRIGGERS.all(&[owner.into(), spi::array(functions)], read);
    let (grants, revokes): (Vec<_>, Vec<_>) = pairs.into_iter().flatten().unzip();
    // On our own objects, whoever of us owns them.
    run(Rights::Catalog, grants.iter());
    for [name, event, function] in TRIGGERS {
        let mut commands = vec![
            format!("CREATE TRIGGER {name} {event} EXECUTE FUNCTION cometchat.{function}()"),
            format!("ALTER TRIGGER {name} ON auth.users DEPENDS ON EXTENSION cometchat_ext"),
        ];
        if always.iter().any(|always| always == name) {
            commands.push(format!("ALTER TABLE auth.users ENABLE ALWAYS TRIGGER {name}"));
        }
        run(AUTH_USERS, commands.iter());
    }
    run(Rights::Catalog, revokes.iter());
}

static HAS_FOREIGN_KEY: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT true FROM pg_catalog.pg_constraint AS c
     WHERE c.conrelid = to_regclass('public.cometchat_users')
       AND c.confrelid = to_regclass('auth.users') AND c.contype = 'f'",
);

// A table that was renamed takes the constraint along: whoever is only in the new one could not be mapped.
static ELSEWHERE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('ALTER TABLE public.cometchat_users DROP CONSTRAINT %I', c.conname)
     FROM pg_catalog.pg_constraint AS c
     WHERE c.conrelid = to_regclass('public.cometchat_users') AND c.contype = 'f'
       AND c.conname = 'cometchat_users_user_id_fkey'
       AND c.confrelid <> to_regclass('auth.users')",
);

static GRANT_ON_SCHEMA: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('GRANT USAGE ON SCHEMA auth TO %I', r.rolname),
            format('REVOKE USAGE ON SCHEMA auth FROM %I', r.rolname)
     FROM pg_catalog.pg_roles AS r
     WHERE r.oid = $1 AND NOT has_schema_privilege(r.oid, 'auth', 'USAGE')",
);

static GRANT_ON_TABLE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('GRANT REFERENCES ON auth.users TO %I', r.rolname),
            format('REVOKE REFERENCES ON auth.users FROM %I', r.rolname)
     FROM pg_catalog.pg_roles AS r
     WHERE r.oid = $1 AND NOT has_table_privilege(r.oid, to_regclass('auth.users'), 'REFERENCES')",
);

static MAY_READ: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT has_any_column_privilege($1, to_regclass('auth.users'), 'SELECT')",
);

static SCHEMA_OWNER: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT n.nspowner::bigint FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'auth'",
);

/// Adds the foreign key from `cometchat_users` to `auth.users`, unless it is there.
pub fn add_foreign_key() {
    if HAS_FOREIGN_KEY.first(&[], |_| ()).is_some() {
        return;
    }
    let Some(us) = Rights::Ours.role() else { return };
    let Some(schema_owner) = SCHEMA_OWNER.first(&[], |row| row.get::<i64>(1)).flatten() else {
        return;
    };
    let schema_owner = pg_sys::Oid::from(u32::try_from(schema_owner).unwrap_or(0));
    let (grant_schema, revoke_schema) = pairs(&GRANT_ON_SCHEMA, us);
    let (grant_table, revoke_table) = pairs(&GRANT_ON_TABLE, us);
    let on_schema = |commands: &[String]| {
        rights::run_as(schema_owner, || {
            spi::connected(|| commands.iter().for_each(|sql| spi::command(sql)))
        });
    };
    // Postgres checks the rows that are there with one query where the table's owner may read both
    // tables, and else, as we want it, row by row with the rights of the owner of `auth.users`.
    let may_read = MAY_READ.first(&[us.into()], |row| row.flag(1)).unwrap_or(true);
    let add = format!(
        "ALTER TABLE public.cometchat_users ADD CONSTRAINT cometchat_users_user_id_fkey
         FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE{}",
        if may_read { " NOT VALID" } else { "" }
    );
    // These grants are no part of the extension: pg_dump would take the table's others for that too.
    rights::outside_of_extension(|| {
        on_schema(&grant_schema);
        run(AUTH_USERS, grant_table.iter());
    });
    let elsewhere = ELSEWHERE.first(&[], |row| row.get::<String>(1)).flatten();
    run(Rights::OursOnMapping(Lock::Define), elsewhere.iter().chain([&add]));
    rights::outside_of_extension(|| {
        run(AUTH_USERS, revoke_table.iter());
        on_schema(&revoke_schema);
    });
}

static FOREIGN_KEYS: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('ALTER TABLE public.cometchat_users DROP CONSTRAINT %I', c.conname)
     FROM pg_catalog.pg_constraint AS c
     WHERE c.conrelid = to_regclass('public.cometchat_users')
       AND c.confrelid = to_regclass('auth.users') AND c.contype = 'f'",
);

/// Takes the foreign key from `cometchat_users` to `auth.users` away.
pub fn drop_foreign_key() {
    let commands: Vec<String> =
        FOREIGN_KEYS.all(&[], |row| row.get(1)).into_iter().flatten().collect();
    if !commands.is_empty() {
        run(Rights::OursOnMapping(Lock::Define), commands.iter());
    }
}

static GRANT_ON_PUBLIC: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT format('GRANT USAGE ON SCHEMA public TO %I', r.rolname), n.nspowner::bigint
     FROM pg_catalog.pg_roles AS r, pg_catalog.pg_namespace AS n
     WHERE r.oid = $1 AND n.nspname = 'public'",
);

/// Lets our role reach its own table in `public`, also when that is not open to all any more.
pub fn open_public() {
    let Some(us) = Rights::Ours.role() else { return };
    let grant =
        GRANT_ON_PUBLIC.first(&[us.into()], |row| row.get::<String>(1).zip(row.get::<i64>(2)));
    if let Some((grant, owner)) = grant.flatten() {
        let owner = pg_sys::Oid::from(u32::try_from(owner).unwrap_or(0));
        rights::outside_of_extension(|| {
            rights::run_as(owner, || spi::connected(|| spi::command(&grant)));
        });
    }
}

/// What to grant a role, and how to take it back.
fn pairs(statement: &'static Statement, role: pg_sys::Oid) -> (Vec<String>, Vec<String>) {
    let read = |row: &spi::Row| row.get::<String>(1).zip(row.get::<String>(2));
    statement.all(&[role.into()], read).into_iter().flatten().unzip()
}

fn run<'a>(rights: Rights, commands: impl Iterator<Item = &'a String>) {
    rights.run(|| spi::connected(|| commands.for_each(|sql| spi::command(sql))));
}
