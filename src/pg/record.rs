//! Two versions of a row, as a trigger has them: whether columns of these names differ.
//!
//! By name and by value, whatever the columns' types are: a column that a trigger's definition names
//! cannot be changed without dropping the trigger. No operator of a type is called: `json` has no `=`,
//! and a type's operator may be another role's code.

use std::ffi::CStr;

use pgrx::datum::AnyElement;
use pgrx::pg_sys::{self, Datum};
use pgrx::PgTupleDesc;

/// `ExpandedObjectHeader`, of which only the address is used.
#[repr(C)]
struct Expanded {
    _private: [u8; 0],
}

unsafe extern "C-unwind" {
    // Exported by the server, missing from pgrx's bindings.
    fn DatumGetEOHP(value: Datum) -> *mut Expanded;
    fn expanded_record_fetch_tupdesc(record: *mut Expanded) -> pg_sys::TupleDesc;
    fn expanded_record_get_tuple(record: *mut Expanded) -> pg_sys::HeapTuple;
    fn datumIsEqual(a: Datum, b: Datum, by_value: bool, length: i32) -> bool;
    fn datum_image_eq(a: Datum, b: Datum, by_value: bool, length: i32) -> bool;
}

/// A row, as its columns.
struct Row {
    description: PgTupleDesc<'static>,
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

/// Whether a column of one of these names has another value in `new` than in `old`, two rows of one
/// table.
pub fn differ(old: AnyElement, new: AnyElement, names: &[&str]) -> bool {
    let (Some(old), Some(new)) = (Row::from_datum(old), Row::from_datum(new)) else { return true };
    if old.values.len() != new.values.len() {
        return true;
    }
    // Values first, and names of the few that differ: this runs at every login.
    (0..new.values.len()).any(|n| {
        let Some(column) = new.description.get(n) else { return false };
        let (by_value, length) = (column.attbyval, i32::from(column.attlen));
        let (old_value, new_value) = (old.values[n], new.values[n]);
        // A virtual generated column has no value here that could be compared.
        let seen = column.attgenerated as u8 != b'v';
        // SAFETY: two values of the column's type, not null: it compares what is stored, pointers to
        // what is stored out of line included, fetches nothing, and raises for null pointers only.
        let stored_same = seen
            && old.nulls[n] == new.nulls[n]
            && (new.nulls[n] || unsafe { datumIsEqual(old_value, new_value, by_value, length) });
        if stored_same || column.attisdropped || !is_one_of(&column.attname, names) {
            return false;
        }
        let comparable = seen && !old.nulls[n] && !new.nulls[n];
        // SAFETY: as above; it fetches what was written anew.
        !comparable || unsafe { !is_same(old_value, new_value, by_value, length) }
    })
}

impl Row {
    /// `None` for what is no row.
    fn from_datum(value: AnyElement) -> Option<Row> {
        // SAFETY: a row, as has been looked at. What plpgsql has in a record is expanded: its tuple is
        // read where it is, since a flat copy would fetch every value that is stored out of line. The
        // description lives as long as the record, or has a reference that is given back.
        unsafe {
            if !pg_sys::type_is_rowtype(value.oid()) {
                return None;
            }
            if is_expanded(value.datum()) {
                let (description, tuple) = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    let record = DatumGetEOHP(value.datum());
                    (expanded_record_fetch_tupdesc(record), expanded_record_get_tuple(record))
                });
                return Some(Row::read(PgTupleDesc::from_pg_unchecked(description), tuple));
            }
            let header = pg_sys::pg_detoast_datum(value.datum().cast_mut_ptr());
            let size = pgrx::varsize_any(header);
            let header = header.cast::<pg_sys::HeapTupleHeaderData>();
            let fields = (*header).t_choice.t_datum;
            let description =
                pg_sys::lookup_rowtype_tupdesc(fields.datum_typeid, fields.datum_typmod);
            let mut tuple = pg_sys::HeapTupleData {
                t_len: u32::try_from(size).unwrap_or(u32::MAX),
                t_data: header,
                ..Default::default()
            };
            Some(Row::read(PgTupleDesc::from_pg(description), &raw mut tuple))
        }
    }

    /// # Safety
    /// A tuple of this description, or a null pointer: a row of nulls.
    unsafe fn read(description: PgTupleDesc<'static>, tuple: pg_sys::HeapTuple) -> Row {
        let mut values = vec![Datum::null(); description.len()];
        let mut nulls = vec![true; description.len()];
        if !tuple.is_null() {
            let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
            // SAFETY: both have as many entries as there are columns.
            unsafe { pg_sys::heap_deform_tuple(tuple, description.as_ptr(), values, nulls) };
        }
        Row { description, values, nulls }
    }
}

/// # Safety
/// A value with a header (`varlena`).
unsafe fn is_expanded(value: Datum) -> bool {
    // `VARATT_IS_EXTERNAL_EXPANDED`: a one-byte header, and a tag of 2 (read-only) or 3.
    let bytes = value.cast_mut_ptr::<u8>();
    let one_byte = if cfg!(target_endian = "big") { 0x80 } else { 0x01 };
    // SAFETY: as the caller says; a one-byte header of this value is followed by a tag.
    unsafe { *bytes == one_byte && matches!(*bytes.add(1), 2 | 3) }
}

/// # Safety
/// Two values of one type, which has this length.
unsafe fn is_same(a: Datum, b: Datum, by_value: bool, length: i32) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| datum_image_eq(a, b, by_value, length))
    }
}

fn is_one_of(column: &pg_sys::NameData, names: &[&str]) -> bool {
    // SAFETY: a name in the catalog ends with NUL.
    let column = unsafe { CStr::from_ptr(column.data.as_ptr()) };
    names.iter().any(|name| name.as_bytes() == column.to_bytes())
}
