//! Tests of files that something else brings.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::config::StoreConfig;
use crate::partial::path_of;

/// A store, and a folder beside it in which files lie that are to be taken.
struct Place {
    folder: tempfile::TempDir,
    store: ModelStore,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ModelStore::new(StoreConfig::new(folder.path().join("models")));
        Self { folder, store }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("brought");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn adopt(&self, file: &Path, adoption: &Adoption) -> Result<StoredModel, DownloadError> {
        self.store.adopt(file, adoption, &Cancel::new(), |_| ())
    }
}

/// The bundled draft model, which is small.
fn model() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf")).expect("the bundled model")
}

fn named(name: &str, sha256: Option<Digest>) -> Adoption {
    Adoption { name: name.into(), sha256, source: None }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

#[test]
fn a_file_is_moved_and_known_by_its_hash_from_then_on() {
    let place = Place::new();
    let (bytes, source) = (b"GGUF as long as its hash is right".to_vec(), "hf:a/b/m.gguf".parse().expect("a source"));
    let file = place.file(&bytes);
    let adoption =
        Adoption { name: "m.gguf".into(), sha256: Some(digest(&bytes)), source: Some(Source::clone(&source)) };
    let model = place.adopt(&file, &adoption).expect("taken");
    assert_eq!(model.sha256, Some(digest(&bytes)));
    assert!(!file.exists(), "it was moved");
    assert_eq!(place.store.find("m.gguf").expect("a folder"), Some(model));
    let wanted = DownloadRequest::new(source);
    assert!(place.store.find_for(&wanted).expect("a folder").is_some(), "a download would find it");
    assert!(place.store.unfinished().expect("a folder").is_empty());
}

#[test]
fn a_file_with_another_hash_or_that_is_no_model_stays_where_it_is() {
    let place = Place::new();
    let file = place.file(b"<html>Please log in");
    let wrong = place.adopt(&file, &named("m.gguf", Some(digest(b"other"))));
    assert!(matches!(wrong, Err(DownloadError::WrongHash { .. })), "{wrong:?}");
    let unreadable = place.adopt(&file, &named("m.gguf", None));
    assert!(matches!(unreadable, Err(DownloadError::NotAModel { .. })), "{unreadable:?}");
    let nameless = place.adopt(&file, &named("../m.gguf", None));
    assert!(matches!(nameless, Err(DownloadError::InvalidName { .. })), "{nameless:?}");
    assert!(file.exists());
    assert!(place.store.list().expect("a folder").is_empty());
    assert!(place.store.unfinished().expect("a folder").is_empty());
}

#[test]
fn a_name_that_is_another_models_is_not_taken_and_the_same_file_is_taken_once() {
    let place = Place::new();
    let bytes = model();
    place.adopt(&place.file(&bytes), &named("m.gguf", None)).expect("taken");
    let again = place.adopt(&place.file(&bytes), &named("m.gguf", None)).expect("the same");
    assert_eq!(again.sha256, Some(digest(&bytes)));
    let file = place.file(b"GGUF and something else");
    let taken = place.adopt(&file, &named("m.gguf", Some(digest(b"GGUF and something else"))));
    assert!(matches!(taken, Err(DownloadError::NameTaken { .. })), "{taken:?}");
    assert!(file.exists());
    let verified = place.store.verify("m.gguf", &Cancel::new(), |_| ()).expect("a model");
    assert_eq!(verified, crate::stored::Verification::Intact);
}

#[test]
fn what_an_unfinished_download_left_goes_and_a_running_one_keeps_the_name() {
    let place = Place::new();
    fs::create_dir_all(&place.store.config().folder).expect("made");
    let path = place.store.config().folder.join("m.gguf");
    fs::write(path_of(&path), b"GGUF the first half").expect("written");
    place.adopt(&place.file(&model()), &named("m.gguf", None)).expect("taken");
    assert!(!path_of(&path).exists());
    let other = place.store.config().folder.join("n.gguf");
    let held = Partial::claim(&other, |_, _| true).expect("a folder");
    let file = place.file(&model());
    let running = place.adopt(&file, &named("n.gguf", None));
    assert!(matches!(running, Err(DownloadError::AlreadyRunning)), "{running:?}");
    drop(held);
    place.adopt(&file, &named("n.gguf", None)).expect("taken");
}

#[test]
fn a_link_is_not_followed_and_a_cancelled_check_takes_nothing() {
    let place = Place::new();
    let file = place.file(&model());
    let cancel = Cancel::new();
    cancel.cancel();
    let cancelled = place.store.adopt(&file, &named("m.gguf", None), &cancel, |_| ());
    assert_eq!(cancelled, Err(DownloadError::Cancelled));
    #[cfg(unix)]
    {
        let link = place.folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let linked = place.adopt(&link, &named("m.gguf", None));
        assert!(matches!(linked, Err(DownloadError::Storage { .. })), "{linked:?}");
    }
    assert!(file.exists());
    assert!(!place.store.config().folder.exists(), "nothing was made");
}

#[test]
fn what_is_put_in_the_place_of_a_file_while_it_is_checked_is_not_taken() {
    let place = Place::new();
    let (bytes, elsewhere) = (model(), place.folder.path().join("elsewhere"));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let adopt = |swap: &dyn Fn(&Path)| {
        let file = place.file(&bytes);
        File::options().write(true).open(&file).and_then(|file| file.set_modified(long_ago)).expect("a file's time");
        fs::write(&elsewhere, b"GGUF and something else").expect("written");
        let mut swapped = false;
        let outcome = place.store.adopt(&file, &named("m.gguf", Some(digest(&bytes))), &Cancel::new(), |read| {
            // All of it is read by then.
            if read == bytes.len() as u64 {
                swap(&file);
                swapped = true;
            }
        });
        assert!(swapped && matches!(outcome, Err(DownloadError::Storage { .. })), "{outcome:?}");
        assert!(place.store.list().expect("a folder").is_empty());
        assert!(place.store.unfinished().expect("a folder").is_empty());
        fs::read(&file).expect("where it was")
    };
    // Another file, other bytes in the same one, and on Unix a link.
    assert_eq!(adopt(&|file| fs::rename(&elsewhere, file).expect("renamed")), b"GGUF and something else");
    assert_eq!(adopt(&|file| fs::write(file, vec![0; bytes.len()]).expect("written")), vec![0; bytes.len()]);
    #[cfg(unix)]
    adopt(&|file| fs::remove_file(file).and_then(|()| std::os::unix::fs::symlink(&elsewhere, file)).expect("a link"));
}

#[test]
fn a_file_of_another_file_system_is_copied() {
    // Linux keeps its shared memory on a file system of its own.
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let place = Place::new();
    let file = elsewhere.path().join("brought");
    fs::write(&file, model()).expect("written");
    let taken = place.adopt(&file, &named("m.gguf", None)).expect("taken");
    assert_eq!(fs::read(&taken.path).expect("there"), model());
    assert!(!file.exists());
    assert!(place.store.unfinished().expect("a folder").is_empty());
}
