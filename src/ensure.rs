//! The main use case: the user exists in CometChat with the wanted profile, and here is a token.
//!
//! Look, and answer at once if what is stored is current. Else take the user's lock, look again,
//! do the remote work, and write once at the end.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use cometchat::Client;
use pgrx::{PgSqlErrorCode, Uuid};

use crate::answer::{Refusal, Success};
use crate::budget::{self, Use};
use crate::caller::{self, Caller};
use crate::config;
use crate::converge::Convergence;
use crate::failure::Failure;
use crate::pg::lock::{self, Outcome};
use crate::pg::{deadline, latch, session, subxact, undone, wake};
use crate::profile::{self, Given, Wanted};
use crate::sync::retry;
use crate::users::{self, Learned, Presence, UserRow};

/// How long a call waits for the worker's answer about the same user.
const WAIT_FOR_WORKER: Duration = Duration::from_secs(2);

/// Carries out `cometchat_ensure_user`.
pub fn ensure_user(
    user_id: Option<Uuid>,
    display_name: Option<&str>,
    email: Option<&str>,
) -> Result<Success, Refusal> {
    let caller = caller::identify(user_id)?;
    // SECURITY: an untrusted caller's e-mail comes from auth.users, never from the argument.
    let given = Given { display_name, email: email.filter(|_| caller.trusted) };
    let call = Call::begin(caller)?;

    let row = call.load()?;
    let wanted = profile::wanted(&row, given);
    call.check_user(&row)?;
    if let Some(done) = stored_answer(&call, &row, &wanted) {
        return Ok(done);
    }
    call.lock()?;
    let row = call.settled_row()?; // another call, or the worker, may have done it
    let wanted = profile::wanted(&row, given);
    call.check_user(&row)?;
    if let Some(done) = stored_answer(&call, &row, &wanted) {
        return Ok(done);
    }
    if wanted.unreadable.is_some() {
        return Err(Failure::unreadable().into());
    }
    if let Err(failure) = call.check_not_ending(&row) {
        return not_sent(&call, &row, &wanted, failure);
    }
    let client = match call.client() {
        Ok(client) => client,
        Err(failure) => return not_sent(&call, &row, &wanted, failure),
    };
    let mut work = Convergence {
        client: &client,
        profile: &wanted.profile,
        token_by_hand: row.token_by_hand(),
        may_reactivate: caller.trusted,
        for_login: true,
        learned: row.learned_in(&call.app_id),
        doubt: row.doubt_in(&call.app_id),
        not_updated: None,
    };
    let result = work.run();
    if result.is_ok() && work.not_updated.is_none() {
        work.learned.known_revision = row.wanted_revision();
    }
    let Convergence { learned, not_updated, .. } = work;
    call.finish(&row, &learned, &wanted)?;
    match (result, not_updated) {
        (Ok(()), None) => Ok(Success { uid: learned.uid, token: learned.token, queued: false }),
        (Ok(()), Some(e)) => {
            let queued = call.queue(&Failure::from(e), &wanted);
            Ok(Success { uid: learned.uid, token: learned.token, queued })
        }
        (Err(trouble), _) => {
            let failure = Failure::from(trouble);
            let queued = failure.is_transient() && call.queue(&failure, &wanted);
            Err(Refusal { failure, queued })
        }
    }
}

/// What is stored, if no request could improve it, or none may be sent.
fn stored_answer(call: &Call, row: &UserRow, wanted: &Wanted) -> Option<Success> {
    let token = row.token_in(&call.app_id)?;
    let known = row.known_in(&call.app_id)?;
    // What cannot be read keeps nobody out who is there.
    let current = known.has(&wanted.profile) || wanted.unreadable.is_some();
    (current || session::read_only()).then(|| Success {
        uid: row.uid.clone(),
        token: Some(token.to_owned()),
        queued: false,
    })
}

/// Nothing may be sent now. Whoever has a token is not kept out for that: the change waits.
fn not_sent(
    call: &Call,
    row: &UserRow,
    wanted: &Wanted,
    failure: Failure,
) -> Result<Success, Refusal> {
    let Some(token) = row.token_in(&call.app_id).map(str::to_owned) else {
        let queued = failure.is_transient() && call.queue(&failure, wanted);
        return Err(Refusal { failure, queued });
    };
    let queued = call.queue(&failure, wanted);
    Ok(Success { uid: row.uid.clone(), token: Some(token), queued })
}

/// One call: for whom, in which app, until when.
pub struct Call {
    pub caller: Caller,
    pub app_id: String,
    deadline: Instant,
    /// The user's lock is released with the call.
    releases: Cell<bool>,
}

impl Call {
    /// Starts the clock. The app must be known: state and tokens belong to one.
    pub fn begin(caller: Caller) -> Result<Self, Failure> {
        latch::begin();
        let deadline = deadline::of_this_call(config::request_timeout());
        Ok(Call { caller, app_id: config::app_id()?, deadline, releases: Cell::new(false) })
    }

    /// A call that will send nothing, because there is no app.
    pub fn nowhere(caller: Caller) -> Self {
        let deadline = deadline::of_this_call(config::request_timeout());
        Call { caller, app_id: String::new(), deadline, releases: Cell::new(false) }
    }

    /// Reads the user, waiting for no lock beyond the deadline.
    pub fn load(&self) -> Result<UserRow, Failure> {
        let user = self.caller.user;
        subxact::run(self.left(), move || users::load(user)).map_err(of_read)
    }

    /// Refuses while somebody else may be ending the user's sessions, by a request that is under way
    /// still: it would kill a token that is minted now.
    pub fn check_not_ending(&self, row: &UserRow) -> Result<(), Failure> {
        let ending = row.known.as_ref().is_some_and(|k| k.revoke_pending || k.deactivated);
        if ending && row.is_in_flight() {
            return Err(Failure::Timeout);
        }
        Ok(())
    }

    /// Reads the user once whoever has the user in flight is done, the worker as a rule: it may be
    /// about to store the very token that we would ask for, or to deactivate whom we would ask for.
    pub fn settled_row(&self) -> Result<UserRow, Failure> {
        let patience = Instant::now() + self.left().min(WAIT_FOR_WORKER);
        loop {
            let row = self.load()?;
            if !row.is_in_flight() || Instant::now() >= patience {
                return Ok(row);
            }
            latch::nap(Duration::from_millis(5)).map_err(|_| Failure::Interrupted)?;
        }
    }

    /// Refuses users that do not exist, and those who were shut out here.
    pub fn check_user(&self, row: &UserRow) -> Result<(), Failure> {
        match row.presence {
            Presence::Active => Ok(()),
            Presence::ShutOut { .. } => Err(Failure::UserDeactivated),
            Presence::Gone => Err(Failure::InvalidInput("unknown user")),
            Presence::Unknown => Err(Failure::unreadable()),
        }
    }

    /// One call at a time for one user.
    pub fn lock(&self) -> Result<(), Failure> {
        if session::read_only() {
            return Err(Failure::ReadOnly);
        }
        match lock::user(self.caller.user, self.deadline) {
            Outcome::Acquired => {
                self.releases.set(lock::is_one_too_many());
                self.wait_for_crowds()
            }
            Outcome::Crowded => Err(Failure::TooManyRequests),
            Outcome::TooLate => Err(Failure::Timeout),
            Outcome::Interrupted => Err(Failure::Interrupted),
        }
    }

    /// Waits for a transaction that has worked on the user, among many, and is not over.
    fn wait_for_crowds(&self) -> Result<(), Failure> {
        if !lock::crowds() {
            return Ok(());
        }
        let user = self.caller.user;
        match subxact::undone(self.left(), move || users::wait_for(user)) {
            Err(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
                | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED,
            ) => Err(Failure::Timeout),
            // Somebody's trigger, say: it will say so again when there is something to be written.
            _ => Ok(()),
        }
    }

    /// A client that is done by the deadline, and sends no more for an untrusted user than
    /// `user_rate_limit` allows.
    pub fn client(&self) -> Result<Client, Failure> {
        let Caller { user, trusted } = self.caller;
        let limit = config::user_rate_limit();
        let permit = move |operation| {
            let may = trusted || budget::take(user, Use::of(operation), limit);
            if may {
                undone::about_to_send(user);
            }
            may
        };
        crate::http::client(&self.app_id, self.deadline, permit)
    }

    /// The write at the end, if there is anything to write.
    pub fn finish(&self, row: &UserRow, learned: &Learned, wanted: &Wanted) -> Result<(), Failure> {
        latch::raise_held_error();
        let void = row.mapping.as_ref().is_some_and(|mapping| mapping.void);
        if *learned == row.learned_in(&self.app_id) && learned.token.is_none() && !void {
            return Ok(()); // nothing is known that was not
        }
        self.write(|| {
            if users::save(self.caller.user, &self.app_id, row, learned, wanted) {
                wake::at_commit(); // what the worker did meanwhile is to be looked at again
            }
        })
    }

    /// CometChat does not know the user: clears what is stored.
    pub fn forget(&self, row: &UserRow) -> Result<(), Failure> {
        latch::raise_held_error();
        self.write(|| {
            if users::forget(self.caller.user, row) {
                wake::at_commit();
            }
        })
    }

    /// One write, whose failure is an answer.
    pub fn write(&self, statement: impl FnOnce()) -> Result<(), Failure> {
        // At least a moment, also when the remote work used the budget up.
        let lock_timeout = self.left().max(subxact::LAST_MOMENT);
        subxact::run(lock_timeout, AssertUnwindSafe(statement))
            .map_err(|code| Failure::Database(subxact::sqlstate(code)))
    }

    /// Leaves the user to the worker. `false`: not even that could be done.
    pub fn queue(&self, failure: &Failure, wanted: &Wanted) -> bool {
        self.queue_with(failure, wanted, false)
    }

    /// The same for a revocation that is still to be carried out.
    pub fn queue_revocation(&self, failure: &Failure, wanted: &Wanted) -> bool {
        self.queue_with(failure, wanted, true)
    }

    fn queue_with(&self, failure: &Failure, wanted: &Wanted, revoke: bool) -> bool {
        let (user, code) = (self.caller.user, failure.stored_code());
        let delay = retry::first_delay(failure.retry_after());
        let queued = self.write(|| users::queue(user, wanted, delay, code, revoke)).is_ok();
        if queued {
            wake::at_commit();
        }
        queued
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // An error that is under way ends the transaction, or the part of it that took the lock.
        if self.releases.get() && !std::thread::panicking() {
            lock::release_work(self.caller.user);
        }
    }
}

/// A read can only fail for having waited too long; everything else is raised as what it is.
fn of_read(code: PgSqlErrorCode) -> Failure {
    match code {
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Failure::Timeout,
        code => Failure::Database(subxact::sqlstate(code)),
    }
}
