//! Files that are there as a whole or not at all: a reader sees either the old one or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Writes `parts`, one after the other, to a new file beside `path` and puts it in its place; blocks until the bytes
/// are on the disk.
///
/// # Errors
/// Those of the file system; the file at `path` is then as it was.
pub(crate) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    write_durably(&temporary, parts).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // This is best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    })
}

fn write_durably(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}
