//! Where the API key is read: a file, Vault, or the setting for development.
//!
//! SECURITY: the key lives in a [`cometchat::ApiKey`], which cannot be printed; no error here
//! says more than which setting is at fault.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use cometchat::ApiKey;

use crate::app::file_cache::{self, FileCache};
use crate::app::{self, KeySource};
use crate::store;
use sync::error::CallError;

thread_local! {
    static FILE: FileCache<(), Arc<ApiKey>> = const { FileCache::new() };
}

/// Bytes; a longer file is no key file.
const MAX_FILE: u64 = 4096;

/// The key as it is now, so that a rotated one is picked up by the next request.
///
/// # Errors
/// [`CallError::NotConfigured`] naming the source that is missing or malformed.
pub fn api_key() -> Result<Arc<ApiKey>, CallError> {
    match app::key_source() {
        KeySource::File(path) => FILE.with(|cache| cache.get(&path, &(), || from_file(&path))),
        KeySource::Setting(key) => {
            let key = key.into_string().map_err(|_| app::malformed("api_key"))?;
            checked(key, "api_key")
        }
        KeySource::Vault => match store::vault_secret("cometchat_api_key") {
            Some(key) => checked(without_newline(key), "Vault secret cometchat_api_key"),
            None => Err(CallError::NotConfigured("api_key is missing".into())),
        },
    }
}

fn from_file(path: &str) -> Result<(Arc<ApiKey>, Metadata), CallError> {
    let refused = |why: &str| CallError::NotConfigured(format!("api_key_file {why}"));
    let unreadable = |_| refused("cannot be read");
    let opened = file_cache::open(path).map_err(unreadable)?;
    let (file, meta) = opened.ok_or_else(|| refused("is not a regular file"))?;
    if let Some(why) = faulty_ownership(&meta) {
        return Err(refused(why));
    }
    let raw = file_cache::text(file, MAX_FILE).map_err(|e| match e.kind() {
        ErrorKind::InvalidData => app::malformed("api_key_file"),
        _ => unreadable(e),
    })?;
    Ok((checked(without_newline(raw), "api_key_file")?, meta))
}

fn checked(raw: String, name: &str) -> Result<Arc<ApiKey>, CallError> {
    ApiKey::new(raw).map(Arc::new).map_err(|_| app::malformed(name))
}

/// The rules of `ssl_key_file`: ours and closed to all others, or root's and readable by at
/// most our group.
fn faulty_ownership(meta: &Metadata) -> Option<&'static str> {
    let us = nix::unistd::geteuid().as_raw();
    match meta.uid() {
        owner if owner == us && meta.mode() & 0o077 == 0 => None,
        0 if meta.mode() & 0o037 == 0 => None,
        owner if owner == us || owner == 0 => Some("has group or world access"),
        _ => Some("must be owned by the database user or root"),
    }
}

fn without_newline(mut key: String) -> String {
    if key.ends_with('\n') {
        key.pop();
        if key.ends_with('\r') {
            key.pop();
        }
    }
    key
}
