//! Partial files: what is believed of them, and whose they are.

use std::time::Duration;

use super::*;

fn model(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("model.gguf")
}

/// Claims what is there. A process that another test starts holds the locks of this one between its fork and its
/// program, so a lock that was given up may be taken for a moment.
fn open(model: &Path) -> Result<Partial, DownloadError> {
    let claim = || Partial::claim(model, |_, _| true).map(|partial| partial.expect("whatever is there is ours"));
    for _ in 0..100 {
        match claim() {
            Err(DownloadError::AlreadyRunning) => std::thread::sleep(Duration::from_millis(10)),
            claimed => return claimed,
        }
    }
    claim()
}

#[test]
fn what_was_not_made_safe_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut partial = open(&model(&folder)).expect("opens");
    partial.write(b"safe").and_then(|()| partial.checkpoint()).expect("room");
    partial.write(b" not safe").expect("room");
    drop(partial);
    let partial = open(&model(&folder)).expect("opens");
    assert_eq!((partial.len(), partial.sha256()), (4, Digest(Sha256::digest(b"safe").into())));
    assert_eq!(fs::read(&partial.path).expect("there"), b"safe");
}

#[test]
fn a_small_file_that_cannot_be_put_in_its_place_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    // What is written whole and cannot get its name ends as what the disk has no room for.
    fs::create_dir(&path).expect("a folder in its place");
    assert!(replace(&path, b"{}").is_err());
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("read").path()).collect();
    assert_eq!(left, [path]);
}

#[cfg(unix)]
#[test]
fn a_link_or_a_pipe_in_the_place_of_a_partial_file_is_neither_written_nor_read_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, elsewhere) = (model(&folder), folder.path().join("elsewhere"));
    fs::write(&elsewhere, b"precious").expect("written");
    for name in [path_of(&model), json_of(&path_of(&model))] {
        std::os::unix::fs::symlink(&elsewhere, &name).expect("a link");
    }
    assert!(matches!(open(&model), Err(DownloadError::Storage { .. })));
    fs::remove_file(path_of(&model)).expect("removed");
    // The state's own link gives way to the state, and so does one in the place of the next state.
    let mut next = json_of(&path_of(&model)).into_os_string();
    next.push(".new");
    std::os::unix::fs::symlink(&elsewhere, next).expect("a link");
    let mut partial = open(&model).expect("opens");
    partial.write(b"safe").and_then(|()| partial.checkpoint()).expect("room");
    drop(partial);
    assert_eq!(fs::read(&elsewhere).expect("there"), b"precious");
    assert_eq!(open(&model).expect("opens").len(), 4);
    fs::remove_file(path_of(&model)).expect("removed");
    let status = std::process::Command::new("mkfifo").arg(path_of(&model)).status().expect("mkfifo");
    assert!(status.success() && matches!(open(&model), Err(DownloadError::Storage { .. })));
}

#[test]
fn a_state_that_is_not_small_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut partial = open(&model(&folder)).expect("opens");
    partial.write(b"safe").and_then(|()| partial.checkpoint()).expect("room");
    drop(partial);
    let state = json_of(&path_of(&model(&folder)));
    File::options().write(true).open(&state).and_then(|file| file.set_len(1 << 32)).expect("a long file");
    assert!(read_small(&state).is_none());
    assert_eq!(open(&model(&folder)).expect("opens").len(), 0, "without a state nothing is believed");
}

#[test]
fn a_file_without_a_state_or_shorter_than_it_says_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(path_of(&model(&folder)), b"of unknown origin").expect("written");
    assert_eq!(open(&model(&folder)).expect("opens").len(), 0);

    let mut partial = open(&model(&folder)).expect("opens");
    partial.write(b"12345").and_then(|()| partial.checkpoint()).expect("room");
    drop(partial);
    fs::write(path_of(&model(&folder)), b"123").expect("written");
    assert_eq!(open(&model(&folder)).expect("opens").len(), 0);
}

#[test]
fn two_downloads_of_one_model_do_not_meet() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(&model(&folder)).expect("opens");
    assert_eq!(open(&model(&folder)).err(), Some(DownloadError::AlreadyRunning));
    drop(first);
    assert!(open(&model(&folder)).is_ok());
}

#[test]
fn a_finished_file_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut partial = open(&model(&folder)).expect("opens");
    partial.write(b"whole").and_then(|()| partial.checkpoint()).expect("room");
    partial.finish(&model(&folder)).expect("renamed");
    let names: Vec<_> = fs::read_dir(folder.path()).expect("there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["model.gguf"]);
}

#[test]
fn another_file_in_the_place_of_a_finished_one_gets_no_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere");
    let finish = |swap: &dyn Fn(&Path)| {
        let mut partial = open(&model(&folder)).expect("opens");
        partial.restart().and_then(|()| partial.write(b"whole")).expect("room");
        fs::write(&elsewhere, b"wrong").expect("written");
        swap(&path_of(&model(&folder)));
        let outcome = partial.finish(&model(&folder));
        assert!(matches!(outcome, Err(DownloadError::Storage { .. })), "{outcome:?}");
        assert!(!model(&folder).exists());
        // What lies there now, if anything, is in the next one's way.
        let _ = fs::remove_file(path_of(&model(&folder)));
    };
    finish(&|path| fs::rename(&elsewhere, path).expect("renamed"));
    finish(&|path| fs::remove_file(path).expect("removed"));
    #[cfg(unix)]
    finish(&|path| {
        fs::remove_file(path).and_then(|()| std::os::unix::fs::symlink(&elsewhere, path)).expect("a link");
    });
    #[cfg(unix)]
    finish(&|path| {
        // A link to the very file that was loaded: its target may be another one at any time.
        fs::rename(path, &elsewhere).and_then(|()| std::os::unix::fs::symlink(&elsewhere, path)).expect("a link");
    });
}

#[test]
fn what_another_source_began_or_is_loading_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = |source: &str, _: Option<Digest>| source == "ours";
    let mut other = open(&model(&folder)).expect("opens");
    other.sign("theirs", None).expect("written");
    assert!(matches!(Partial::claim(&model(&folder), ours), Ok(None)), "it is being loaded");
    other.write(b"12345").and_then(|()| other.checkpoint()).expect("room");
    drop(other);
    assert!(matches!(Partial::claim(&model(&folder), ours), Ok(None)), "it was begun");
    assert_eq!(fs::metadata(path_of(&model(&folder))).expect("there").len(), 5);
}

#[test]
fn a_download_that_brought_nothing_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut partial = open(&model(&folder)).expect("opens");
    partial.sign("theirs", None).expect("written");
    partial.let_go();
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}
