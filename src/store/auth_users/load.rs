//! What `auth.users` says of users.

use std::collections::HashMap;

use pgrx::PgSqlErrorCode;
use sync::model::{AuthUser, UserStatus};
use uuid::Uuid;

use super::by_id::ById;
use super::owner::{OWNER, OWNER_LOCKING};
use crate::pg::spi::{self, Row};
use crate::pg::subxact;
use crate::store::name_fields::NameFields;

static LOAD: ById = ById::new(OWNER, include_str!("../sql/auth_users_load.sql")).seeing_now();

// A user who is banned is told so though the rest of the row cannot be read.
static STATUS: ById = ById::new(OWNER, include_str!("../sql/auth_users_status.sql")).seeing_now();

/// Reads `users`; a user who is not in the answer is not in the table.
///
/// Raises an error where the table cannot be read; what cannot be read of one user is in the answer.
pub fn load(users: &[Uuid]) -> HashMap<Uuid, AuthUser> {
    let mut found = HashMap::with_capacity(users.len());
    let mut failed = Vec::new();
    load_or_halve(users, &mut found, &mut failed);
    let same = |code: PgSqlErrorCode| failed.iter().all(|other| *other == code);
    match failed.first() {
        // Raised for all of them, by code of the table's owner say: most likely not about their values.
        Some(code) if failed.len() == users.len() && users.len() > 1 && same(*code) => {
            if !subxact::sqlstate(*code).starts_with("22") {
                load_at_once(users);
            }
            found
        }
        _ => found,
    }
}

fn load_at_once(users: &[Uuid]) -> HashMap<Uuid, AuthUser> {
    let fields = NameFields::in_force();
    let inputs = [
        ("user_ids", spi::array(users.iter().copied())),
        ("name_keys", spi::array(fields.keys())),
        ("name_paths", spi::array(fields.rests())),
    ];
    LOAD.statement().all(&inputs, |row| read(row, &fields)).into_iter().flatten().collect()
}

/// All at once, as a rule; else by halves, down to the rows that cannot be read.
fn load_or_halve(
    users: &[Uuid],
    found: &mut HashMap<Uuid, AuthUser>,
    failed: &mut Vec<PgSqlErrorCode>,
) {
    let code = match subxact::read(|| load_at_once(users)) {
        Ok(read) => return found.extend(read),
        Err(code) => code,
    };
    if let [user] = users {
        failed.push(code);
        found.extend(what_is_certain(*user, code).map(|auth| (*user, auth)));
    } else {
        let (first, second) = users.split_at(users.len() / 2);
        load_or_halve(first, found, failed);
        load_or_halve(second, found, failed);
    }
}

/// What is certain of a user whose row cannot be read as a whole.
fn what_is_certain(user: Uuid, code: PgSqlErrorCode) -> Option<AuthUser> {
    let read = || {
        let inputs = [("user_ids", spi::array([user]))];
        STATUS.statement().first(&inputs, |row| row.flag(c"suspended"))
    };
    let status = match subxact::read(read) {
        Ok(None) => return None,
        Ok(Some(true)) => UserStatus::Suspended { back_in_ms: None },
        Ok(Some(false)) => UserStatus::Active,
        Err(_) => UserStatus::Unknown,
    };
    // Not the message, which quotes the value.
    let unreadable = Some(format!("auth.users: SQLSTATE {}", subxact::sqlstate(code)));
    Some(AuthUser { status, unreadable, ..AuthUser::default() })
}

fn read(row: &Row, fields: &NameFields) -> Option<(Uuid, AuthUser)> {
    let status = if row.flag(c"suspended") {
        UserStatus::Suspended { back_in_ms: row.get::<i64>(c"back_in_ms").filter(|ms| *ms > 0) }
    } else {
        UserStatus::Active
    };
    let user = AuthUser {
        status,
        unconfirmed: row.flag(c"unconfirmed"),
        anonymous: row.flag(c"anonymous"),
        email: row.get(c"email"),
        phone: row.get(c"phone"),
        names: fields.names(&row.get::<Vec<Option<String>>>(c"names").unwrap_or_default()),
        own_names: fields.own,
        avatars: row.get(c"avatars").unwrap_or_default(),
        unreadable: None,
    };
    Some((row.get(c"user_id")?, user))
}

static PRESENT: ById = ById::new(OWNER, include_str!("../sql/auth_users_present.sql"));

static KEEP: ById = ById::new(OWNER_LOCKING, include_str!("../sql/auth_users_keep.sql"));

/// Keeps `users` from being deleted until the transaction ends. Returns those that are kept, and
/// those that are there but locked, because they are being deleted say.
pub fn keep(users: &[Uuid]) -> (Vec<Uuid>, Vec<Uuid>) {
    let read = |by_id: &'static ById| -> Vec<Uuid> {
        let inputs = [("user_ids", spi::array(users.iter().copied()))];
        by_id.statement().all(&inputs, |row| row.get(c"user_id")).into_iter().flatten().collect()
    };
    let kept = read(&KEEP);
    if kept.len() == users.len() {
        return (kept, Vec::new());
    }
    let mut locked = read(&PRESENT);
    locked.retain(|user| !kept.contains(user));
    (kept, locked)
}
