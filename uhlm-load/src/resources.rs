//! Memory and descriptors of this process, in which a server that was started for the test runs too.

use std::fs;

/// Returns the memory that the process has in use, in bytes; `None` where the system does not tell.
pub(crate) fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Returns the number of open descriptors; `None` where the system does not tell.
pub(crate) fn descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}
