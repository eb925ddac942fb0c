//! Disks without room: known before, found out while writing, and a limit that the kernel enforces.

use std::process::Command;
use std::sync::Arc;

use uhlm_models::{DownloadError, StoreConfig};
use uhlm_testing::file_server::{Content, NoiseFile, Reply};

use crate::support::{NAME, Place, noise};

#[test]
fn a_file_that_does_not_fit_is_not_begun() {
    let file = noise(1);
    let place = Place::with(
        move |asked| Reply::proper(&file, "v1", asked),
        |config| StoreConfig { reserve: 1 << 60, ..config },
    );
    let error = place.fetch().expect_err("no disk is so large");
    assert!(matches!(error, DownloadError::NotEnoughSpace { needed, available } if needed > available), "{error:?}");
    place.assert_unfinished(0);
}

/// The kernel refuses to let a file of the child process grow beyond 2 MiB (RLIMIT_FSIZE); without the limit the next
/// child goes on from there.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_in_the_middle_of_the_file_keeps_what_was_written() {
    const LIMIT: u64 = 2 << 20;
    let file: Arc<dyn Content> = Arc::new(NoiseFile::new(2 * LIMIT, 3));
    let served = Arc::clone(&file);
    let place = Place::new(move |asked| Reply::proper(&served, "v1", asked));
    let authority = place.folder.path().join("authority.pem");
    std::fs::write(&authority, place.server.authority()).expect("written");
    let run = |limit: &str| {
        // The signal is ignored, so that writing fails as it does on a phone.
        let script = format!("trap '' XFSZ; {limit} exec \"$0\" fetch \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_kill_download")]);
        command.arg(place.server.url(NAME)).arg(place.folder.path()).arg(&authority).output().expect("bash")
    };
    let limited = run("ulimit -f 2048;");
    let said = String::from_utf8_lossy(&limited.stdout).into_owned();
    assert!(!limited.status.success() && said.starts_with("the disk is full after"), "{said}");
    assert!(place.store.list().expect("a folder").is_empty());
    let left: u64 = place.store.unfinished().expect("a folder").iter().map(|model| model.bytes).sum();
    assert!(left > LIMIT / 2 && left <= LIMIT, "{left}");
    assert!(run("").status.success());
    let model = place.store.find(NAME).expect("a folder").expect("there");
    place.assert_whole(&model, &file);
    assert!(place.asked()[1] > LIMIT / 2, "{:?}", place.asked());
}
