//! Tells a failure that concerns all users from one that concerns one user: a firewall that dislikes a
//! name, an answer that cannot be read. If other users are answered meanwhile, it concerns one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::policy;

/// Never more than this are remembered.
const MAX_SUSPECTS: usize = 1000;

/// Users who were refused and not answered since.
#[derive(Default)]
pub struct Attribution {
    by_user: HashMap<Uuid, Suspect>,
}

struct Suspect {
    /// When the refused request had been sent.
    refused: Instant,
    times: u32,
    /// A request that was sent later, for another user, was answered.
    others_got_through: bool,
}

/// Whom a refusal concerns.
#[derive(Debug, PartialEq, Eq)]
pub enum Scope {
    /// All users, as far as is known.
    Undecided,
    /// This user alone, after so many refusals.
    OneUser(u32),
}

impl Attribution {
    /// What was sent for `user` at that time was refused.
    pub fn refused(&mut self, user: Uuid, sent: Instant) -> Scope {
        if self.by_user.len() >= MAX_SUSPECTS && !self.by_user.contains_key(&user) {
            self.by_user.clear();
        }
        let new = Suspect { refused: sent, times: 0, others_got_through: false };
        let suspect = self.by_user.entry(user).or_insert(new);
        suspect.times = suspect.times.saturating_add(1);
        if suspect.others_got_through {
            return Scope::OneUser(suspect.times);
        }
        suspect.refused = sent;
        Scope::Undecided
    }

    /// What was sent for `user` at that time was answered.
    pub fn answered(&mut self, user: Uuid, sent: Instant) {
        self.by_user.remove(&user);
        for suspect in self.by_user.values_mut() {
            suspect.others_got_through |= suspect.refused < sent;
        }
    }

    /// How many users are undecided.
    pub fn open(&self) -> usize {
        self.by_user.values().filter(|suspect| !suspect.others_got_through).count()
    }

    /// The users that are undecided.
    pub fn waiting(&self) -> Vec<Uuid> {
        let open = self.by_user.iter().filter(|(_, suspect)| !suspect.others_got_through);
        open.map(|(user, _)| *user).collect()
    }

    /// How long an undecided user waits.
    pub fn delay(&self, user: Uuid) -> Duration {
        let times = self.by_user.get(&user).map_or(0, |suspect| suspect.times);
        policy::probe_delay(times.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> Uuid {
        Uuid::from_bytes([n; 16])
    }

    #[test]
    fn a_user_who_fails_while_others_are_answered_fails_alone() {
        let (mut suspects, start) = (Attribution::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(suspects.refused(user(1), at(1)), Scope::Undecided);
        suspects.answered(user(2), at(0)); // sent before: it says nothing
        assert_eq!(suspects.refused(user(1), at(2)), Scope::Undecided);
        assert_eq!(suspects.refused(user(3), at(2)), Scope::Undecided);
        assert_eq!(suspects.open(), 2);
        suspects.answered(user(2), at(3));
        assert_eq!(suspects.refused(user(1), at(4)), Scope::OneUser(3));
        assert_eq!(suspects.refused(user(2), at(4)), Scope::Undecided, "it was well before");
        suspects.answered(user(1), at(5));
        assert_eq!(suspects.refused(user(1), at(6)), Scope::Undecided, "forgiven");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut suspects = Attribution::default();
        for n in 0..=MAX_SUSPECTS as u128 {
            suspects.refused(Uuid::from_bytes(n.to_be_bytes()), Instant::now());
        }
        assert_eq!(suspects.by_user.len(), 1);
    }
}
