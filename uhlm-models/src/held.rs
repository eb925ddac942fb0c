//! Files that are held open and known again by what they are: where others may write to a folder, a path leads to
//! another file at any time.
//!
//! A file is taken to be what was read of it as long as its length and the time of its last change stand. Somebody who
//! writes to the very same file and sets that time back is not noticed, nor who had it open before and writes later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _};
use std::path::Path;
use std::time::SystemTime;

use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;

use crate::whole::hashed;

/// Opens a plain file. A link is not followed, because it may lead anywhere, and a pipe is not waited for.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        // The bits are those of the system's own flags, whose sign they may use.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    #[cfg(not(unix))]
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(no_plain_file());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_plain_file()) }
}

fn no_plain_file() -> io::Error {
    io::Error::other("it is no plain file")
}

/// Tells whether the open file lies at a path, and not only a link to it.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    // A file that is open here cannot be renamed by others.
    Ok(true)
}

/// Gives the file at `from` the name `to`, if `is_meant` says of it before that it is the file that is meant, and after
/// that it still was. One that came in between goes back.
pub(super) fn rename(from: &Path, to: &Path, is_meant: impl Fn(&Path) -> io::Result<bool>) -> io::Result<()> {
    let another = || io::Error::other("another file was put in its place, or it was written to");
    if !is_meant(from)? {
        return Err(another());
    }
    fs::rename(from, to)?;
    let error = match is_meant(to) {
        Ok(true) => return Ok(()),
        Ok(false) => another(),
        Err(error) => error,
    };
    // This is best effort: the error that matters is the one above. Under this name nobody checks the file again.
    let _ = fs::rename(to, from).or_else(|_| fs::remove_file(to));
    Err(error)
}

/// A whole file that is held open, with the marks that it had when it was opened.
pub(super) struct Held {
    file: File,
    len: u64,
    modified: Option<SystemTime>,
}

impl Held {
    /// Opens a plain file to read it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path, OpenOptions::new().read(true))?;
        let found = file.metadata()?;
        Ok(Self { len: found.len(), modified: found.modified().ok(), file })
    }

    /// Returns the open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file with the first byte as the next one.
    pub(super) fn rewound(&mut self) -> io::Result<&mut File> {
        self.file.rewind()?;
        Ok(&mut self.file)
    }

    /// Reads the file to its end and returns its length and its SHA-256; `None` if cancelled. `progress` is told the
    /// number of bytes read.
    pub(super) fn hashed(
        &mut self,
        cancel: &Cancel,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Option<(u64, Digest)>> {
        hashed(self.rewound()?, cancel, progress)
    }

    /// Tells whether this very file lies at a path, as it was when it was opened.
    pub(super) fn is_unchanged_at(&self, path: &Path) -> io::Result<bool> {
        let found = self.file.metadata()?;
        Ok((found.len(), found.modified().ok()) == (self.len, self.modified) && is_at(&self.file, path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_comes_in_between_goes_back_to_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, b"another").expect("written");
        // As if the file that was meant had been there until just before.
        let swapped = rename(&from, &to, |path| Ok(path == from));
        assert!(swapped.is_err() && !to.exists());
        assert_eq!(fs::read(&from).expect("back"), b"another");
        assert!(rename(&from, &to, |_| Ok(false)).is_err() && from.exists());
        rename(&from, &to, |_| Ok(true)).expect("the one that is meant");
        assert!(to.exists() && !from.exists());
    }

    #[test]
    fn a_file_is_known_again_until_somebody_writes_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&path, b"one").expect("written");
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(long_ago)).expect("a file's time");
        let held = Held::open(&path).expect("a file");
        assert!(held.is_unchanged_at(&path).expect("there"));
        fs::rename(&path, &other).expect("renamed");
        assert!(held.is_unchanged_at(&other).expect("there"));
        assert!(cfg!(not(unix)) || !held.is_unchanged_at(&path).expect("nothing there"));
        fs::write(&other, b"two").expect("written");
        assert!(!held.is_unchanged_at(&other).expect("there"), "its time is another");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for_and_a_link_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link, pipe) = (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&file, b"one").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(status.success() && Held::open(&pipe).is_err());
        assert!(Held::open(&link).is_err() && Held::open(folder.path()).is_err());
        let held = Held::open(&file).expect("a file");
        assert!(is_at(held.file(), &file).expect("there") && !is_at(held.file(), &link).expect("there"));
    }
}
