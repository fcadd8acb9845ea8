//! Reads the files that settings name: never blocks on one, and reads it again only when it changed.

use std::cell::RefCell;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The coarsest clock of a file system that is in use: two changes of a file within one tick leave
/// the same times behind.
const MTIME_GRANULARITY: Duration = Duration::from_secs(2);

/// Opens a regular file.
///
/// # Errors
/// Those of `open`; `None` where something else is at that path, a FIFO say.
pub fn open(path: &str) -> io::Result<Option<(File, Metadata)>> {
    // Non-blocking: opening a FIFO would otherwise wait for its other end.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    Ok(meta.is_file().then_some((file, meta)))
}

/// The text of an open file of at most `max` bytes.
///
/// # Errors
/// Those of `read`; longer files, and those that are not UTF-8, are [`io::ErrorKind::InvalidData`].
pub fn text(file: File, max: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = file.take(max + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= max) {
        Ok(text)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// What was made of a file and of `K`, kept while neither changes.
pub struct FileCache<K, T>(RefCell<Option<Entry<K, T>>>);

struct Entry<K, T> {
    path: String,
    with: K,
    fingerprint: Fingerprint,
    value: T,
}

impl<K: Clone + PartialEq, T: Clone> FileCache<K, T> {
    pub const fn new() -> Self {
        FileCache(RefCell::new(None))
    }

    /// What `read` makes of the file at `path` and of `with`, or what it made of them before: that
    /// takes no more than one `stat`. `read` also says what it knows of the file that it opened.
    ///
    /// # Errors
    /// Those of `read`; nothing is kept then.
    pub fn get<E>(
        &self,
        path: &str,
        with: &K,
        read: impl FnOnce() -> Result<(T, Metadata), E>,
    ) -> Result<T, E> {
        self.get_at(SystemTime::now(), path, with, read)
    }

    fn get_at<E>(
        &self,
        now: SystemTime,
        path: &str,
        with: &K,
        read: impl FnOnce() -> Result<(T, Metadata), E>,
    ) -> Result<T, E> {
        let known = self.0.take().filter(|known| known.path == path && known.with == *with);
        let unchanged = |known: &Entry<K, T>| {
            fs::metadata(path)
                .is_ok_and(|meta| Fingerprint::from_metadata(&meta) == known.fingerprint)
        };
        if let Some(known) = known.filter(unchanged) {
            let value = known.value.clone();
            self.0.replace(Some(known));
            return Ok(value);
        }
        let (value, meta) = read()?;
        if changed(&meta).is_some_and(|changed| changed + MTIME_GRANULARITY <= now) {
            let (path, with) = (path.to_owned(), with.clone());
            let fingerprint = Fingerprint::from_metadata(&meta);
            self.0.replace(Some(Entry { path, with, fingerprint, value: value.clone() }));
        }
        Ok(value)
    }
}

/// What differs between a file and the same file after any change, of its owner or mode too: the
/// checks of a file with the same fingerprint would come out the same.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    changed: (i64, i64),
    modified: (i64, i64),
    file: (u64, u64),
    size: u64,
    mode: u32,
    owner: u32,
}

impl Fingerprint {
    fn from_metadata(meta: &Metadata) -> Self {
        Fingerprint {
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            mode: meta.mode(),
            owner: meta.uid(),
        }
    }
}

/// When the file, its owner or its mode last changed, by the kernel's word.
fn changed(meta: &Metadata) -> Option<SystemTime> {
    let since =
        Duration::new(u64::try_from(meta.ctime()).ok()?, u32::try_from(meta.ctime_nsec()).ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(any(test, feature = "pg_test"))]
#[pgrx::pg_schema]
mod tests {
    use super::*;
    use pgrx::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    #[pg_test]
    fn a_file_is_read_again_when_it_changed_or_might_have() -> io::Result<()> {
        let path = format!("{}/kept-{}", std::env::temp_dir().display(), std::process::id());
        let path = path.as_str();
        let cache = FileCache::<u8, String>::new();
        let reads = std::cell::Cell::new(0);
        let get = |with: u8, later: Duration| {
            let read = || -> io::Result<_> {
                reads.set(reads.get() + 1);
                let (file, meta) = open(path)?.ok_or(io::ErrorKind::Other)?;
                Ok((text(file, 100)?, meta))
            };
            // By the file's own time: on a machine that stalls, the clock's would come too late.
            let now = fs::metadata(path).ok().as_ref().and_then(changed).unwrap_or(UNIX_EPOCH);
            let read = cache.get_at(now + later, path, &with, read);
            (read.unwrap_or_default(), reads.replace(0))
        };
        let (at_once, later) = (Duration::ZERO, Duration::from_secs(60));

        fs::write(path, "one")?;
        assert_eq!(get(0, at_once), ("one".into(), 1));
        assert_eq!(get(0, at_once), ("one".into(), 1), "too young to tell");
        assert_eq!(get(0, later), ("one".into(), 1));
        assert_eq!(get(0, later), ("one".into(), 0), "kept");
        assert_eq!(get(1, later), ("one".into(), 1), "made with something else");
        assert_eq!(get(1, later), ("one".into(), 0));
        // Of another size: two writes within one tick of the kernel's clock leave the same times.
        fs::write(path, "three")?;
        assert_eq!(get(1, later), ("three".into(), 1));
        fs::set_permissions(path, fs::Permissions::from_mode(0o640))?;
        assert_eq!(get(1, later), ("three".into(), 1));
        fs::remove_file(path)?;
        assert_eq!(get(1, later), (String::new(), 1));
        assert_eq!(get(1, later), (String::new(), 1), "an error is not kept");
        Ok(())
    }
}
