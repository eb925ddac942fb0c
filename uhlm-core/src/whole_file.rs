//! Files that are there as a whole or not at all: a reader sees either the old one or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of files that this process has begun to write, so that two threads that write one do not share a file.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Writes `parts`, one after the other, to a new file beside `path` and puts it in its place; blocks until the bytes
/// are on the disk.
///
/// # Errors
/// Those of the file system; the file at `path` is then as it was.
pub(crate) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}.{}.tmp", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(name);
    write_durably(&temporary, parts).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // This is best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    })
}

fn write_durably(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_write_one_file_leave_one_of_their_texts_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let text = |number: u8| vec![number; 100_000];
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || write(path, &[&text(number)]).expect("a writable folder"));
            }
        });
        let left = fs::read(&path).expect("the file");
        assert!((0..8).any(|number| left == text(number)), "a mixture");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
