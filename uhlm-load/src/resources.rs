//! Memory, threads and descriptors of a process.

use std::fs;

/// The things that a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Number of threads.
    pub threads: u64,
    /// Number of open descriptors.
    pub descriptors: u64,
    /// Memory in use, in bytes.
    pub memory: u64,
}

/// Returns the memory that this process has in use, in bytes; `None` where the system does not tell. A server that was
/// started for a test runs in it too.
pub(crate) fn memory() -> Option<u64> {
    held(None).map(|held| held.memory)
}

/// Returns the number of descriptors that this process has open; `None` where the system does not tell.
pub(crate) fn descriptors() -> Option<u64> {
    held(None).map(|held| held.descriptors)
}

/// Returns what a process holds, this one where none is named; `None` where the system does not tell.
pub(crate) fn held(process: Option<u32>) -> Option<Held> {
    let folder = process.map_or("/proc/self".to_owned(), |process| format!("/proc/{process}"));
    let text = fs::read_to_string(format!("{folder}/status")).ok()?;
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let kilobytes: u64 = line("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok()?;
    let threads = line("Threads:")?.parse().ok()?;
    let descriptors = fs::read_dir(format!("{folder}/fd")).ok()?.count() as u64;
    Some(Held { threads, descriptors, memory: 1024 * kilobytes })
}
