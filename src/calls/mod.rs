//! The use cases, side by side, and what they share: [`Call`].

pub mod caller; // who calls, and which user the call is about
pub mod ensure_user; // the user exists in CometChat, and here is a token
pub mod explain_user; // what the library knows of one user, for operators
pub mod reconcile; // a page of CometChat's list, compared with ours
pub mod remote; // what CometChat itself says, for operators
pub mod request_stats; // what was counted of requests
pub mod response; // the one shape that all three functions answer with
pub mod tokens; // a new token, and the end of all tokens
pub mod worker_status; // what shared memory knows, for operators

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use cometchat::Client;
use pgrx::PgSqlErrorCode;
use sync::error::CallError;
use sync::model::{RemoteState, UserRow, UserStatus};
use sync::policy;
use sync::profile::DesiredProfile;
use sync::user_rate_limit::Budget;

use crate::pg::lock::{self, Kept, Outcome};
use crate::pg::{deadline, latch, session, subxact};
use crate::shmem::{self, rolled_back, wake};
use crate::{app, config, http, store};
use caller::Caller;

/// One call: about which user, in which app, until when.
pub struct Call {
    pub caller: Caller,
    pub app_id: String,
    deadline: Instant,
    /// The user's lock is released with the call, not with the transaction.
    releases: Cell<bool>,
}

impl Call {
    /// Starts the clock. The app must be known: state and tokens belong to one.
    pub fn begin(caller: Caller) -> Result<Self, CallError> {
        latch::discard_pending_error();
        let deadline = deadline::for_call(config::request_timeout());
        Ok(Call { caller, app_id: app::app_id()?, deadline, releases: Cell::new(false) })
    }

    /// A call that will send nothing, because there is no app.
    pub fn without_app(caller: Caller) -> Self {
        let deadline = deadline::for_call(config::request_timeout());
        Call { caller, app_id: String::new(), deadline, releases: Cell::new(false) }
    }

    /// Reads the user, waiting for no lock beyond the deadline.
    pub fn load(&self) -> Result<UserRow, CallError> {
        let user = self.caller.user;
        if let Some(row) = store::load_directly(user) {
            return Ok(row);
        }
        subxact::run(self.left(), move || store::load(user)).map_err(from_read)
    }

    /// Refuses while a request of another process that ends the user's sessions may be in flight: it
    /// would kill a token that is minted now.
    pub fn check_not_ending(&self, row: &UserRow) -> Result<(), CallError> {
        let ending = row.known.as_ref().is_some_and(|k| k.revoke_pending || k.deactivated);
        if ending && store::is_in_flight(row) {
            return Err(CallError::Timeout);
        }
        Ok(())
    }

    /// Reads the user once no other process has the user in flight, but waits for that no longer than
    /// [`policy::WAIT_FOR_WORKER`]: the worker may be about to store the very token that we would ask for, or to
    /// deactivate the user.
    pub fn load_when_not_in_flight(&self) -> Result<UserRow, CallError> {
        let wait_until = Instant::now() + self.left().min(policy::WAIT_FOR_WORKER);
        loop {
            let mut row = self.load()?;
            if !store::is_in_flight(&row) {
                store::expect_requests_of_the_dead(&mut row);
                return Ok(row);
            }
            if Instant::now() >= wait_until {
                return Ok(row);
            }
            latch::sleep(Duration::from_millis(5)).map_err(|_| CallError::Interrupted)?;
        }
    }

    /// Refuses users who do not exist, and those who are suspended.
    pub fn check_user(&self, row: &UserRow) -> Result<(), CallError> {
        match row.auth.status {
            UserStatus::Active => Ok(()),
            UserStatus::Suspended { .. } => Err(CallError::UserDeactivated),
            UserStatus::Deleted => Err(CallError::InvalidInput("unknown user")),
            UserStatus::Unknown => Err(CallError::unreadable()),
        }
    }

    /// One call at a time for one user.
    pub fn lock(&self) -> Result<(), CallError> {
        if session::read_only() {
            return Err(CallError::ReadOnly);
        }
        match lock::user(self.caller.user, self.deadline) {
            Outcome::Acquired => {
                self.releases.set(lock::keep_until_end() == Kept::No);
                self.wait_for_large_transactions()
            }
            Outcome::QueueFull => Err(CallError::TooManyRequests),
            Outcome::TimedOut => Err(CallError::Timeout),
            Outcome::Interrupted => Err(CallError::Interrupted),
        }
    }

    /// Waits for a large transaction that has worked on the user and is not over; it has released the
    /// user's lock.
    fn wait_for_large_transactions(&self) -> Result<(), CallError> {
        if !lock::has_large_transactions() {
            return Ok(());
        }
        let user = self.caller.user;
        match subxact::run_and_roll_back(self.left(), move || store::wait_for(user)) {
            Err(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
                | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED,
            ) => Err(CallError::Timeout),
            // An error of another role's trigger, say: the write at the end will raise it again.
            _ => Ok(()),
        }
    }

    /// A client that is done by the deadline, and sends no more for an untrusted user than
    /// `user_rate_limit` allows.
    pub fn client(&self) -> Result<Client, CallError> {
        let Caller { user, trusted } = self.caller;
        let limit = config::user_rate_limit();
        let permit = move |operation| {
            let allowed = trusted
                || shmem::user_budgets(|budgets| {
                    budgets.take(user, Budget::from(operation), limit)
                });
            if allowed {
                rolled_back::about_to_send(user);
            }
            allowed
        };
        http::client(&self.app_id, self.deadline, permit)
    }

    /// The write at the end, if there is anything to write.
    pub fn finish(
        &self,
        row: &UserRow,
        remote: &RemoteState,
        wanted: &DesiredProfile,
    ) -> Result<(), CallError> {
        latch::rethrow_pending_error();
        let void = row.mapping.as_ref().is_some_and(|mapping| mapping.void);
        if *remote == row.remote_in(&self.app_id) && remote.token.is_none() && !void {
            return Ok(()); // nothing new
        }
        let save = || {
            if store::save(self.caller.user, &self.app_id, row, remote, wanted) {
                wake::at_commit(); // what the worker did meanwhile is to be looked at again
            }
        };
        let written = match self.write(save) {
            Err(failure) if ids_were_taken(&failure) => self.write(save),
            written => written,
        };
        written.inspect_err(|_| self.doubt())
    }

    /// What this call sent could not be written, and its transaction may go on: nothing that is stored about
    /// the user is certain any more.
    fn doubt(&self) {
        let user = self.caller.user;
        match self.write(|| store::doubt(&[user])) {
            Ok(()) => wake::at_commit(),
            Err(_) => rolled_back::as_if_rolled_back(user), // the worker does it
        }
    }

    /// CometChat does not know the user: clears what is stored, but for a revocation that is owed.
    pub fn forget(&self, row: &UserRow, owes_revocation: bool) -> Result<(), CallError> {
        latch::rethrow_pending_error();
        let forget = || {
            if store::forget(self.caller.user, row, owes_revocation) {
                wake::at_commit();
            }
        };
        self.write(forget).inspect_err(|_| self.doubt())
    }

    /// One write, whose failure is an answer.
    pub fn write(&self, statement: impl FnOnce()) -> Result<(), CallError> {
        // At least a moment, also when the remote work used the budget up.
        let lock_timeout = self.left().max(subxact::FINAL_WRITE_LOCK_TIMEOUT);
        subxact::run(lock_timeout, AssertUnwindSafe(statement))
            .map_err(|code| CallError::Database(subxact::sqlstate(code)))
    }

    /// Leaves the user to the worker. `false`: that failed too.
    pub fn queue(&self, failure: &CallError, wanted: &DesiredProfile) -> bool {
        self.queue_with(failure, wanted, false)
    }

    /// The same for a revocation that is still to be carried out.
    pub fn queue_revocation(&self, failure: &CallError, wanted: &DesiredProfile) -> bool {
        self.queue_with(failure, wanted, true)
    }

    fn queue_with(&self, failure: &CallError, wanted: &DesiredProfile, revoke: bool) -> bool {
        let (user, code) = (self.caller.user, failure.stored_code());
        let delay = policy::first_delay(failure.retry_after());
        let queued = self.write(|| store::queue(user, wanted, delay, code, revoke)).is_ok();
        if queued {
            wake::at_commit();
        }
        queued
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A write has failed because the mapping's next ids were taken: they are not any more.
fn ids_were_taken(failure: &CallError) -> bool {
    matches!(failure, CallError::Database(code) if code == store::UNIQUE_VIOLATION)
        && subxact::run(subxact::FINAL_WRITE_LOCK_TIMEOUT, store::catch_up_with_ids)
            .unwrap_or(false)
}

impl Drop for Call {
    fn drop(&mut self) {
        // An error that is under way ends the transaction, or the part of it that took the lock.
        if self.releases.get() && !std::thread::panicking() {
            lock::release_user(self.caller.user);
        }
    }
}

/// What is wrong when a read fails; as a rule it waited too long for a lock.
fn from_read(code: PgSqlErrorCode) -> CallError {
    match code {
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => CallError::Timeout,
        code => CallError::Database(subxact::sqlstate(code)),
    }
}
