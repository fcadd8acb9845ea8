//! Values on their way into statements and out of rows: each type that we use, and no other.

use std::ffi::CStr;

use pgrx::pg_sys;
use uuid::Uuid;

use super::text;

/// An argument with its type.
pub struct Arg {
    pub(super) value: Option<pg_sys::Datum>,
    pub(super) oid: pg_sys::Oid,
}

/// What a column can be read as.
pub trait Column: Sized {
    /// The types of Postgres's that it reads.
    const TYPES: &'static [pg_sys::Oid];

    /// # Safety
    /// A valid datum of one of [`Self::TYPES`], not null.
    unsafe fn read(datum: pg_sys::Datum) -> Self;
}

/// A row whose columns are read by their names.
pub trait Columns {
    /// The value in a column; `None` for null. One that is not of the type is a mistake of ours, and an
    /// error.
    fn get<T: Column>(&self, name: &CStr) -> Option<T>;

    /// A flag; null is false.
    fn flag(&self, name: &CStr) -> bool {
        self.get(name).unwrap_or(false)
    }
}

impl Column for String {
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::TEXTOID, pg_sys::VARCHAROID];
    unsafe fn read(datum: pg_sys::Datum) -> Self {
        // SAFETY: as the caller says.
        unsafe { text::from_datum(datum) }
    }
}

/// An array of texts, with its nulls.
impl Column for Vec<Option<String>> {
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::TEXTARRAYOID];
    unsafe fn read(datum: pg_sys::Datum) -> Self {
        let (mut values, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        // SAFETY: an array of text, whose storage is the one given; both results have `count`
        // entries.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            pg_sys::deconstruct_array(
                array,
                pg_sys::TEXTOID,
                -1,
                false,
                b'i' as _,
                &raw mut values,
                &raw mut nulls,
                &raw mut count,
            );
            (0..count as usize)
                .map(|n| (!*nulls.add(n)).then(|| text::from_datum(*values.add(n))))
                .collect()
        }
    }
}

macro_rules! plain_columns {
    ($($rust:ty: $oid:ident),*) => { $(
        impl Column for $rust {
            const TYPES: &'static [pg_sys::Oid] = &[pg_sys::$oid];
            unsafe fn read(datum: pg_sys::Datum) -> Self {
                // SAFETY: as the caller says; not null, so there is a value.
                unsafe { pgrx::FromDatum::from_datum(datum, false) }.unwrap_or_default()
            }
        }
    )* };
}
plain_columns!(bool: BOOLOID, i32: INT4OID, i64: INT8OID);

impl Column for Uuid {
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::UUIDOID];
    unsafe fn read(datum: pg_sys::Datum) -> Self {
        // SAFETY: as the caller says.
        let read = unsafe { <pgrx::Uuid as pgrx::FromDatum>::from_datum(datum, false) };
        read.map_or(Uuid::nil(), |uuid| Uuid::from_bytes(*uuid.as_bytes()))
    }
}

/// Microseconds since 2000, as Postgres counts.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp(pub i64);

impl Column for Timestamp {
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::TIMESTAMPTZOID];
    unsafe fn read(datum: pg_sys::Datum) -> Self {
        // SAFETY: a timestamp is passed as the eight bytes of an integer.
        Timestamp(unsafe { pgrx::FromDatum::from_datum(datum, false) }.unwrap_or_default())
    }
}

impl Value for Timestamp {
    const TYPE: pg_sys::Oid = pg_sys::TIMESTAMPTZOID;
    const ARRAY: pg_sys::Oid = pg_sys::TIMESTAMPTZARRAYOID;
    fn datum(self) -> Option<pg_sys::Datum> {
        Some(pg_sys::Datum::from(self.0))
    }
}

/// What can be an argument, alone, as an `Option`, or many in an array.
pub trait Value {
    const TYPE: pg_sys::Oid;
    const ARRAY: pg_sys::Oid;
    fn datum(self) -> Option<pg_sys::Datum>;
}

macro_rules! plain_values {
    ($($rust:ty: $oid:ident $array:ident),*) => { $(
        impl Value for $rust {
            const TYPE: pg_sys::Oid = pg_sys::$oid;
            const ARRAY: pg_sys::Oid = pg_sys::$array;
            fn datum(self) -> Option<pg_sys::Datum> {
                pgrx::IntoDatum::into_datum(self)
            }
        }
    )* };
}
plain_values!(
    bool: BOOLOID BOOLARRAYOID,
    i32: INT4OID INT4ARRAYOID,
    i64: INT8OID INT8ARRAYOID,
    pg_sys::Oid: OIDOID OIDARRAYOID
);

impl Value for Uuid {
    const TYPE: pg_sys::Oid = pg_sys::UUIDOID;
    const ARRAY: pg_sys::Oid = pg_sys::UUIDARRAYOID;
    fn datum(self) -> Option<pg_sys::Datum> {
        pgrx::IntoDatum::into_datum(pgrx::Uuid::from_bytes(self.into_bytes()))
    }
}

impl Value for &str {
    const TYPE: pg_sys::Oid = pg_sys::TEXTOID;
    const ARRAY: pg_sys::Oid = pg_sys::TEXTARRAYOID;
    fn datum(self) -> Option<pg_sys::Datum> {
        Some(text::into_datum(self))
    }
}

impl Value for String {
    const TYPE: pg_sys::Oid = pg_sys::TEXTOID;
    const ARRAY: pg_sys::Oid = pg_sys::TEXTARRAYOID;
    fn datum(self) -> Option<pg_sys::Datum> {
        Some(text::into_datum(&self))
    }
}

impl<T: Value> Value for Option<T> {
    const TYPE: pg_sys::Oid = T::TYPE;
    const ARRAY: pg_sys::Oid = T::ARRAY;
    fn datum(self) -> Option<pg_sys::Datum> {
        self.and_then(Value::datum)
    }
}

impl<T: Value> From<T> for Arg {
    fn from(value: T) -> Self {
        Arg { value: value.datum(), oid: T::TYPE }
    }
}

/// An array of texts, say; `None` in it is null.
pub fn array<T: Value>(values: impl IntoIterator<Item = T>) -> Arg {
    // SAFETY: elements of the type that the state was made for, in the current memory context.
    let value = unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let state = pg_sys::initArrayResult(T::TYPE, context, false);
        for value in values {
            let datum = value.datum();
            let null = datum.is_none();
            let datum = datum.unwrap_or(pg_sys::Datum::null());
            pg_sys::accumArrayResult(state, datum, null, T::TYPE, context);
        }
        pg_sys::makeArrayResult(state, context)
    };
    Arg { value: Some(value), oid: T::ARRAY }
}

/// No array at all.
pub fn null_array<T: Value>() -> Arg {
    Arg { value: None, oid: T::ARRAY }
}
