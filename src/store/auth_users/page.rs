//! The users of `auth.users` in the order of their ids, page by page, for backfill.

use uuid::Uuid;

use super::by_id::ById;
use super::owner::OWNER;
use crate::pg::spi::Row;
use crate::pg::subxact;

/// One user of a page, as far as backfill asks.
pub struct Listed {
    pub user: Uuid,
    pub suspended: bool,
    pub anonymous: bool,
    pub confirmed: bool,
}

static PAGE: ById = ById::new(OWNER, include_str!("../sql/auth_users_page.sql"));

static IDS: ById = ById::new(OWNER, include_str!("../sql/auth_users_ids.sql"));

/// The next users by id, after the one given: at most so many, and none only at the end. A user whose
/// row cannot be read passes for any: whatever sends for them finds out.
pub fn page(after: Option<Uuid>, limit: i64) -> Vec<Listed> {
    let first = after.map_or(Some(0), |after| after.as_u128().checked_add(1));
    let Some(first) = first.map(Uuid::from_u128) else { return Vec::new() };
    let mut limit = limit;
    loop {
        match subxact::read(|| listed(&PAGE, first, limit, read)) {
            Ok(page) => return page,
            Err(_) if limit > 1 => limit /= 2,
            Err(_) => return listed(&IDS, first, limit, read_id),
        }
    }
}

fn listed(
    query: &'static ById,
    first: Uuid,
    limit: i64,
    read: impl Fn(&Row) -> Option<Listed>,
) -> Vec<Listed> {
    let inputs = [("from_user_id", first.into()), ("max_users", limit.into())];
    query.statement().all(&inputs, read).into_iter().flatten().collect()
}

fn read(row: &Row) -> Option<Listed> {
    Some(Listed {
        user: row.get(c"user_id")?,
        suspended: row.flag(c"suspended"),
        anonymous: row.flag(c"anonymous"),
        confirmed: row.flag(c"confirmed"),
    })
}

fn read_id(row: &Row) -> Option<Listed> {
    let user = row.get(c"user_id")?;
    Some(Listed { user, suspended: false, anonymous: false, confirmed: true })
}
