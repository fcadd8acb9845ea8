//! What each step changes.

use super::{Action, Actor, Fate, Job, Late, Mark, Protocol, Remote, World};

impl World {
    pub fn act(&mut self, action: Action, protocol: &Protocol) {
        match action {
            Action::Edit | Action::BanOrReturn => {
                self.edits -= 1;
                self.wanted_active ^= action == Action::BanOrReturn;
                (self.wanted, self.due) = (self.wanted + 1, true);
            }
            Action::Claim(n) => {
                let job = self.read();
                (self.claim, self.due) = (Some(self.number(n)), false);
                if protocol.claims_mark && self.mark == Mark::Settled {
                    self.mark = Mark::Claimed;
                }
                let may_be_there = job.sent.is_some() || job.mark != Mark::Settled;
                self.deactivated |= !job.active && may_be_there;
                self.workers[usize::from(n)] = Some(job);
            }
            Action::Send(actor, fate) => self.send(actor, fate),
            Action::Finish(Actor::Worker(n)) => self.finish(n, protocol),
            Action::Finish(Actor::Session) => self.save(protocol),
            Action::Crash(actor) => {
                (self.faults, self.crashed) = (self.faults - 1, true);
                if let (Actor::Session, Some(_)) = (actor, self.job(actor).take()) {
                    self.written = 0;
                    // noted in shared memory at the rollback
                    (self.mark, self.due, self.wanted) = (Mark::InFlight, true, self.wanted + 1);
                }
            }
            Action::CrashInRequest(actor) => {
                self.faults += 1; // it is one
                self.send(actor, Fate::LostLate);
                self.act(Action::Crash(actor), protocol);
            }
            Action::FreeStaleClaim => {
                self.claim = None;
                self.due = true;
                // What is certain is not touched: so the claim's mark is what tells.
                if self.mark != Mark::Settled {
                    self.mark = Mark::InFlight;
                }
            }
            Action::LogIn => {
                self.logins -= 1;
                self.session = Some(self.read());
            }
            Action::TimePasses => {
                for late in std::mem::take(&mut self.late) {
                    match (late, self.remote) {
                        (Late::Sync(profile), Remote::Absent | Remote::Active { .. }) => {
                            self.remote = Remote::Active { profile };
                        }
                        (Late::Deactivate, Remote::Active { .. }) => self.deactivate(),
                        _ => {}
                    }
                }
                if self.mark == Mark::InFlight {
                    self.mark = Mark::Over;
                }
                self.due |= std::mem::take(&mut self.due_later);
            }
        }
    }

    fn deactivate(&mut self) {
        (self.remote, self.flushed) = (Remote::Deactivated, self.minted);
    }

    fn send(&mut self, actor: Actor, fate: Fate) {
        let Some(mut job) = self.job(actor).take() else { return };
        self.faults -= u8::from(fate != Fate::Answered);
        job.answered = Some(fate == Fate::Answered);
        let performed = matches!(fate, Fate::Answered | Fate::LostAfter);
        if job.active {
            let asks = job.sent != Some(job.revision) || job.mark != Mark::Settled;
            let needed = asks || job.token.is_none() || job.deactivated;
            if performed && needed {
                self.perform_sync(&mut job);
            } else if fate == Fate::LostLate && asks {
                self.late.push(Late::Sync(job.revision));
            }
        } else {
            // The flush was answered, or there is nobody.
            let there = matches!(self.remote, Remote::Active { .. });
            (job.token, job.sent) = (None, None);
            job.deactivated |= there;
            match fate {
                _ if !there => {}
                Fate::LostLate => self.late.push(Late::Deactivate),
                _ if performed => self.deactivate(),
                _ => {}
            }
        }
        *self.job(actor) = Some(job);
    }

    /// Makes CometChat agree; what the job learns of it counts only if the answer comes.
    fn perform_sync(&mut self, job: &mut Job) {
        let answered = job.answered == Some(true);
        let is_inactive = self.remote == Remote::Deactivated && !job.deactivated;
        if is_inactive {
            job.answered = Some(false); // nobody but us deactivates here: it was, and is not known yet
            return;
        }
        let is_new = self.remote == Remote::Absent;
        self.remote = Remote::Active { profile: job.revision };
        let alive = job.token.is_some_and(|token| token > self.flushed) && !is_new;
        if !alive {
            self.minted += 1;
        }
        if answered {
            job.sent = Some(job.revision);
            job.token = if alive { job.token } else { Some(self.minted) };
            // A deactivation of ours that is under way still would come after it.
            job.deactivated &= job.mark == Mark::InFlight;
        }
    }

    fn finish(&mut self, n: u8, protocol: &Protocol) {
        let Some(job) = self.workers[usize::from(n)].take() else { return };
        if protocol.finish_checks_claim && self.claim != Some(self.number(n)) {
            if !job.active && job.deactivated && !self.deactivated {
                (self.deactivated, self.due, self.wanted) = (true, true, self.wanted + 1);
            }
            return;
        }
        let answered = job.answered == Some(true);
        let changed = protocol.finish_checks_revision && self.wanted != job.revision;
        self.written += u8::from(self.session.is_some());
        (self.sent, self.token) = (job.sent, job.token);
        (self.deactivated, self.revoke_pending) = (job.deactivated, job.revoke_pending);
        self.claim = None;
        self.due |= changed || !answered;
        self.mark = match job.mark {
            _ if !answered && protocol.lost_stays_in_flight => Mark::InFlight,
            // Looked at once more when that time has come, or at once where it has.
            Mark::InFlight => {
                let is_over = self.mark != Mark::InFlight;
                self.due |= is_over;
                self.due_later |= !is_over;
                self.mark
            }
            _ if changed && protocol.finish_keeps_later_doubt && self.is_in_doubt() => self.mark,
            _ => Mark::Settled,
        };
        if answered {
            self.synced = job.revision;
        }
        if !protocol.finish_checks_revision {
            self.due = !answered;
        }
    }

    fn is_in_doubt(&self) -> bool {
        matches!(self.mark, Mark::InFlight | Mark::Over)
    }

    fn save(&mut self, protocol: &Protocol) {
        let Some(job) = self.session.take() else { return };
        let answered = job.answered == Some(true);
        let changed = protocol.finish_checks_revision && self.wanted != job.revision;
        self.token = job.token.filter(|_| !(self.deactivated && changed));
        let unknown = changed || self.deactivated && !job.knew_deactivated;
        self.sent = job.sent.filter(|_| !unknown);
        self.deactivated =
            job.deactivated || self.deactivated && (changed || !job.knew_deactivated);
        self.wanted += u8::from(changed);
        let was_done = protocol.save_sees_who_was_done && self.written != job.written;
        let both_sent = self.claim.take().is_some() || was_done;
        self.written = 0;
        let in_doubt = both_sent || !answered || self.mark == Mark::InFlight;
        let was_lost = !in_doubt && self.mark == Mark::Over;
        self.mark = match in_doubt {
            true => Mark::InFlight,
            false if was_lost => Mark::Over,
            false => Mark::Settled,
        };
        self.due_later |= in_doubt;
        self.due |= was_lost;
        self.due |= changed || !answered;
    }
}
