//! A row as it is stored, read column by column.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::values::{Column, Columns};

const NAME_LENGTH: usize = pg_sys::NAMEDATALEN as usize;

/// A column that is read, and the types that it may have.
pub struct Wanted {
    pub name: &'static CStr,
    pub types: &'static [pg_sys::Oid],
    pub may_be_missing: bool,
}

/// A column as the table's descriptor has it.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// From 1.
    pub(super) number: i32,
    oid: pg_sys::Oid,
    /// Of variable length.
    is_variable: bool,
    /// Computed when it is read (from 18 on).
    is_virtual: bool,
}

/// A row, while its table is being read.
pub struct StoredRow<'a> {
    pub(super) slot: *mut pg_sys::TupleTableSlot,
    pub(super) columns: &'a [Wanted],
    /// In the order of `columns`; `None` for one that is missing.
    pub(super) resolved: &'a [Option<Found>],
    /// Where the next one that is asked for is looked for first.
    pub(super) next: Cell<usize>,
}

impl StoredRow<'_> {
    /// Whether there is such a column.
    pub fn has(&self, name: &CStr) -> bool {
        self.resolved(name).is_some()
    }

    fn resolved(&self, name: &CStr) -> Option<&Found> {
        let (before, after) = self.columns.split_at(self.next.get());
        let is_it = |(_, wanted): &(usize, &Wanted)| wanted.name == name;
        let found = (before.len()..).zip(after).find(is_it);
        match found.or_else(|| before.iter().enumerate().find(is_it)) {
            Some((n, _)) => {
                self.next.set(n + 1);
                self.resolved[n].as_ref()
            }
            None => pgrx::error!("cometchat_ext: column {name:?} is not among those that are read"),
        }
    }

    /// Whether a value is in the row itself, as it is.
    pub(super) fn is_inline(&self, column: &Found) -> bool {
        match self.datum(column) {
            // SAFETY: a value of variable length begins with its header.
            Some(datum) if column.is_variable => unsafe {
                let value = datum.cast_mut_ptr::<pg_sys::varlena>();
                !pgrx::varatt_is_1b_e(value) && !pgrx::varatt_is_4b_c(value)
            },
            _ => true,
        }
    }

    /// Takes the row apart, as far as it is looked at.
    pub(super) fn take_apart(&self) {
        let last = self.resolved.iter().flatten().map(|column| column.number).max();
        // SAFETY: the slot holds a row, and the number is one of its descriptor's.
        unsafe {
            if let Some(last) = last.filter(|last| i32::from((*self.slot).tts_nvalid) < *last) {
                pg_sys::slot_getsomeattrs_int(self.slot, last);
            }
        }
    }

    /// `None` for null.
    fn datum(&self, column: &Found) -> Option<pg_sys::Datum> {
        // SAFETY: the slot has as many values as the descriptor columns, and was taken apart.
        unsafe {
            let at = column.number as usize - 1;
            let null = *(*self.slot).tts_isnull.add(at);
            (!null).then(|| *(*self.slot).tts_values.add(at))
        }
    }
}

impl Columns for StoredRow<'_> {
    /// `None` also if the column is missing. One that is not among those that are wanted is a mistake of
    /// ours, and an error.
    fn get<T: Column>(&self, name: &CStr) -> Option<T> {
        let found = self.resolved(name)?;
        if !T::TYPES.contains(&found.oid) {
            pgrx::error!("cometchat_ext: column {name:?} has type {}", found.oid.to_u32());
        }
        // SAFETY: the datum is not null, and of the type that was checked.
        self.datum(found).map(|datum| unsafe { T::read(datum) })
    }
}

/// Where these columns of a table are, each stored as one of its types, or missing where it may be.
///
/// # Safety
/// A valid descriptor.
pub(super) unsafe fn resolve(
    descriptor: pg_sys::TupleDesc,
    columns: &[Wanted],
) -> Option<Vec<Option<Found>>> {
    let mut resolved = Vec::with_capacity(columns.len());
    let mut after = 0;
    for wanted in columns {
        // SAFETY: as the caller says.
        let found = unsafe { column(descriptor, wanted.name, after) };
        let may_be_read = match &found {
            // What a virtual column computes is not in the row.
            Some(found) => wanted.types.contains(&found.oid) && !found.is_virtual,
            None => wanted.may_be_missing,
        };
        if !may_be_read {
            return None;
        }
        after = found.map_or(after, |found| found.number);
        resolved.push(found);
    }
    Some(resolved)
}

/// The column of that name. The search begins behind the column `after`, and goes round: who asks in
/// the table's order finds each at once.
///
/// # Safety
/// A valid descriptor, of at least `after` columns.
pub(super) unsafe fn column(
    descriptor: pg_sys::TupleDesc,
    name: &CStr,
    after: i32,
) -> Option<Found> {
    let name = name.to_bytes_with_nul();
    // SAFETY: as the caller says.
    let count = unsafe { (*descriptor).natts };
    let is_it = |n: i32| {
        // SAFETY: one of its columns, whose name is NUL-terminated within its field.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            let attribute = &*(*descriptor).attrs.as_ptr().add(n as usize);
            #[cfg(feature = "pg18")]
            let attribute = &*pg_sys::TupleDescAttr(descriptor, n);
            let theirs = &*(&raw const attribute.attname.data).cast::<[u8; NAME_LENGTH]>();
            let is_it = theirs[0] == name[0] && theirs.starts_with(name);
            (is_it && !attribute.attisdropped).then(|| Found {
                number: n + 1,
                oid: attribute.atttypid,
                is_variable: attribute.attlen == -1,
                is_virtual: attribute.attgenerated as u8 == b'v',
            })
        }
    };
    (after..count).find_map(is_it).or_else(|| (0..after).find_map(is_it))
}
