//! Where cargo has run the C++ build of llama.cpp.
//!
//! One such build takes most of a fresh build's time. It is shared by every command that selects the same profile and
//! resolves the same features; this module looks at the target directory to see whether that held.

use std::path::PathBuf;
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, Result, bail};

const CRATE: &str = "llama-cpp-sys-2-";

/// Whether llama.cpp has been built in this profile.
pub(crate) fn any() -> Result<bool> {
    Ok(!run_since(SystemTime::UNIX_EPOCH)?.is_empty())
}

/// Fails if llama.cpp was compiled more than once since `start`.
pub(crate) fn at_most_one_since(start: SystemTime) -> Result<()> {
    let runs = run_since(start)?;
    if runs.len() > 1 {
        let list = runs.iter().map(|path| format!("\n  {}", path.display())).collect::<String>();
        bail!("llama.cpp was compiled {} times: two commands resolve different features{list}", runs.len());
    }
    Ok(())
}

/// Build script runs of llama.cpp's crate that ended after `start`, in the profile this program itself was built in.
fn run_since(start: SystemTime) -> Result<Vec<PathBuf>> {
    let program = env::current_exe().context("where this program is")?;
    let build = program.with_file_name("build");
    if !build.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&build).with_context(|| format!("reading {}", build.display()))? {
        let path = entry?.path();
        let named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(CRATE));
        // Cargo writes `output` when the build script has ended; the directory of the compiled script has none.
        let ended = fs::metadata(path.join("output")).and_then(|output| output.modified());
        if named && ended.is_ok_and(|ended| ended >= start) {
            found.push(path);
        }
    }
    Ok(found)
}
