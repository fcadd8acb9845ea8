//! One user's life: steps that change something, a worker, and what must hold meanwhile and in the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cometchat::Client;
use sync::circuit_breaker::CircuitBreaker;
use sync::error::CallError;
use sync::job::{Job, JobResult, OnDelete, Outcome};
use sync::model::UserStatus;
use sync::pacing::Pacing;
use uuid::Uuid;

use crate::remote::{Plan, Remote};
use crate::session::{self, Answer};
use crate::store::{Store, Until, APP};
use crate::wire;

/// Who claims.
const WORKER: i64 = 1;

/// What happens to the user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    SignUp,
    Edit,
    Ban,
    /// The ban is over.
    Return,
    Delete,
    /// `cometchat_ensure_user` by the user or by a trusted caller.
    Login {
        trusted: bool,
    },
    Refresh,
    Revoke,
    /// The worker does what is due, once.
    Work,
    /// The same in its parts, so that something can come between.
    Claim,
    Send,
    Complete,
    /// The requests of a login, and its write.
    LoginSends,
    LoginSaves,
    /// The worker is killed, and another starts.
    Crash,
}

pub struct Life {
    pub store: Store,
    pub remote: Arc<Mutex<Remote>>,
    client: Client,
    pacing: Pacing,
    started: Instant,
    claimed: Option<Job>,
    sent: Option<JobResult>,
    login: Option<session::Sent>,
    /// Tokens that were there when they were revoked.
    revoked: Vec<String>,
    /// When something was lost that is still to arrive.
    lost_at: Option<i64>,
    /// A caller was told why, and nothing was left to the worker.
    pub was_refused: bool,
    /// Somebody revoked, and no login came after it: nobody need have a token.
    pub logged_out: bool,
    pub problems: Vec<String>,
}

impl Life {
    pub fn new(user: Uuid) -> Self {
        let remote = Arc::new(Mutex::new(Remote::new(&user.to_string())));
        let started = Instant::now();
        let store = Store {
            now: 1_000_000,
            user,
            status: UserStatus::Active,
            name: "Ada".to_owned(),
            mapping: None,
            state: None,
            on_delete: OnDelete::Deactivate,
        };
        Life {
            client: wire::client(&remote),
            remote,
            store,
            pacing: Pacing::new(started, CircuitBreaker::default()),
            started,
            claimed: None,
            sent: None,
            login: None,
            revoked: Vec::new(),
            lost_at: None,
            was_refused: false,
            logged_out: false,
            problems: Vec::new(),
        }
    }

    /// From the next request on.
    pub fn set_plan(&mut self, plan: Option<Plan>) {
        let mut remote = self.remote.lock().unwrap();
        let sent = remote.requests.len();
        remote.plan = plan.map(|plan| Plan { from: plan.from + sent, ..plan });
    }

    pub fn requests(&self) -> usize {
        self.remote.lock().unwrap().requests.len()
    }

    pub fn step(&mut self, step: Step) {
        self.take(step);
        let has_late = self.remote.lock().unwrap().has_late();
        self.lost_at = self.lost_at.or(Some(self.store.now)).filter(|_| has_late);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::SignUp | Step::Return => self.change(UserStatus::Active),
            Step::Edit => {
                self.store.name += " L";
                self.change(self.store.status);
            }
            Step::Ban => self.change(UserStatus::Suspended { back_in_ms: None }),
            Step::Delete => self.change(UserStatus::Deleted),
            Step::Login { trusted } => {
                let before = self.remote.lock().unwrap().may_reactivate;
                self.remote.lock().unwrap().may_reactivate |= trusted;
                let answer = match session::ensure(&mut self.store, &self.client, trusted) {
                    Ok(sent) => session::finish_ensure(&mut self.store, sent),
                    Err(answer) => answer,
                };
                self.remote.lock().unwrap().may_reactivate = before;
                self.hear(answer);
            }
            Step::LoginSends => match session::ensure(&mut self.store, &self.client, false) {
                Ok(sent) => self.login = Some(sent),
                Err(answer) => self.hear(answer),
            },
            Step::LoginSaves => {
                if let Some(sent) = self.login.take() {
                    let answer = session::finish_ensure(&mut self.store, sent);
                    self.hear(answer);
                }
            }
            Step::Refresh => {
                let answer = session::refresh(&mut self.store, &self.client);
                self.hear(answer);
            }
            Step::Revoke => {
                self.revoked.extend(self.remote.lock().unwrap().tokens());
                self.logged_out = true;
                let answer = session::revoke(&mut self.store, &self.client);
                self.hear(answer);
            }
            Step::Work => {
                [Step::Claim, Step::Send, Step::Complete].into_iter().for_each(|s| self.step(s))
            }
            Step::Claim => {
                self.claimed = self.store.claim(WORKER);
                // No flush while a call, which may be minting a token, is under way.
                let flushes = |job: &Job| job.requests_of_the_user().1 > 0;
                if self.login.is_some() && self.claimed.as_ref().is_some_and(flushes) {
                    self.claimed = None;
                    self.store.put_off(500);
                }
            }
            Step::Send => self.sent = self.claimed.take().map(|job| job.run(&self.client)),
            Step::Complete => {
                if let Some(done) = self.sent.take() {
                    self.complete(done);
                }
            }
            Step::Crash => {
                (self.claimed, self.sent) = (None, None);
                self.store.free_stale_claims();
            }
        }
    }

    fn change(&mut self, status: UserStatus) {
        self.store.status = status;
        self.store.mark_due();
    }

    fn hear(&mut self, answer: Answer) {
        self.was_refused = answer.result.is_err() && !answer.queued;
        let Ok(Some(token)) = answer.result else { return };
        self.logged_out = false;
        if self.revoked.contains(&token) {
            self.problems.push("a revoked token was handed out".to_owned());
        }
    }

    fn complete(&mut self, mut done: JobResult) {
        let (now, plan_wait) = (self.instant(), Duration::from_secs(5));
        let job = &done.job;
        let synced = matches!(done.outcome, Outcome::Synced);
        let may_lack = self.logged_out || job.status != UserStatus::Active;
        if synced && !may_lack && job.remote.token.is_none() {
            self.problems.push("synced without a token".to_owned());
        }
        self.pacing.on_outcome(&mut done, now, 16, || plan_wait);
        self.store.complete(&done, WORKER);
    }

    fn instant(&self) -> Instant {
        self.started + Duration::from_millis(u64::try_from(self.store.now).unwrap())
    }

    /// The worker does all that becomes due, until nothing does. What was lost on the way arrives before
    /// the time is over in which it may.
    pub fn run_to_the_end(&mut self) {
        for _ in 0..40 {
            let Some(next) = self.store.state.as_ref().and_then(|s| s.next) else {
                let unsettled = self.store.state.as_ref().map(|s| s.until);
                if unsettled == Some(Until::Claimed) {
                    self.problems.push(format!("nothing is due, and {unsettled:?}"));
                }
                return self.remote.lock().unwrap().deliver_late();
            };
            self.store.now = self.store.now.max(next);
            let open = self.pacing.breaker.open_until();
            if let Some(wait) = open.map(|until| until.saturating_duration_since(self.instant())) {
                self.store.now += i64::try_from(wait.as_millis()).unwrap() + 1;
            }
            let latest = self.lost_at.map(|at| at + Store::in_flight_ms() - 100);
            if latest.is_some_and(|at| at <= self.store.now) {
                self.remote.lock().unwrap().deliver_late();
            }
            self.step(Step::Work);
        }
        self.problems.push("it never ends".to_owned());
    }

    /// The user is there, or not, as is wanted; or it is on record why not.
    pub fn check_agreement(&mut self) {
        let remote = self.remote.lock().unwrap();
        let problem = match (self.store.status, remote.user()) {
            (UserStatus::Active, there) => self.disagreement(there, &remote),
            (_, None) => None,
            (_, Some((_, true))) => Some("active there".to_owned()),
            (_, Some(_)) if !remote.deactivated_by_others && !remote.tokens().is_empty() => {
                Some("deactivated with tokens".to_owned())
            }
            _ => None,
        };
        let failed = self.store.state.as_ref().is_some_and(|s| s.failed && s.code.is_some());
        drop(remote);
        self.problems.extend(problem.filter(|_| !failed));
    }

    fn disagreement(&self, there: Option<(String, bool)>, remote: &Remote) -> Option<String> {
        let Some(state) = &self.store.state else { return Some("no state".to_owned()) };
        let row = self.store.row();
        let token = row.token_in(APP);
        match there {
            _ if state.wanted != state.synced => {
                Some(format!("wanted {} and synced {}", state.wanted, state.synced))
            }
            None => Some("not there".to_owned()),
            Some((_, false)) => Some("deactivated there".to_owned()),
            Some((name, _)) if name != self.store.name => Some(format!("named {name}")),
            Some(_) if state.revoke_pending => Some("a revocation is owed".to_owned()),
            Some(_) if self.logged_out => None,
            Some(_) if !token.is_some_and(|t| remote.tokens().iter().any(|r| r == t)) => {
                Some(format!("the stored token is {token:?}"))
            }
            Some(_) => None,
        }
    }

    /// Whoever may log in can, in the end.
    pub fn check_login(&mut self) {
        self.set_plan(None);
        if self.store.status != UserStatus::Active {
            return;
        }
        let answer = match session::ensure(&mut self.store, &self.client, false) {
            Ok(sent) => session::finish_ensure(&mut self.store, sent),
            Err(answer) => answer,
        };
        let by_others = self.remote.lock().unwrap().deactivated_by_others;
        match &answer.result {
            Err(CallError::UserDeactivated) if by_others => {}
            Ok(Some(_)) => {}
            other => self.problems.push(format!("the login after it: {other:?}")),
        }
        self.hear(answer);
    }
}
