//! Where the API key is read: a file, Vault, or the setting for development.
//!
//! SECURITY: the key lives in a [`cometchat::ApiKey`], which cannot be printed; no error here
//! says more than which setting is at fault.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

use cometchat::ApiKey;

use crate::config::{self, KeySource};
use crate::failure::Failure;
use crate::users;

/// Longer files are no key files.
const MAX_FILE: u64 = 4096;

/// Reads the key anew, so that a rotated one is picked up by the next request.
///
/// # Errors
/// [`Failure::NotConfigured`] naming the source that is missing or malformed.
pub fn api_key() -> Result<Arc<ApiKey>, Failure> {
    let (raw, name) = match config::key_source() {
        KeySource::File(path) => (from_file(&path)?, "api_key_file"),
        KeySource::Setting(key) => {
            (key.into_string().map_err(|_| config::malformed("api_key"))?, "api_key")
        }
        KeySource::Vault => match users::vault_secret("cometchat_api_key") {
            Some(key) => (without_newline(key), "Vault secret cometchat_api_key"),
            None => return Err(Failure::NotConfigured("api_key is missing".into())),
        },
    };
    ApiKey::new(raw).map(Arc::new).map_err(|_| config::malformed(name))
}

fn from_file(path: &str) -> Result<String, Failure> {
    let unreadable = |_| Failure::NotConfigured("api_key_file cannot be read".into());
    // Non-blocking, so that a FIFO in its place cannot hold the backend up.
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(unreadable)?;
    check_ownership(&file)?;
    let mut key = String::new();
    file.take(MAX_FILE).read_to_string(&mut key).map_err(unreadable)?;
    Ok(without_newline(key))
}

/// The rules of `ssl_key_file`: ours and closed to everybody else, or root's and readable by at
/// most our group.
fn check_ownership(file: &File) -> Result<(), Failure> {
    let refused = |why: &str| Err(Failure::NotConfigured(format!("api_key_file {why}")));
    let Ok(meta) = file.metadata() else { return refused("cannot be read") };
    if !meta.is_file() {
        return refused("is not a regular file");
    }
    let us = nix::unistd::geteuid().as_raw();
    match meta.uid() {
        owner if owner == us && meta.mode() & 0o077 == 0 => Ok(()),
        0 if meta.mode() & 0o037 == 0 => Ok(()),
        owner if owner == us || owner == 0 => refused("has group or world access"),
        _ => refused("must be owned by the database user or root"),
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
