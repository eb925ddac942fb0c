//! The folder that models are kept in: what is there, whether it is intact, and how it is removed.
//!
//! A model is a file whose name ends in `.gguf`; `NAME.json` beside it says where it came from and what it hashes to.
//! `NAME.part` and `NAME.part.json` are a download that has not ended. Nothing gets a model's name before it is whole
//! and checked, and the step to it is one rename. A split model is as many files, `NAME-00001-of-00003.gguf` and so on,
//! and one model by the name of the first; as long as one is missing it is unfinished.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uhlm_law::cancel::Cancel;
use uhlm_llama::split::PartName;

use crate::config::StoreConfig;
use crate::manifest::Manifest;
use crate::partial::{json_of, path_of};
use crate::request::{DownloadRequest, check_name};
use crate::stored::{StoreError, StoredModel, StoredPart, UnfinishedModel, Verification, io_error};
use crate::whole::hashed;

/// A folder of models. Cheap to clone; clones share what is said of the network.
#[derive(Clone, Debug)]
pub struct ModelStore {
    config: Arc<StoreConfig>,
    metered: Arc<AtomicBool>,
}

/// Returns the names of the files that make up the model of this name.
fn files_of(name: &str) -> Vec<String> {
    match PartName::parse(name) {
        Some(part) => (1..=part.count).map(|number| part.of(number)).collect(),
        None => vec![name.to_owned()],
    }
}

impl ModelStore {
    /// Makes a store; touches nothing yet.
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

    /// Sets whether the network costs money by volume. Downloads that are not allowed on such a network end with
    /// [`DownloadError::Metered`](crate::DownloadError::Metered), also those under way.
    pub fn set_metered(&self, metered: bool) {
        self.metered.store(metered, Ordering::Release);
    }

    /// Returns the models that are there, by name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<StoredModel>, StoreError> {
        let files = self.folder()?;
        // A split model goes by the name of its first part.
        let names = files.keys().filter(|name| check_name(name)).filter(|name| {
            let part = PartName::parse(name);
            part.is_none_or(|part| part.number == 1 && files_of(name).iter().all(|file| files.contains_key(file)))
        });
        Ok(names.filter_map(|name| self.model(name, |file| files.get(file).copied())).collect())
    }

    /// Returns the downloads that have not ended, by name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn unfinished(&self) -> Result<Vec<UnfinishedModel>, StoreError> {
        let files = self.folder()?;
        let begun = |file: &str| files.get(&format!("{file}.part")).copied();
        let names: BTreeSet<String> = files
            .keys()
            .filter_map(|file| {
                let name = file.strip_suffix(".part").unwrap_or(file);
                let part = PartName::parse(name);
                let missing = || files_of(name).iter().any(|file| !files.contains_key(file));
                // A whole part of a split model that lacks another one is unfinished, too.
                let unfinished = check_name(name) && (file.ends_with(".part") || (part.is_some() && missing()));
                unfinished.then(|| part.map_or_else(|| name.to_owned(), |part| part.of(1)))
            })
            .collect();
        let bytes = |name: &str| {
            let all = files_of(name);
            let whole = all.iter().filter(|_| all.len() > 1).filter_map(|file| files.get(file));
            whole.sum::<u64>() + all.iter().filter_map(|file| begun(file)).sum::<u64>()
        };
        Ok(names.into_iter().map(|name| UnfinishedModel { bytes: bytes(&name), name }).collect())
    }

    /// Returns one model; `None` if it is not there. Of a split model any part's name will do.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn find(&self, name: &str) -> Result<Option<StoredModel>, StoreError> {
        if !check_name(name) {
            return Ok(None);
        }
        let mut sizes = BTreeMap::new();
        for file in files_of(name) {
            let Some(bytes) = self.size(&file)? else { return Ok(None) };
            sizes.insert(file, bytes);
        }
        Ok(self.model(name, |file| sizes.get(file).copied()))
    }

    /// Returns the model that a download of this request would find there; `None` if it would load anything.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn find_for(&self, request: &DownloadRequest) -> Result<Option<StoredModel>, StoreError> {
        // A split model goes by its first part.
        let Ok(names) = request.for_part(1, request.name.clone()).candidates() else { return Ok(None) };
        for name in names {
            let model = self.find(&name)?.filter(|model| match (request.sha256, model.sha256, &model.source) {
                (Some(wanted), found, _) => found == Some(wanted),
                (None, _, source) => source.as_ref().is_some_and(|source| request.is_for_any_part(source)),
            });
            if model.is_some() {
                return Ok(model);
            }
        }
        Ok(None)
    }

    /// Returns one file, whether it is a whole model or a part.
    pub(super) fn file(&self, name: &str) -> Result<Option<StoredModel>, StoreError> {
        if !check_name(name) {
            return Ok(None);
        }
        Ok(self.size(name)?.map(|bytes| self.described(name, bytes)))
    }

    fn size(&self, file: &str) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.config.folder.join(file)) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("look at the model")(error)),
        }
    }

    /// Returns the model of this name, whose files have these sizes; `None` if one has none.
    fn model(&self, name: &str, size: impl Fn(&str) -> Option<u64>) -> Option<StoredModel> {
        let files = files_of(name);
        let (first, further) = files.split_first()?;
        let mut model = self.described(first, size(first)?);
        for file in further {
            let StoredModel { path, bytes, sha256, .. } = self.described(file, size(file)?);
            model.bytes += bytes;
            model.further_parts.push(StoredPart { path, bytes, sha256 });
        }
        Some(model)
    }

    fn described(&self, name: &str, bytes: u64) -> StoredModel {
        let path = self.config.folder.join(name);
        // One that says another size belongs to another file.
        let manifest = Manifest::read(&path).filter(|manifest| manifest.bytes == bytes);
        let sha256 = manifest.as_ref().map(|manifest| manifest.sha256);
        let source = manifest.and_then(|manifest| manifest.source);
        StoredModel { name: name.to_owned(), path, bytes, sha256, source, further_parts: Vec::new() }
    }

    /// Reads a model's files and compares their hashes with those that they came with. Blocks; reads all of them.
    /// `progress` is told the number of bytes read.
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
        let (mut before, mut outcome) = (0, Verification::Intact);
        for file in files_of(&model.name) {
            let mut read = 0;
            let verified = self.verify_file(&file, cancel, |bytes| {
                read = bytes;
                progress(before + bytes);
            })?;
            before += read;
            if outcome == Verification::Intact {
                outcome = verified;
            }
        }
        Ok(outcome)
    }

    /// Does the same for one file.
    pub(super) fn verify_file(
        &self,
        name: &str,
        cancel: &Cancel,
        progress: impl FnMut(u64),
    ) -> Result<Verification, StoreError> {
        let model = self.file(name)?.ok_or_else(|| StoreError::Missing { name: name.into() })?;
        let mut file = fs::File::open(&model.path).map_err(io_error("open the model"))?;
        let read = hashed(&mut file, cancel, progress).map_err(io_error("read the model"))?;
        let (_, found) = read.ok_or(StoreError::Cancelled)?;
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
        let (mut freed, mut found) = (0, false);
        for file in files_of(name) {
            let path = self.config.folder.join(file);
            let part = path_of(&path);
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
        }
        if found { Ok(freed) } else { Err(missing()) }
    }

    /// Returns names and sizes of the folder's files.
    fn folder(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let failed = io_error("read the folder");
        let entries = match fs::read_dir(&self.config.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(&failed)?;
            // A file that goes away meanwhile is not there.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.insert(name, metadata.len());
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
