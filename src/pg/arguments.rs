//! Types of our SQL functions' arguments and results, converted by [`super::text`].

use std::ffi::CString;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{impl_sql_translatable, pg_sys};
use serde::Serialize;

use super::text::{from_datum, prefix_from_datum, to_server};

/// Bytes of an argument that are read: no name or address is longer.
const MAX_ARGUMENT: usize = 16 * 1024;

/// An argument of type `text`, converted.
#[derive(Clone, Debug)]
pub struct Text(pub String);

// SAFETY: the declared type is text, and `from_datum` is given only values that are not null.
unsafe impl<'fcx> ArgAbi<'fcx> for Text {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as the caller promises.
        match unsafe { Self::unbox_nullable_arg(arg) } {
            Nullable::Valid(text) => text,
            Nullable::Null => Text(String::new()),
        }
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: Postgres passes text where text was declared.
        match unsafe { arg.unbox_arg_using_from_datum::<RawText>() } {
            Some(RawText(text)) => Nullable::Valid(Text(text)),
            None => Nullable::Null,
        }
    }
}

struct RawText(String);

impl pgrx::FromDatum for RawText {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Self> {
        // SAFETY: as for `from_datum`, which is not called for null.
        (!is_null).then(|| RawText(unsafe { prefix_from_datum(MAX_ARGUMENT, datum) }))
    }
}

impl_sql_translatable!(Text, "text");

/// An argument of type `text` of which the end matters: never cut.
#[derive(Clone, Debug)]
pub struct WholeText(pub String);

// SAFETY: as for [`Text`].
unsafe impl<'fcx> ArgAbi<'fcx> for WholeText {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: as the caller promises.
        match unsafe { Self::unbox_nullable_arg(arg) } {
            Nullable::Valid(text) => text,
            Nullable::Null => WholeText(String::new()),
        }
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: Postgres passes text where text was declared.
        match unsafe { arg.unbox_arg_using_from_datum::<RawWholeText>() } {
            Some(RawWholeText(text)) => Nullable::Valid(WholeText(text)),
            None => Nullable::Null,
        }
    }
}

struct RawWholeText(String);

impl pgrx::FromDatum for RawWholeText {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Self> {
        // SAFETY: as for `from_datum`, which is not called for null.
        (!is_null).then(|| RawWholeText(unsafe { from_datum(datum) }))
    }
}

impl_sql_translatable!(WholeText, "text");

/// An answer of type `jsonb`: JSON as text.
#[derive(Debug)]
pub struct Json(String);

impl Json {
    /// Without a tree of values between, which would cost a login as much as reading its row.
    pub fn of(value: &impl Serialize) -> Json {
        // Cannot fail: keys are strings, and no value of ours refuses.
        Json(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
    }
}

// SAFETY: declared as jsonb, which is what `jsonb_in` returns.
unsafe impl BoxRet for Json {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // JSON has no NUL in it, and to_server leaves none.
        let text = CString::new(to_server(&self.0).into_owned()).unwrap_or_default();
        // SAFETY: a NUL-terminated text, which jsonb_in reads and does not keep.
        unsafe {
            let text = Some(pg_sys::Datum::from(text.as_ptr()));
            match pgrx::direct_function_call::<pg_sys::Datum>(pg_sys::jsonb_in, &[text]) {
                Some(datum) => fcinfo.return_raw_datum(datum),
                None => fcinfo.return_null(),
            }
        }
    }
}

impl_sql_translatable!(Json, "jsonb");
