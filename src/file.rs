//! Reads the files that settings name, without ever waiting for one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

/// Opens a regular file.
///
/// # Errors
/// Those of `open`; `None` where something else is at that path, a FIFO say.
pub fn open(path: &str) -> io::Result<Option<File>> {
    // Non-blocking: opening a FIFO would otherwise wait for its other end.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// The text of an open file of at most `most` bytes.
///
/// # Errors
/// Those of `read`; longer files, and those that are not UTF-8, are [`io::ErrorKind::InvalidData`].
pub fn text(file: File, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = file.take(most + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(text)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
