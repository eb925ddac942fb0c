//! Tests of files that something else brings.

use std::path::PathBuf;

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
