//! pg_cron's own tables, where they are: what became of the job that calls `process_queue()`.

use super::statement::Statement;
use crate::pg::rights::{self, Lock, Rights};

/// SECURITY: see [`crate::pg::rights`].
const OWNER: Rights = Rights::OwnerOf(c"cron", c"job", Lock::Read);

static JOB: Statement = Statement::with_rights(OWNER, include_str!("sql/cron_job.sql"));

/// The job that calls `process_queue()` in this database, as JSON; `None` where pg_cron or the job is not.
pub fn job() -> Option<String> {
    // SECURITY: with one owner's rights both tables are read, and a schema of this name can be made by any
    // role that may create schemas: so both must be a superuser's.
    let is_trusted = |name| {
        rights::relation(c"cron", name, Lock::Read)
            .is_some_and(|table| rights::is_superuser(table.owner))
    };
    if !is_trusted(c"job") || !is_trusted(c"job_run_details") {
        return None;
    }
    JOB.first(&[], |row| row.get(c"job")).flatten()
}
