//! The users of one app, by uid and in order of creation.

use super::ranks::{self, Ranks};
use super::user::User;
use std::collections::HashMap;
use std::sync::Arc;

/// Which users a listing covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Active,
    Deactivated,
    All,
}

/// All users of an app. Every operation is O(log n) or better, except scans asked for by a filter.
#[derive(Default)]
pub struct Store {
    users: HashMap<Arc<str>, User>,
    /// Uids in order of creation; a permanent deletion leaves a hole.
    slots: Vec<Option<Arc<str>>>,
    active: Ranks,
    deactivated: Ranks,
}

impl Store {
    pub fn contains(&self, uid: &str) -> bool {
        self.users.contains_key(uid)
    }

    /// A user in any state.
    pub fn any(&self, uid: &str) -> Option<&User> {
        self.users.get(uid)
    }

    /// A user the API admits to: deactivated ones count as unknown (QA, EG).
    pub fn active(&self, uid: &str) -> Option<&User> {
        self.users.get(uid).filter(|user| user.is_active())
    }

    /// As [`Store::active`], to change. `deactivated_at` must be changed through this type.
    pub fn active_mut(&mut self, uid: &str) -> Option<&mut User> {
        self.users.get_mut(uid).filter(|user| user.is_active())
    }

    /// Adds a user, or replaces the one of the same uid in its old place with its old tokens.
    pub fn insert(&mut self, mut user: User) -> &mut User {
        let uid = user.uid.clone();
        if let Some(old) = self.users.get_mut(&uid) {
            let was_active = old.is_active();
            user.slot = old.slot;
            user.tokens = std::mem::take(&mut old.tokens);
            if was_active != user.is_active() {
                self.active.set(user.slot as usize, user.is_active());
                self.deactivated.set(user.slot as usize, was_active);
            }
        } else {
            user.slot = self.slots.len() as u32;
            self.slots.push(Some(uid.clone()));
            self.active.push(user.is_active());
            self.deactivated.push(!user.is_active());
        }
        self.users.entry(uid).insert_entry(user).into_mut()
    }

    /// Deactivates (a time) or reactivates (0). `None`: unknown; `Some(false)`: already so.
    pub fn set_deactivated(&mut self, uid: &str, at: u32) -> Option<bool> {
        let user = self.users.get_mut(uid)?;
        let activate = at == 0;
        if user.is_active() == activate {
            return Some(false);
        }
        user.deactivated_at = at;
        self.active.set(user.slot as usize, activate);
        self.deactivated.set(user.slot as usize, !activate);
        Some(true)
    }

    /// Deletes for good.
    pub fn remove(&mut self, uid: &str) -> Option<User> {
        let user = self.users.remove(uid)?;
        let row = if user.is_active() { &mut self.active } else { &mut self.deactivated };
        row.set(user.slot as usize, false);
        self.slots[user.slot as usize] = None;
        Some(user)
    }

    pub fn count(&self, which: Which) -> usize {
        self.rows(which).iter().map(|row| row.total()).sum()
    }

    /// Up to `limit` users from the `offset`-th on, oldest first.
    pub fn page(
        &self,
        which: Which,
        offset: usize,
        limit: usize,
    ) -> impl Iterator<Item = &User> + '_ {
        let rows = self.rows(which);
        (offset..offset.saturating_add(limit)).map_while(move |k| self.at(ranks::select(&rows, k)?))
    }

    fn at(&self, slot: usize) -> Option<&User> {
        self.users.get(self.slots.get(slot)?.as_ref()?)
    }

    fn rows(&self, which: Which) -> Vec<&Ranks> {
        match which {
            Which::Active => vec![&self.active],
            Which::Deactivated => vec![&self.deactivated],
            Which::All => vec![&self.active, &self.deactivated],
        }
    }
}
