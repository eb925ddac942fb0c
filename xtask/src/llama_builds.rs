//! The folders in which cargo has run the C++ build of llama.cpp.
//!
//! One such build takes most of a fresh build's time. It is shared by every command that selects the same profile and
//! resolves the same features; this module looks at the target directory to see whether that held.

use std::path::PathBuf;
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, Result, bail};

/// Returns the folder of the last build in this program's profile, or `None` if there was none.
pub(crate) fn newest() -> Result<Option<PathBuf>> {
    Ok(ended()?.into_iter().max().map(|(_, folder)| folder))
}

/// Fails if llama.cpp was compiled more than once since `start`.
pub(crate) fn at_most_one_since(start: SystemTime) -> Result<()> {
    let runs: Vec<_> = ended()?.into_iter().filter(|(ended, _)| *ended >= start).collect();
    if runs.len() > 1 {
        let list = runs.iter().map(|(_, folder)| format!("\n  {}", folder.display())).collect::<String>();
        bail!("llama.cpp was compiled {} times: two commands resolve different features{list}", runs.len());
    }
    Ok(())
}

/// Returns the runs of the crate's build script in the profile that this program itself was built in, with the time at
/// which each ended.
fn ended() -> Result<Vec<(SystemTime, PathBuf)>> {
    let build = env::current_exe().context("where this program is")?.with_file_name("build");
    if !build.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&build).with_context(|| format!("reading {}", build.display()))? {
        let entry = entry?;
        // Cargo writes `output` when the build script has ended; the directory of the compiled script has none.
        let ended = fs::metadata(entry.path().join("output")).and_then(|output| output.modified());
        if let Ok(ended) = ended
            && entry.file_name().to_string_lossy().starts_with("llama-cpp-sys-2-")
        {
            found.push((ended, entry.path()));
        }
    }
    Ok(found)
}
