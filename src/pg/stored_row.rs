//! A row as it is stored, read column by column.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::values::{Column, Columns};

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
}

impl StoredRow<'_> {
    /// Whether there is such a column.
    pub fn has(&self, name: &CStr) -> bool {
        self.resolved(name).is_some()
    }

    fn resolved(&self, name: &CStr) -> Option<&Found> {
        match self.columns.iter().position(|wanted| wanted.name == name) {
            Some(n) => self.resolved[n].as_ref(),
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

    /// `None` for null.
    fn datum(&self, column: &Found) -> Option<pg_sys::Datum> {
        // SAFETY: the slot holds a row, and has as many values as the descriptor columns.
        unsafe {
            if i32::from((*self.slot).tts_nvalid) < column.number {
                pg_sys::slot_getsomeattrs_int(self.slot, column.number);
            }
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
    let mut resolved = vec![None; columns.len()];
    // SAFETY: as the caller says.
    for (name, found) in unsafe { attributes(descriptor) } {
        if let Some(n) = columns.iter().position(|wanted| wanted.name == name) {
            // What a virtual column computes is not in the row.
            if !columns[n].types.contains(&found.oid) || found.is_virtual {
                return None;
            }
            resolved[n] = Some(found);
        }
    }
    let is_there =
        |(found, wanted): (&Option<Found>, &Wanted)| found.is_some() || wanted.may_be_missing;
    resolved.iter().zip(columns).all(is_there).then_some(resolved)
}

/// The columns of a table, and their names.
///
/// # Safety
/// A valid descriptor, for as long as the names are looked at.
pub(super) unsafe fn attributes<'a>(
    descriptor: pg_sys::TupleDesc,
) -> impl Iterator<Item = (&'a CStr, Found)> {
    // SAFETY: as the caller says; a name is NUL-terminated within its field.
    let count = unsafe { (*descriptor).natts };
    // SAFETY: as above, of each column.
    (0..count).filter_map(move |n| unsafe {
        #[cfg(not(feature = "pg18"))]
        let attribute = &*(*descriptor).attrs.as_ptr().add(n as usize);
        #[cfg(feature = "pg18")]
        let attribute = &*pg_sys::TupleDescAttr(descriptor, n);
        let found = Found {
            number: n + 1,
            oid: attribute.atttypid,
            is_variable: attribute.attlen == -1,
            is_virtual: attribute.attgenerated as u8 == b'v',
        };
        (!attribute.attisdropped).then(|| (CStr::from_ptr(attribute.attname.data.as_ptr()), found))
    })
}
