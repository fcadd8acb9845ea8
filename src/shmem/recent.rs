//! The latest entries of all databases, a bounded number: the oldest makes room.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::spin_lock::SpinLock;

/// Entries that are remembered at the same time.
const CAPACITY: usize = 256;

/// Entries, each of one database, until the worker of that database has dealt with them.
pub struct Recent<T> {
    entries: SpinLock<Entries<T>>,
    /// How many there are, of all databases. As a rule there are none, and a reader learns that
    /// without the lock.
    count: AtomicUsize,
}

struct Entries<T> {
    entries: [Option<(u32, T)>; CAPACITY],
    /// Where the next one goes when all places are taken.
    next: usize,
}

impl<T: Copy + PartialEq> Recent<T> {
    pub(super) const fn new() -> Self {
        let entries = Entries { entries: [None; CAPACITY], next: 0 };
        Recent { entries: SpinLock::new(entries), count: AtomicUsize::new(0) }
    }

    /// Remembers an entry; one that is there already is not remembered twice.
    pub fn add(&self, database: u32, value: T) {
        self.with(|list| {
            let entry = Some((database, value));
            if list.entries.contains(&entry) {
                return;
            }
            let free = list.entries.iter().position(Option::is_none);
            let at = free.unwrap_or(list.next);
            list.next = (at + 1) % CAPACITY;
            list.entries[at] = entry;
        });
    }

    /// Whether this entry of the database is there.
    pub fn contains(&self, database: u32, value: T) -> bool {
        !self.is_empty() && self.with(|list| list.entries.contains(&Some((database, value))))
    }

    /// The entries of a database.
    pub fn of_database(&self, database: u32) -> Vec<T> {
        if self.is_empty() {
            return Vec::new();
        }
        self.with(|list| {
            let entries = list.entries.iter().flatten();
            entries.filter(|(of, _)| *of == database).map(|(_, value)| *value).collect()
        })
    }

    /// Takes the entries of a database.
    pub fn take(&self, database: u32) -> Vec<T> {
        if self.is_empty() {
            return Vec::new();
        }
        self.with(|list| {
            let of_database = |entry: &mut Option<_>| {
                entry.take_if(|(of, _)| *of == database).map(|(_, value)| value)
            };
            list.entries.iter_mut().filter_map(of_database).collect()
        })
    }

    /// Forgets these entries of a database.
    pub fn remove(&self, database: u32, values: &[T]) {
        if values.is_empty() {
            return;
        }
        self.with(|list| {
            for entry in &mut list.entries {
                entry.take_if(|(of, value)| *of == database && values.contains(value));
            }
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn with<R>(&self, f: impl FnOnce(&mut Entries<T>) -> R) -> R {
        self.entries.with(|list| {
            let value = f(list);
            self.count.store(list.entries.iter().flatten().count(), Ordering::Release);
            value
        })
    }
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;

    #[pg_test]
    fn entries_are_kept_for_each_database_until_they_are_removed() {
        let recent = Recent::new();
        recent.add(1, 'a');
        recent.add(1, 'a');
        recent.add(2, 'b');
        assert_eq!(recent.of_database(1), ['a']);
        recent.remove(1, &['a', 'b']);
        assert!(recent.of_database(1).is_empty());
        assert!(recent.contains(2, 'b'), "another database's");
        assert_eq!(recent.take(2), ['b']);
        assert!(recent.is_empty());
    }

    #[pg_test]
    fn without_room_the_oldest_entry_goes() {
        let recent = Recent::new();
        for n in 0..=CAPACITY {
            recent.add(1, n);
        }
        assert_eq!(recent.of_database(1).len(), CAPACITY);
        assert!(recent.contains(1, CAPACITY));
        assert!(!recent.contains(1, 0));
    }
}
