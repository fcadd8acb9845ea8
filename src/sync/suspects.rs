//! Whose failure it is. A refusal that reads as if it concerned everybody may be about one user: a
//! firewall that dislikes a name, an answer about somebody that cannot be read. Whether others get
//! through meanwhile tells the two apart.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::Uuid;

use super::retry;

/// Never more than this are remembered.
const MOST: usize = 1000;

/// Users who were refused and not answered since.
#[derive(Default)]
pub struct Suspects {
    by_user: HashMap<Uuid, Suspect>,
}

struct Suspect {
    /// When the refused request had been sent.
    refused: Instant,
    times: u32,
    /// Somebody else was answered to what was sent later.
    others_got_through: bool,
}

/// Whom a refusal concerns.
#[derive(Debug, PartialEq, Eq)]
pub enum Guilt {
    /// Everybody, for all that is known.
    Open,
    /// The user alone, who was refused so many times.
    Own(u32),
}

impl Suspects {
    /// What was sent for `user` at that time was refused.
    pub fn refused(&mut self, user: Uuid, sent: Instant) -> Guilt {
        if self.by_user.len() >= MOST && !self.by_user.contains_key(&user) {
            self.by_user.clear();
        }
        let new = Suspect { refused: sent, times: 0, others_got_through: false };
        let suspect = self.by_user.entry(user).or_insert(new);
        suspect.times = suspect.times.saturating_add(1);
        if suspect.others_got_through {
            return Guilt::Own(suspect.times);
        }
        suspect.refused = sent;
        Guilt::Open
    }

    /// What was sent for `user` at that time was answered.
    pub fn answered(&mut self, user: Uuid, sent: Instant) {
        self.by_user.remove(&user);
        for suspect in self.by_user.values_mut() {
            suspect.others_got_through |= suspect.refused < sent;
        }
    }

    /// How many there are of whom it is not known yet.
    pub fn open(&self) -> usize {
        self.by_user.values().filter(|suspect| !suspect.others_got_through).count()
    }

    /// Those of whom it is not known yet.
    pub fn waiting(&self) -> Vec<Uuid> {
        let open = self.by_user.iter().filter(|(_, suspect)| !suspect.others_got_through);
        open.map(|(user, _)| *user).collect()
    }

    /// How long a user is put aside of whom it is not known yet.
    pub fn delay(&self, user: Uuid) -> Duration {
        let times = self.by_user.get(&user).map_or(0, |suspect| suspect.times);
        retry::probe_delay(times.saturating_sub(1))
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    fn user(n: u8) -> Uuid {
        Uuid::from_bytes([n; 16])
    }

    #[pg_test]
    fn who_fails_while_others_get_through_fails_alone() {
        let (mut suspects, start) = (Suspects::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(suspects.refused(user(1), at(1)), Guilt::Open);
        suspects.answered(user(2), at(0)); // sent before: it says nothing
        assert_eq!(suspects.refused(user(1), at(2)), Guilt::Open);
        assert_eq!(suspects.refused(user(3), at(2)), Guilt::Open);
        assert_eq!(suspects.open(), 2);
        suspects.answered(user(2), at(3));
        assert_eq!(suspects.refused(user(1), at(4)), Guilt::Own(3));
        assert_eq!(suspects.refused(user(2), at(4)), Guilt::Open, "it was well before");
        suspects.answered(user(1), at(5));
        assert_eq!(suspects.refused(user(1), at(6)), Guilt::Open, "forgiven");
    }

    #[pg_test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut suspects = Suspects::default();
        for n in 0..=MOST as u128 {
            suspects.refused(Uuid::from_bytes(n.to_be_bytes()), Instant::now());
        }
        assert_eq!(suspects.by_user.len(), 1);
    }
}
