//! Tests of the contents of a store, and of what is done with it.

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

use super::*;

fn store(folder: &tempfile::TempDir) -> ModelStore {
    ModelStore::new(StoreConfig::new(folder.path()))
}

fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(name), bytes).expect("written");
}

fn manifest(bytes: &[u8]) -> Manifest {
    let sha256 = Digest(Sha256::digest(bytes).into());
    Manifest { sha256, bytes: bytes.len() as u64, source: Some("hf:a/b/c.gguf".into()), loaded_at: 0 }
}

fn verify(store: &ModelStore, name: &str) -> Result<Verification, StoreError> {
    store.verify(name, &Cancel::new(), |_| {})
}

#[test]
fn only_whole_models_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["b.gguf", "a.gguf", "a.gguf.part", "c.gguf.part", "c.gguf.part.json", ".d.gguf", "note.txt"] {
        put(&folder, name, b"x");
    }
    let names = |models: Vec<StoredModel>| models.into_iter().map(|model| model.name).collect::<Vec<_>>();
    assert_eq!(names(store(&folder).list().expect("a folder")), ["a.gguf", "b.gguf"]);
    let unfinished = store(&folder).unfinished().expect("a folder");
    assert_eq!(unfinished.into_iter().map(|model| model.name).collect::<Vec<_>>(), ["a.gguf", "c.gguf"]);
    let nowhere = ModelStore::new(StoreConfig::new(folder.path().join("not made yet")));
    assert!(nowhere.list().expect("no models").is_empty());
}

#[test]
fn a_changed_byte_and_a_shortened_file_are_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    put(&folder, "m.gguf", b"GGUF and so on");
    manifest(b"GGUF and so on").write(&folder.path().join("m.gguf")).expect("written");
    assert!(matches!(verify(&store(&folder), "m.gguf"), Ok(Verification::Intact)));
    for damaged in [&b"GGUF and so oN"[..], b"GGUF and"] {
        put(&folder, "m.gguf", damaged);
        assert!(matches!(verify(&store(&folder), "m.gguf"), Err(StoreError::Damaged { .. })));
    }
    put(&folder, "own.gguf", b"x");
    assert!(matches!(verify(&store(&folder), "own.gguf"), Ok(Verification::Unknown { .. })));
    assert!(matches!(verify(&store(&folder), "none.gguf"), Err(StoreError::Missing { .. })));
}

#[test]
fn deleting_takes_everything_of_a_model_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["m.gguf", "m.gguf.json", "m.gguf.part", "m.gguf.part.json", "n.gguf"] {
        put(&folder, name, b"xx");
    }
    assert_eq!(store(&folder).delete("m.gguf").expect("there"), 8);
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    assert!(matches!(store(&folder).delete("m.gguf"), Err(StoreError::Missing { .. })));
    assert!(matches!(store(&folder).delete("../n.gguf"), Err(StoreError::Missing { .. })));
}

#[test]
fn a_split_model_is_one_model_as_long_as_all_its_parts_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];
    for name in names {
        put(&folder, name, b"GGUF");
        manifest(b"GGUF").write(&folder.path().join(name)).expect("written");
    }
    let models = store(&folder).list().expect("a folder");
    let [model] = &models[..] else { panic!("{models:?}") };
    assert_eq!((model.name.as_str(), model.bytes, model.further_parts.len()), (names[0], 12, 2));
    assert_eq!(store(&folder).find(names[2]).expect("a folder").as_ref(), Some(model));
    assert!(store(&folder).unfinished().expect("a folder").is_empty());
    assert!(matches!(verify(&store(&folder), names[0]), Ok(Verification::Intact)));

    put(&folder, names[1], b"GGUG");
    let damaged = verify(&store(&folder), names[0]);
    assert!(matches!(damaged, Err(StoreError::Damaged { name, .. }) if name == names[1]));
    fs::rename(folder.path().join(names[1]), folder.path().join(format!("{}.part", names[1]))).expect("renamed");
    assert!(store(&folder).list().expect("a folder").is_empty());
    assert_eq!(store(&folder).find(names[0]).expect("a folder"), None);
    let unfinished = store(&folder).unfinished().expect("a folder");
    assert_eq!(unfinished, [UnfinishedModel { name: names[0].into(), bytes: 12 }]);
    store(&folder).delete(names[0]).expect("there");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}
