//! A test runner's output, passed through as it comes and read line by line.

use std::io::{self, BufRead, Write};

/// Copies everything unchanged and shows each line, with its ending, to `read`. Bytes, not text: a test may print
/// anything.
pub(super) fn copy(mut from: impl BufRead, mut to: impl Write, mut read: impl FnMut(&str)) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}
