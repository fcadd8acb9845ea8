//! Functions of Postgres's that cannot raise an error, called without what guards against one.
//!
//! pgrx saves the processor's registers before each call into the server, to come back from an error: some
//! 70 instructions, which one login that is answered from what is stored spent 80 times on these.

use pgrx::pg_sys;

unsafe extern "C-unwind" {
    fn GetDatabaseEncoding() -> i32;
    fn getKeyJsonValueFromContainer(
        container: *mut pg_sys::JsonbContainer,
        key: *const std::ffi::c_char,
        length: i32,
        value: *mut pg_sys::JsonbValue,
    ) -> *mut pg_sys::JsonbValue;
}

/// The database's encoding, from when the process has connected.
pub fn database_encoding() -> i32 {
    // SAFETY: reads a global.
    unsafe { GetDatabaseEncoding() }
}

/// Fills `value` from an object's member, and says whether there is one.
///
/// # Safety
/// A container that is an object, and room for a value. (Without room the function would allocate, which
/// can raise an error.)
pub unsafe fn member(
    container: *mut pg_sys::JsonbContainer,
    key: &[u8],
    value: &mut std::mem::MaybeUninit<pg_sys::JsonbValue>,
) -> bool {
    let Ok(length) = i32::try_from(key.len()) else { return false };
    // SAFETY: as the caller says; the key is only read during the call.
    unsafe {
        let key = key.as_ptr().cast();
        !getKeyJsonValueFromContainer(container, key, length, value.as_mut_ptr()).is_null()
    }
}
