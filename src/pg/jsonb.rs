//! A `jsonb` value, read where it is.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use pgrx::pg_sys;

use super::values::Column;
use super::{text, unguarded};

/// A detoasted value. It lives as long as the memory context that it was read in.
pub struct Jsonb(*mut pg_sys::JsonbContainer);

/// What is found at a path, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Text(String),
    /// Something else, or nothing.
    NoText,
    /// The path leads into an array.
    Array,
}

const IS_OBJECT: u32 = pg_sys::JB_FOBJECT;
const IS_ARRAY: u32 = pg_sys::JB_FARRAY;

impl Column for Jsonb {
    const TYPES: &'static [pg_sys::Oid] = &[pg_sys::JSONBOID];
    unsafe fn read(datum: pg_sys::Datum) -> Self {
        // SAFETY: a jsonb; the container is its part that follows the header.
        unsafe {
            let value = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::Jsonb>();
            Jsonb(&raw mut (*value).root)
        }
    }
}

impl Jsonb {
    /// The string at a path of keys, at most its first `max_chars` characters.
    pub fn string(&self, path: &[String], max_chars: usize) -> Found {
        let mut container = self.0;
        let mut steps = path.iter().peekable();
        while let Some(step) = steps.next() {
            // SAFETY: a container of a value that is detoasted; what is found points into it.
            unsafe {
                let header = (*container).header;
                if header & IS_ARRAY != 0 && container != self.0 {
                    return Found::Array;
                }
                if header & IS_OBJECT == 0 {
                    return Found::NoText;
                }
                let Some(value) = member(container, step) else { return Found::NoText };
                if steps.peek().is_none() {
                    return text_of(&value, max_chars);
                }
                if value.type_ != pg_sys::jbvType::jbvBinary {
                    return Found::NoText;
                }
                container = value.val.binary.data;
            }
        }
        Found::NoText
    }

    /// Whether it is an object with this key.
    pub fn has(&self, key: &str) -> bool {
        // SAFETY: a container of a value that is detoasted.
        unsafe { (*self.0).header & IS_OBJECT != 0 && member(self.0, key).is_some() }
    }

    /// The whole value as text.
    pub fn text(&self) -> String {
        // SAFETY: a container of a value that is detoasted; the length is only a first guess.
        unsafe {
            let text = pg_sys::JsonbToCString(std::ptr::null_mut(), self.0, 64);
            text::from_server(CStr::from_ptr(text).to_bytes())
        }
    }
}

/// # Safety
/// A container that is an object.
unsafe fn member(container: *mut pg_sys::JsonbContainer, key: &str) -> Option<pg_sys::JsonbValue> {
    let mut value = MaybeUninit::uninit();
    // SAFETY: as the caller says; the value is filled where it is found.
    unsafe {
        let found = unguarded::member(container, &text::to_server(key), &mut value);
        found.then(|| value.assume_init())
    }
}

/// # Safety
/// A value that points into one that is detoasted.
unsafe fn text_of(value: &pg_sys::JsonbValue, max_chars: usize) -> Found {
    if value.type_ != pg_sys::jbvType::jbvString {
        return Found::NoText;
    }
    // SAFETY: as the caller says; a string of that many bytes.
    let bytes = unsafe {
        let string = value.val.string;
        std::slice::from_raw_parts(string.val.cast::<u8>(), string.len as usize)
    };
    let mut text = text::from_server(bytes);
    if let Some((end, _)) = text.char_indices().nth(max_chars) {
        text.truncate(end);
    }
    Found::Text(text)
}
