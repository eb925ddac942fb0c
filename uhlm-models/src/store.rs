//! The folder that models are kept in: what is there, whether it is intact, and how it is removed.
//!
//! A model is a file whose name ends in `.gguf`; `NAME.json` beside it says where it came from and what it hashes to.
//! `NAME.part` and `NAME.part.json` are a download that has not ended. Nothing gets a model's name before it is whole
//! and checked, and the step to it is one rename.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uhlm_law::cancel::Cancel;
use uhlm_law::protocol::Digest;

use crate::config::StoreConfig;
use crate::partial::{json_of, path_of, replace};
use crate::request::check_name;

/// A model that is there, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredModel {
    /// Its name in the store.
    pub name: String,
    /// Its file, to be given to [`uhlm_llama::Model::load`].
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What it hashed to when it came; unknown for a file that was put there by other means.
    pub sha256: Option<Digest>,
    /// Where it came from.
    pub source: Option<String>,
}

/// A download that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnfinishedModel {
    /// The name that it will have.
    pub name: String,
    /// Bytes that it takes.
    pub bytes: u64,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The file hashes to what it did when it came.
    Intact,
    /// It was put there by other means, so there is nothing to compare with.
    Unknown {
        /// What it hashes to.
        sha256: Digest,
    },
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no model of this name.
    #[error("there is no model {name}")]
    Missing {
        /// The name.
        name: String,
    },
    /// The file is not the one that came.
    #[error("{name} is damaged: it has SHA-256 {found} instead of {expected}")]
    Damaged {
        /// The name.
        name: String,
        /// What it hashed to when it came.
        expected: Digest,
        /// What it hashes to now.
        found: Digest,
    },
    /// The check was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The file system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { what, source }
}

/// What is known of a model, beside its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) sha256: Digest,
    pub(super) bytes: u64,
    pub(super) source: String,
    /// Seconds since 1970.
    pub(super) loaded_at: u64,
}

impl Manifest {
    fn read(model: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(json_of(model)).ok()?).ok()
    }

    pub(super) fn write(&self, model: &Path) -> io::Result<()> {
        replace(&json_of(model), &serde_json::to_vec_pretty(self)?)
    }
}

/// A folder of models. Cheap to clone; clones share what is said of the network.
#[derive(Clone, Debug)]
pub struct ModelStore {
    config: Arc<StoreConfig>,
    metered: Arc<AtomicBool>,
}

impl ModelStore {
    /// A store; touches nothing yet.
    #[must_use]
    pub fn new(config: StoreConfig) -> Self {
        Self { config: Arc::new(config), metered: Arc::default() }
    }

    pub(super) fn config(&self) -> &StoreConfig {
        &self.config
    }

    pub(super) fn metered_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.metered)
    }

    /// Says whether the network costs money by volume. Downloads that are not allowed on such a network end with
    /// [`DownloadError::Metered`](crate::DownloadError::Metered), also those under way.
    pub fn set_metered(&self, metered: bool) {
        self.metered.store(metered, Ordering::Release);
    }

    /// The models that are there, by name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<StoredModel>, StoreError> {
        let mut models = Vec::new();
        for (name, bytes) in self.files()? {
            if check_name(&name) {
                models.push(self.described(name, bytes));
            }
        }
        Ok(models)
    }

    /// Downloads that have not ended, by name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn unfinished(&self) -> Result<Vec<UnfinishedModel>, StoreError> {
        let of = |(name, bytes): (String, u64)| {
            let name = name.strip_suffix(".part").filter(|name| check_name(name))?.to_owned();
            Some(UnfinishedModel { name, bytes })
        };
        Ok(self.files()?.into_iter().filter_map(of).collect())
    }

    /// One model; `None` if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn find(&self, name: &str) -> Result<Option<StoredModel>, StoreError> {
        if !check_name(name) {
            return Ok(None);
        }
        match fs::metadata(self.config.folder.join(name)) {
            Ok(found) if found.is_file() => Ok(Some(self.described(name.into(), found.len()))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("look at the model")(error)),
        }
    }

    fn described(&self, name: String, bytes: u64) -> StoredModel {
        let path = self.config.folder.join(&name);
        // One that says another size belongs to another file.
        let manifest = Manifest::read(&path).filter(|manifest| manifest.bytes == bytes);
        let sha256 = manifest.as_ref().map(|manifest| manifest.sha256);
        StoredModel { name, path, bytes, sha256, source: manifest.map(|manifest| manifest.source) }
    }

    /// Reads a model's file and compares its hash with the one that it came with. Blocks; reads the whole file.
    /// `progress` is told the bytes read.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`], [`StoreError::Cancelled`], [`StoreError::Io`].
    pub fn verify(
        &self,
        name: &str,
        cancel: &Cancel,
        mut progress: impl FnMut(u64),
    ) -> Result<Verification, StoreError> {
        let model = self.find(name)?.ok_or_else(|| StoreError::Missing { name: name.into() })?;
        let mut file = fs::File::open(&model.path).map_err(io_error("open the model"))?;
        let (mut hash, mut buffer, mut read) = (Sha256::new(), vec![0; 1 << 18], 0);
        loop {
            if cancel.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            let count = file.read(&mut buffer).map_err(io_error("read the model"))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            read += count as u64;
            progress(read);
        }
        let found = Digest(hash.finalize().into());
        // The size alone tells a shortened file; its manifest then counts all the same.
        match model.sha256.or_else(|| Manifest::read(&model.path).map(|manifest| manifest.sha256)) {
            None => Ok(Verification::Unknown { sha256: found }),
            Some(expected) if expected == found => Ok(Verification::Intact),
            Some(expected) => Err(StoreError::Damaged { name: name.into(), expected, found }),
        }
    }

    /// Removes a model or what an unfinished download left of it. A session that has it loaded goes on with it. Returns
    /// the bytes that were freed.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`].
    pub fn delete(&self, name: &str) -> Result<u64, StoreError> {
        let missing = || StoreError::Missing { name: name.into() };
        if !check_name(name) {
            return Err(missing());
        }
        let path = self.config.folder.join(name);
        let part = path_of(&path);
        let (mut freed, mut found) = (0, false);
        // The files that could be taken for something go first.
        for (file, counts) in
            [(path.clone(), true), (part.clone(), true), (json_of(&path), false), (json_of(&part), false)]
        {
            let bytes = fs::metadata(&file).map_or(0, |metadata| metadata.len());
            match fs::remove_file(&file) {
                Ok(()) => {
                    freed += bytes;
                    found |= counts;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("remove the model")(error)),
            }
        }
        if found { Ok(freed) } else { Err(missing()) }
    }

    /// Names and sizes of the folder's files, sorted.
    fn files(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let failed = io_error("read the folder");
        let entries = match fs::read_dir(&self.config.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(&failed)?;
            // A file that goes away meanwhile is not there.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push((name, metadata.len()));
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &tempfile::TempDir) -> ModelStore {
        ModelStore::new(StoreConfig::new(folder.path()))
    }

    fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) {
        fs::write(folder.path().join(name), bytes).expect("written");
    }

    fn manifest(bytes: &[u8]) -> Manifest {
        let sha256 = Digest(Sha256::digest(bytes).into());
        Manifest { sha256, bytes: bytes.len() as u64, source: "hf:a/b/c.gguf".into(), loaded_at: 0 }
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
}
