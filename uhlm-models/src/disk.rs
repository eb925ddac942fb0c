//! The room that a file system has.

use std::io;
use std::path::Path;

/// Returns the number of bytes that an unprivileged process may still write where `folder` lies; `None` where the
/// system cannot be asked.
#[cfg(unix)]
pub(super) fn available(folder: &Path) -> io::Result<Option<u64>> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// Returns `None`: elsewhere a full disk is found out by writing.
#[cfg(not(unix))]
pub(super) fn available(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_a_missing_one_is_an_error() {
        assert!(available(&std::env::temp_dir()).expect("a folder").is_some_and(|bytes| bytes > 0));
        assert!(available(Path::new("/nowhere/at/all")).is_err());
    }
}
