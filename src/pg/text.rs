//! Text between Postgres and Rust: the one place where bytes become a `String`, and the reverse.
//!
//! SECURITY: a database's encoding need not be UTF-8, and in SQL_ASCII any bytes are text. A `&str`
//! that is made of unchecked bytes reads beyond its end. So bytes are converted with the server's
//! own functions here, and nothing else in this library makes text of Postgres's bytes.

use std::borrow::Cow;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::unguarded::database_encoding as encoding;

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;
const SQL_ASCII: i32 = pg_sys::pg_enc::PG_SQL_ASCII as i32;

/// No character needs more bytes than this in another encoding
/// (`MAX_CONVERSION_GROWTH` of mb/pg_wchar.h).
const GROWTH: usize = 4;

/// How much is converted at a time.
const PIECE: usize = 4096;

/// Text of the database's encoding as Rust has it. What cannot be converted becomes U+FFFD, a byte
/// at a time. Must run inside a transaction.
pub fn from_server(bytes: &[u8]) -> String {
    match encoding() {
        other if other != UTF8 && other != SQL_ASCII && !bytes.is_ascii() => {
            let mut text = String::with_capacity(bytes.len() * 2);
            let mut rest = bytes;
            while !rest.is_empty() {
                let (read, converted) = convert(rest, other, UTF8);
                text.push_str(&String::from_utf8_lossy(&converted));
                let mut read = read;
                if read == 0 {
                    text.push(char::REPLACEMENT_CHARACTER);
                    read = length_of_first(rest, other);
                }
                rest = rest.get(read..).unwrap_or_default();
            }
            text
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        },
    }
}

/// Text in the database's encoding. A character that the encoding lacks becomes `?`, and so does
/// NUL, which no text of Postgres's can have. Must run inside a transaction.
pub fn to_server(text: &str) -> Cow<'_, [u8]> {
    let has_nul = text.as_bytes().contains(&0);
    let text = if has_nul { Cow::Owned(text.replace('\0', "?")) } else { text.into() };
    match encoding() {
        other if other != UTF8 && other != SQL_ASCII && !text.is_ascii() => {
            let mut bytes = Vec::with_capacity(text.len());
            let mut rest = &*text;
            while let Some(first) = rest.chars().next() {
                let (read, mut converted) = convert(rest.as_bytes(), UTF8, other);
                bytes.append(&mut converted);
                if read == 0 {
                    bytes.push(b'?');
                }
                let read = if read == 0 { first.len_utf8() } else { read };
                rest = rest.get(read..).unwrap_or_default();
            }
            Cow::Owned(bytes)
        }
        _ => match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    }
}

/// A C string of Postgres's; `None` for NULL.
///
/// # Safety
/// NULL, or NUL-terminated and valid for the time of the call.
pub unsafe fn from_c_string(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: as above.
    (!text.is_null()).then(|| from_server(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// The text in a datum of type `text` (or `varchar`, `name` excluded), copied.
///
/// # Safety
/// A valid datum of such a type, not null.
pub unsafe fn from_datum(datum: pg_sys::Datum) -> String {
    // SAFETY: as the caller says.
    unsafe { prefix_from_datum(usize::MAX, datum) }
}

/// At most the first `max` bytes of it.
///
/// # Safety
/// As of [`from_datum`].
pub(super) unsafe fn prefix_from_datum(max: usize, datum: pg_sys::Datum) -> String {
    // SAFETY: a varlena of Postgres's; the length is the one in its own header, and the bytes are
    // copied before what was detoasted is freed.
    unsafe {
        let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
        let plain = pg_sys::pg_detoast_datum_packed(stored);
        let bytes = pgrx::varlena_to_byte_slice(plain);
        let text = from_server(&bytes[..bytes.len().min(max)]);
        if plain != stored {
            pg_sys::pfree(plain.cast());
        }
        text
    }
}

/// A datum of type `text` in the current memory context.
pub fn into_datum(text: &str) -> pg_sys::Datum {
    let bytes = to_server(text);
    // A gigabyte is refused by palloc long before the length could overflow.
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    // SAFETY: the bytes live until the call is over, which copies them.
    unsafe { pg_sys::cstring_to_text_with_len(bytes.as_ptr().cast(), length).into() }
}

/// How many bytes the first character takes, by its first byte; one that is cut takes what is left.
fn length_of_first(bytes: &[u8], encoding: i32) -> usize {
    // Some encodings look at the second byte too, so there must be one.
    let mut first = [0_u8; 5];
    let known = bytes.len().min(4);
    first[..known].copy_from_slice(&bytes[..known]);
    // SAFETY: a buffer that ends with NUL, longer than what is looked at.
    let length = unsafe { pg_sys::pg_encoding_mblen(encoding, first.as_ptr().cast()) };
    usize::try_from(length).unwrap_or(1).clamp(1, bytes.len().max(1))
}

/// Converts as far as that is possible: how many bytes were read, and what they are.
fn convert(bytes: &[u8], from: i32, to: i32) -> (usize, Vec<u8>) {
    // Long texts in pieces: the buffer's length is an int. What a piece ends in the middle of is
    // the beginning of the next one.
    let bytes = &bytes[..bytes.len().min(PIECE)];
    pgrx::check_for_interrupts!();
    let mut buffer = vec![0_u8; bytes.len() * GROWTH + 1];
    // SAFETY: the lengths are those of the two slices; the function stops at what it cannot
    // convert (noError), and ends what it has written with NUL.
    let read = unsafe {
        let procedure = pg_sys::FindDefaultConversionProc(from, to);
        if procedure == pg_sys::InvalidOid {
            return (0, Vec::new());
        }
        pg_sys::pg_do_encoding_conversion_buf(
            procedure,
            from,
            to,
            bytes.as_ptr().cast_mut(),
            bytes.len() as i32,
            buffer.as_mut_ptr(),
            buffer.len() as i32,
            true,
        )
    };
    let written = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    buffer.truncate(written);
    (usize::try_from(read).unwrap_or(0), buffer)
}
