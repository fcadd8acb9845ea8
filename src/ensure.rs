//! The main use case: the user exists in CometChat with the wanted profile, and here is a token.
//!
//! Look, and answer at once if what is stored is current. Else take the user's lock, look again,
//! do the remote work, and write once at the end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cometchat::{Client, Error, ErrorKind, UserPatch};
use pgrx::Uuid;

use crate::answer::{Refusal, Success};
use crate::budget;
use crate::caller::{self, Caller};
use crate::config;
use crate::failure::Failure;
use crate::introduce::{introduce, mint};
use crate::pg::lock::{self, Outcome};
use crate::pg::{deadline, latch, session, subxact};
use crate::profile::{self, Given, Wanted};
use crate::users::{self, Learned, UserRow};

/// What the write at the end may wait for a lock when the budget is used up; well within the
/// margin that is left before the statement's own deadline.
const LAST_MOMENT: Duration = Duration::from_millis(100);

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
    let row = call.load()?; // another call may have done it while we waited
    let wanted = profile::wanted(&row, given);
    call.check_user(&row)?;
    if let Some(done) = stored_answer(&call, &row, &wanted) {
        return Ok(done);
    }
    let mut work = Work::new(call.client()?, &call, &row, &wanted);
    let result = work.run();
    call.finish(&row, &work.learned, &wanted)?;
    result?;
    Ok(Success { uid: work.learned.uid, token: work.learned.token })
}

/// What is stored, if no request could improve it, or none may be sent.
fn stored_answer(call: &Call, row: &UserRow, wanted: &Wanted) -> Option<Success> {
    let token = row.token_in(&call.app_id)?;
    let known = row.known_in(&call.app_id)?;
    let current = known.has(&wanted.profile);
    (current || session::read_only())
        .then(|| Success { uid: row.uid.clone(), token: Some(token.to_owned()) })
}

/// One call: for whom, in which app, until when.
pub struct Call {
    pub caller: Caller,
    pub app_id: String,
    deadline: Instant,
}

impl Call {
    /// Starts the clock. The app must be known: state and tokens belong to one.
    pub fn begin(caller: Caller) -> Result<Self, Failure> {
        let deadline = deadline::of_this_call(config::request_timeout());
        Ok(Call { caller, app_id: config::app_id()?, deadline })
    }

    /// Reads the user, waiting for no lock beyond the deadline.
    pub fn load(&self) -> Result<UserRow, Failure> {
        let user = self.caller.user;
        subxact::run(self.left(), move || users::load(user)).map_err(of_read)
    }

    /// Refuses users that do not exist, and those who were shut out here.
    pub fn check_user(&self, row: &UserRow) -> Result<(), Failure> {
        if !row.exists {
            return Err(Failure::InvalidInput("unknown user"));
        }
        if row.shut_out {
            return Err(Failure::UserDeactivated);
        }
        Ok(())
    }

    /// One call at a time for one user.
    pub fn lock(&self) -> Result<(), Failure> {
        if session::read_only() {
            return Err(Failure::ReadOnly);
        }
        match lock::user(self.caller.user, self.deadline) {
            Outcome::Acquired => Ok(()),
            Outcome::Crowded => Err(Failure::TooManyRequests),
            Outcome::TooLate => Err(Failure::Timeout),
            Outcome::Interrupted => Err(Failure::Interrupted),
        }
    }

    /// A client that is done by the deadline, and sends no more for an untrusted user than
    /// `user_rate_limit` allows.
    pub fn client(&self) -> Result<Client, Failure> {
        let client = crate::http::client(&self.app_id, self.deadline)?;
        if self.caller.trusted {
            return Ok(client);
        }
        let (user, limit) = (self.caller.user, config::user_rate_limit());
        Ok(client.with_gate(Arc::new(move |_| budget::take(user, limit))))
    }

    /// The write at the end, if there is anything to write.
    pub fn finish(&self, row: &UserRow, learned: &Learned, wanted: &Wanted) -> Result<(), Failure> {
        latch::raise_held_error();
        if *learned == self.learned_before(row) && learned.token.is_none() {
            return Ok(()); // nothing is known that was not
        }
        self.write(|| users::save(self.caller.user, &self.app_id, learned, wanted))
    }

    /// CometChat does not know the user: clears what is stored.
    pub fn forget(&self) -> Result<(), Failure> {
        latch::raise_held_error();
        self.write(|| users::forget(self.caller.user))
    }

    fn write(&self, statement: impl FnOnce()) -> Result<(), Failure> {
        // At least a moment, also when the remote work used the budget up.
        let lock_timeout = self.left().max(LAST_MOMENT);
        subxact::run(lock_timeout, AssertUnwindSafe(statement))
            .map_err(|code| Failure::Database(subxact::sqlstate(code)))
    }

    /// What is stored about the user, as far as it is of this app.
    pub fn learned_before(&self, row: &UserRow) -> Learned {
        let known = row.known_in(&self.app_id);
        Learned {
            uid: row.uid.clone(),
            mapped: row.mapping.is_some(),
            token: row.token_in(&self.app_id).map(str::to_owned),
            sent: known.and_then(|k| k.sent.clone()),
            deactivated: known.is_some_and(|k| k.deactivated),
            revoke_pending: known.is_some_and(|k| k.revoke_pending),
            known_revision: None,
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A read can only fail for having waited too long; everything else is raised as what it is.
fn of_read(code: pgrx::PgSqlErrorCode) -> Failure {
    match code {
        pgrx::PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Failure::Timeout,
        code => Failure::Database(subxact::sqlstate(code)),
    }
}

/// The remote part, and what it learns on the way: that is written even when it fails.
struct Work<'a> {
    client: Client,
    call: &'a Call,
    row: &'a UserRow,
    wanted: &'a Wanted,
    learned: Learned,
}

impl<'a> Work<'a> {
    fn new(client: Client, call: &'a Call, row: &'a UserRow, wanted: &'a Wanted) -> Self {
        let learned = call.learned_before(row);
        Work { client, call, row, wanted, learned }
    }

    fn run(&mut self) -> Result<(), Failure> {
        if self.learned.sent.is_some() && self.update()? && self.token()? {
            return Ok(());
        }
        // New, mapped by hand, of another app, or lost at CometChat.
        let introduced = introduce(
            &self.client,
            &self.wanted.profile,
            &mut self.learned,
            self.row.mapped_by_hand().and_then(|m| m.token.clone()),
            self.call.caller.trusted,
        );
        match introduced {
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(_) if self.learned.token.is_some() => return Ok(()), // as in `update`
            other => other?,
        }
        self.learned.known_revision = self.row.known.as_ref().map(|k| k.wanted_revision);
        Ok(())
    }

    /// Sends what changed. `false`: CometChat does not know the user any more.
    ///
    /// A stored token outranks the profile: somebody who is logging in is not kept out because
    /// an update could not be sent. It stays different from what is wanted, and is sent again.
    fn update(&mut self) -> Result<bool, Failure> {
        let profile = &self.wanted.profile;
        let wanted = profile.as_sent();
        let Some(sent) = self.learned.sent.clone().filter(|sent| *sent != wanted) else {
            return Ok(true);
        };
        let result = if sent.metadata == wanted.metadata {
            self.send(&profile.patch_without_metadata(&sent))
        } else {
            let there = self.client.get_user(&self.learned.uid);
            there.and_then(|there| self.send(&profile.patch_for(&there, Some(&sent))))
        };
        match result {
            Ok(()) => {
                self.learned.sent = Some(wanted);
                self.learned.known_revision = self.row.known.as_ref().map(|k| k.wanted_revision);
                Ok(true)
            }
            Err(e) => match e.kind() {
                ErrorKind::UidNotFound => self.lost(),
                ErrorKind::Interrupted => Err(Failure::Interrupted),
                _ if self.learned.token.is_some() => Ok(true),
                ErrorKind::BadUser => Ok(true), // about the profile; the token is another matter
                _ => Err(e.into()),
            },
        }
    }

    fn send(&self, patch: &UserPatch) -> Result<(), Error> {
        if patch.is_empty() {
            return Ok(());
        }
        self.client.update_user(&self.learned.uid, patch).map(drop)
    }

    /// Mints a token unless there is one. `false`: CometChat does not know the user any more.
    fn token(&mut self) -> Result<bool, Failure> {
        if self.learned.token.is_some() {
            return Ok(true);
        }
        match mint(&self.client, &mut self.learned, false) {
            Ok(()) => Ok(true),
            Err(Failure::UserNotFound) => self.lost(),
            Err(e) => Err(e),
        }
    }

    fn lost(&mut self) -> Result<bool, Failure> {
        self.learned.sent = None;
        self.learned.token = None;
        Ok(false)
    }
}
