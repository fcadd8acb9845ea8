//! The one short write at the end of a call, and what a call leaves to the worker.

use cometchat::Effect;
use sync::model::{RemoteState, UserRow};
use sync::policy::{self, as_ms};
use sync::profile::DesiredProfile;
use uuid::Uuid;

use super::catalog;
use super::statement::Statement;
use crate::config;
use crate::pg::rights::Lock;
use crate::pg::spi;

/// [`policy::in_flight_for`] in milliseconds.
pub fn in_flight_ms() -> i64 {
    as_ms(policy::in_flight_for(config::request_timeout()))
}

/// [`policy::unsettled_for`] in milliseconds.
pub fn unsettled_ms(effect: Effect) -> Option<i64> {
    policy::unsettled_for(effect, config::request_timeout()).map(as_ms)
}

static SAVE: Statement = Statement::on_mapping(Lock::Write, include_str!("sql/save.sql"));

/// Stores what was learned about `user` in the app `app_id` by a call that started from `row`.
/// `true`: something else happened to the user meanwhile, and the worker is to look again.
pub fn save(
    user: Uuid,
    app_id: &str,
    row: &UserRow,
    remote: &RemoteState,
    wanted: &DesiredProfile,
) -> bool {
    let (sent, unsettled_ms) = (remote.sent.as_ref(), unsettled_ms(remote.effect));
    // A call that got no further than to reactivate somebody knows of nothing but that they are there.
    let is_about_an_account = remote.is_something() || row.known_in(app_id).is_some();
    let check_in_ms = unsettled_ms.map(|ms| ms.max(as_ms(policy::UNSETTLED_DELAY)));
    let sent_fields = match sent {
        Some(sent) => spi::array(sent.keys.iter().map(String::as_str)),
        None => spi::null_array::<&str>(),
    };
    let inputs = [
        ("user_id", user.into()),
        ("uid", remote.uid.as_str().into()),
        ("token", remote.token.as_deref().into()),
        ("app_id", is_about_an_account.then_some(app_id).into()),
        ("sent_profile", sent.map(|s| s.profile.as_str()).into()),
        ("sent_metadata", sent.map(|s| s.metadata.as_str()).into()),
        ("sent_fields", sent_fields),
        ("deactivated", remote.deactivated.into()),
        ("revoke_pending", remote.revoke_pending.into()),
        ("name_argument", wanted.name.value.as_deref().into()),
        ("name_argument_base", wanted.name.basis.as_deref().into()),
        ("email_argument", wanted.email.value.as_deref().into()),
        ("email_argument_base", wanted.email.basis.as_deref().into()),
        ("synced_revision", remote.synced_revision.into()),
        ("mapped", remote.mapped.into()),
        ("started_revision", row.wanted_revision().unwrap_or(0).into()),
        ("knew_deactivated", row.remote_in(app_id).deactivated.into()),
        ("unsettled_ms", unsettled_ms.into()),
        ("in_flight_ms", in_flight_ms().into()),
        ("check_in_ms", check_in_ms.into()),
        ("started_outcomes", row.outcomes().into()),
        ("knew_revocation", row.knew_revocation().into()),
    ];
    SAVE.first(&inputs, |row| row.flag(c"overtaken")).unwrap_or(false)
}

/// The SQLSTATE of a write that met an id, or a uid, that is taken.
pub const UNIQUE_VIOLATION: &str = "23505";

static CATCH_UP_WITH_IDS: Statement =
    Statement::on_mapping(Lock::Write, include_str!("sql/catch_up_with_ids.sql"));

/// After a [`UNIQUE_VIOLATION`]: makes new ids of the mapping free ones. `true`: they were not.
pub fn catch_up_with_ids() -> bool {
    CATCH_UP_WITH_IDS.first(&[], |_| ()).is_some()
}

static WAIT_FOR: Statement = Statement::new(include_str!("sql/wait_for.sql"));

/// Waits until no other transaction is writing the user's state. For a subtransaction that is rolled
/// back.
pub fn wait_for(user: Uuid) {
    WAIT_FOR.write(&[("user_id", user.into())]);
}

static QUEUE_AFTER_FAILURE: Statement = Statement::new(include_str!("sql/queue_after_failure.sql"));
static QUEUE_AFTER_FAILURE_0_1: Statement =
    Statement::new(include_str!("sql/queue_after_failure.sql")).variant("before 0.2");

/// Leaves `user` to the worker, to be tried `delay_ms` milliseconds from now.
pub fn queue(user: Uuid, wanted: &DesiredProfile, delay_ms: i64, code: &str, revoke: bool) {
    let statement = match catalog::is_before_0_2() {
        true => &QUEUE_AFTER_FAILURE_0_1,
        false => &QUEUE_AFTER_FAILURE,
    };
    statement.write(&[
        ("user_id", user.into()),
        ("name_argument", wanted.name.value.as_deref().into()),
        ("name_argument_base", wanted.name.basis.as_deref().into()),
        ("email_argument", wanted.email.value.as_deref().into()),
        ("email_argument_base", wanted.email.basis.as_deref().into()),
        ("delay_ms", delay_ms.into()),
        ("code", code.into()),
        ("revoke", revoke.into()),
    ]);
}

static DOUBT: Statement = Statement::new(include_str!("sql/doubt.sql"));

static UNLOCKED: Statement = Statement::new(include_str!("sql/unlocked.sql"));

/// The same of those whom no other transaction has locked; returns these.
pub fn doubt_unlocked(users: &[Uuid]) -> Vec<Uuid> {
    let inputs = [("user_ids", spi::array(users.iter().copied()))];
    let free: Vec<Uuid> =
        UNLOCKED.all(&inputs, |row| row.get(c"user_id")).into_iter().flatten().collect();
    if !free.is_empty() {
        doubt(&free);
    }
    free
}

/// What is stored about these users is in doubt: CometChat is to be asked.
pub fn doubt(users: &[Uuid]) {
    let users = spi::array(users.iter().copied());
    DOUBT.write(&[("user_ids", users), ("in_flight_ms", in_flight_ms().into())]);
}
