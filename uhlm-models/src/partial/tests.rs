//! Partial files: what is believed of them, and whose they are.

use super::*;

fn model(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("model.gguf")
}

fn open(model: &Path) -> Result<Partial, DownloadError> {
    Partial::claim(model, |_, _| true).map(|partial| partial.expect("whatever is there is ours"))
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
    assert_eq!(fs::read(partial.path()).expect("there"), b"safe");
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
