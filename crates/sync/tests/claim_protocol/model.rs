//! The state of one user in the database, in CometChat and on the way between, and every step that changes it.
//!
//! A job is one request here: what is inside a job is the fault matrix's. Time is what it is for the protocol:
//! a moment by which all that was lost has arrived.

mod steps;

/// The protocol's guards; a test breaks them one by one.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// How many faults and logins there may be, each.
    pub events: u8,
    /// How many edits, bans and returns.
    pub changes: u8,
    pub claims_mark: bool,
    pub finish_checks_claim: bool,
    pub finish_checks_revision: bool,
    pub lost_stays_in_flight: bool,
    /// A session's write sees that a worker was done since the session began: `sync_state.outcomes`.
    pub save_sees_who_was_done: bool,
    /// An outcome does not end a doubt that came after its claim.
    pub finish_keeps_later_doubt: bool,
    /// A process has one job of a user at a time. Without that the two workers are one process, whose claims
    /// have one number.
    pub defers_whom_it_holds: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            events: 1,
            changes: 1,
            claims_mark: true,
            finish_checks_claim: true,
            finish_checks_revision: true,
            lost_stays_in_flight: true,
            save_sees_who_was_done: true,
            finish_keeps_later_doubt: true,
            defers_whom_it_holds: true,
        }
    }
}

/// `unsettled_until`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    NeverAsked,
    Settled,
    Claimed,
    InFlight,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    Absent,
    Active { profile: u8 },
    Deactivated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    Worker(u8),
    Session,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    LostLate,
}

/// What somebody has read, and then what they know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    revision: u8,
    active: bool,
    mark: Mark,
    sent: Option<u8>,
    token: Option<u8>,
    deactivated: bool,
    /// That it was, when this was read.
    knew_deactivated: bool,
    revoke_pending: bool,
    /// How many had been written when it was read.
    written: u8,
    /// `None` until it was sent; then whether the answer came.
    answered: Option<bool>,
}

/// What is lost and may still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Late {
    Sync(u8),
    Deactivate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Edit,
    BanOrReturn,
    Claim(u8),
    Send(Actor, Fate),
    Finish(Actor),
    Crash(Actor),
    /// The same while a request is under way, which arrives.
    CrashInRequest(Actor),
    FreeStaleClaim,
    LogIn,
    TimePasses,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub wanted_active: bool,
    wanted: u8,
    synced: u8,
    due: bool,
    due_later: bool,
    mark: Mark,
    sent: Option<u8>,
    deactivated: bool,
    revoke_pending: bool,
    pub token: Option<u8>,
    claim: Option<u8>,
    /// Outcomes of workers that were written while a session was at it.
    written: u8,
    remote: Remote,
    minted: u8,
    /// Tokens up to this one are dead.
    flushed: u8,
    late: Vec<Late>,
    workers: [Option<Job>; 2],
    session: Option<Job>,
    pub crashed: bool,
    /// The workers' claims have one number.
    one_process: bool,
    edits: u8,
    faults: u8,
    logins: u8,
}

impl World {
    /// A user has just signed up.
    pub fn new(protocol: &Protocol) -> World {
        let events = protocol.events;
        World {
            wanted_active: true,
            wanted: 1,
            synced: 0,
            due: true,
            due_later: false,
            mark: Mark::NeverAsked,
            sent: None,
            deactivated: false,
            revoke_pending: false,
            token: None,
            claim: None,
            written: 0,
            remote: Remote::Absent,
            minted: 0,
            flushed: 0,
            late: Vec::new(),
            workers: [None, None],
            session: None,
            crashed: false,
            one_process: !protocol.defers_whom_it_holds,
            edits: protocol.changes,
            faults: events,
            logins: events,
        }
    }

    pub fn is_settled(&self) -> bool {
        let idle = self.workers.iter().all(Option::is_none) && self.session.is_none();
        idle && !self.due && !self.due_later && self.claim.is_none() && self.late.is_empty()
    }

    pub fn remote_exists(&self) -> bool {
        self.remote != Remote::Absent
    }

    pub fn agrees(&self) -> bool {
        match self.remote {
            Remote::Active { profile } => {
                let alive = self.token.is_some_and(|token| token > self.flushed);
                self.wanted_active && profile == self.wanted && alive && !self.deactivated
            }
            Remote::Absent | Remote::Deactivated => !self.wanted_active,
        }
    }

    pub fn has_foreign_claim(&self) -> bool {
        self.claim.is_some_and(|holder| usize::from(holder) >= self.workers.len())
    }

    /// The token that a login would be handed without a request.
    pub fn handed_out(&self) -> Option<u8> {
        let current = self.sent == Some(self.wanted) && self.wanted_active;
        self.token.filter(|_| current && !self.deactivated && !self.revoke_pending)
    }

    /// Of a worker's claims.
    fn number(&self, worker: u8) -> u8 {
        if self.one_process {
            0
        } else {
            worker
        }
    }

    fn job(&mut self, actor: Actor) -> &mut Option<Job> {
        match actor {
            Actor::Worker(n) => &mut self.workers[usize::from(n)],
            Actor::Session => &mut self.session,
        }
    }

    fn read(&self) -> Job {
        let usable = !self.deactivated && !self.revoke_pending;
        Job {
            revision: self.wanted,
            active: self.wanted_active,
            mark: if self.mark == Mark::Claimed { Mark::Settled } else { self.mark },
            sent: self.sent,
            token: self.token.filter(|_| usable),
            deactivated: self.deactivated,
            knew_deactivated: self.deactivated,
            revoke_pending: self.revoke_pending,
            written: self.written,
            answered: None,
        }
    }

    pub fn actions(&self, actions: &mut Vec<Action>) {
        if self.edits > 0 {
            actions.extend([Action::Edit, Action::BanOrReturn]);
        }
        for (n, job) in (0..).zip(&self.workers) {
            if job.is_none() && self.due && self.claim.is_none() {
                actions.push(Action::Claim(n));
            }
            self.job_actions(Actor::Worker(n), job, actions);
        }
        self.job_actions(Actor::Session, &self.session, actions);
        let ending = self.claim.is_some() && (self.revoke_pending || self.deactivated);
        let refused = !self.wanted_active || ending || self.handed_out().is_some();
        if self.session.is_none() && self.logins > 0 && !refused {
            actions.push(Action::LogIn);
        }
        let is_held =
            |n| (0..).zip(&self.workers).any(|(w, job)| self.number(w) == n && job.is_some());
        if self.claim.is_some_and(|n| !is_held(n)) {
            actions.push(Action::FreeStaleClaim);
        }
        if (!self.late.is_empty() || self.mark == Mark::InFlight) && !self.is_about_to_send() {
            actions.push(Action::TimePasses);
        }
    }

    /// Requests end within the time that they may be in flight: also those of a job that has lost its claim,
    /// and of a session.
    fn is_about_to_send(&self) -> bool {
        let unsent = |job: &Option<Job>| job.as_ref().is_some_and(|job| job.answered.is_none());
        let orphan =
            |n: u8| self.claim != Some(self.number(n)) && unsent(&self.workers[usize::from(n)]);
        orphan(0) || orphan(1) || unsent(&self.session)
    }

    fn job_actions(&self, actor: Actor, job: &Option<Job>, actions: &mut Vec<Action>) {
        match job {
            None => return,
            Some(Job { answered: Some(_), .. }) => actions.push(Action::Finish(actor)),
            Some(_) => {
                actions.push(Action::Send(actor, Fate::Answered));
                if self.faults > 0 {
                    let lost = [Fate::LostBefore, Fate::LostAfter, Fate::LostLate];
                    actions.extend(lost.map(|fate| Action::Send(actor, fate)));
                }
            }
        }
        if self.faults > 0 {
            actions.push(Action::Crash(actor));
            if job.as_ref().is_some_and(|job| job.answered.is_none()) {
                actions.push(Action::CrashInRequest(actor));
            }
        }
    }
}
