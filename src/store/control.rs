//! What the worker and `process_queue()` remember in `cometchat.control`.

use super::statement::Statement;
use crate::pg::rights::Rights;
use crate::pg::spi::Timestamp;

static RECORD_RUN: Statement = Statement::new(
    "UPDATE cometchat.control AS c SET run_at = now(), run_result = $1 WHERE c.only_row",
);

static COMPARED_AT: Statement = Statement::new("SELECT c.compared_at FROM cometchat.control AS c");

static IS_DUE: Statement = Statement::with_rights(
    Rights::Catalog,
    "SELECT COALESCE($1 < now() - interval '1 day' OR $1 < pg_postmaster_start_time(), true)",
);

static RECORD_COMPARISON: Statement = Statement::new(
    "UPDATE cometchat.control AS c SET compared_at = now(), gone_unsent = $1 WHERE c.only_row",
);

/// Notes how far `process_queue()` has come, for `health()`.
pub fn record_run(result: &str) {
    RECORD_RUN.write(&[result.into()]);
}

/// Whether all users are to be compared with `auth.users`: once a day, and after a start of the server.
pub fn comparison_is_due() -> bool {
    let compared_at = COMPARED_AT.first(&[], |row| row.get::<Timestamp>(1)).flatten();
    IS_DUE.first(&[compared_at.into()], |row| row.flag(1)).unwrap_or(false)
}

/// Notes that all users were compared, and how many deletions were left to an operator.
pub fn record_comparison(deletions_left: usize) {
    RECORD_COMPARISON.write(&[i64::try_from(deletions_left).unwrap_or(i64::MAX).into()]);
}
