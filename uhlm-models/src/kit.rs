//! A pair of the catalogue as one thing: whether its draft model is on the device, how it gets there, and what was
//! measured of the pair.
//!
//! Decides nothing about downloads or files, which are the store's.

use uhlm_law::calibration::Calibration;

use crate::catalogue::{Model, Pair, catalogue};
use crate::handle::Transfer;
use crate::request::DownloadRequest;
use crate::store::ModelStore;
use crate::stored::{StoreError, StoredModel};

/// The reason why there is no kit of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KitError {
    /// The catalogue has no pair of this name.
    #[error("the catalogue has no pair '{id}'")]
    UnknownPair {
        /// The name.
        id: String,
    },
    /// The pair's draft model comes with the source code of this library and is to be had nowhere else.
    #[error("the draft model of '{id}' comes with the source code and cannot be downloaded")]
    Bundled {
        /// Name of the pair.
        id: String,
    },
}

/// The state of a kit's draft model in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KitStatus {
    /// The model is not there.
    Missing {
        /// Size of the download in bytes; `None` if it is not known for certain.
        bytes: Option<u64>,
    },
    /// A download has begun and not ended.
    Unfinished {
        /// Size of what is there, in bytes.
        received: u64,
        /// Size of the whole model in bytes; `None` if it is not known for certain.
        bytes: Option<u64>,
    },
    /// The model is there, whole.
    Ready(StoredModel),
}

/// A pair of draft and target with a store for the draft model.
#[derive(Clone, Debug)]
pub struct ModelKit {
    pair: Pair,
    draft: Model,
    request: DownloadRequest,
    store: ModelStore,
}

impl ModelKit {
    /// Makes the kit of a pair of the catalogue, by its [`Pair::id`].
    ///
    /// # Errors
    /// [`KitError`].
    pub fn new(id: &str, store: ModelStore) -> Result<Self, KitError> {
        let unknown = || KitError::UnknownPair { id: id.to_owned() };
        let pair = catalogue().pair(id).ok_or_else(unknown)?;
        let draft = catalogue().model(&pair.draft).ok_or_else(unknown)?;
        Self::of(pair.clone(), draft.clone(), store)
    }

    /// Makes the kit of a pair that the catalogue does not have.
    ///
    /// # Errors
    /// [`KitError::Bundled`] for a draft model without sources.
    pub fn of(pair: Pair, draft: Model, store: ModelStore) -> Result<Self, KitError> {
        let request = draft.request().ok_or_else(|| KitError::Bundled { id: pair.id.clone() })?;
        Ok(Self { pair, draft, request, store })
    }

    /// Returns the pair.
    #[must_use]
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Returns the draft model, with its licence and its size.
    #[must_use]
    pub fn draft(&self) -> &Model {
        &self.draft
    }

    /// Tells whether the draft model is there; a download by the same store counts, whoever began it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn status(&self) -> Result<KitStatus, StoreError> {
        if let Some(model) = self.store.find_for(&self.request)? {
            return Ok(KitStatus::Ready(model));
        }
        let bytes = self.draft.bytes;
        let begun = self.store.unfinished()?.into_iter().find(|model| model.name == self.draft.file);
        Ok(match begun {
            Some(model) => KitStatus::Unfinished { received: model.bytes, bytes },
            None => KitStatus::Missing { bytes },
        })
    }

    /// Downloads the draft model, or goes on with a download that was broken off. It gets its name when it is whole and
    /// hashes to what the catalogue says; one that is there already comes at once.
    #[must_use]
    pub fn download(&self, allow_metered: bool) -> Transfer {
        self.store.download(DownloadRequest { allow_metered, ..self.request.clone() })
    }

    /// Returns the law, the thresholds and the rest of what was measured of the pair; `None` where it was not measured.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        self.pair.calibration()
    }

    /// Removes the draft model, or what an unfinished download left of it; returns how many bytes were freed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete(&self) -> Result<u64, StoreError> {
        // Where another model had its file's name before, it has one of its own.
        let found = self.store.find_for(&self.request)?;
        self.store.delete(found.as_ref().map_or(&self.draft.file, |model| &model.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreConfig;

    fn store(folder: &std::path::Path) -> ModelStore {
        ModelStore::new(StoreConfig::new(folder))
    }

    #[test]
    fn every_pair_of_the_catalogue_is_a_kit_but_those_that_come_with_the_source_code() {
        let folder = tempfile::tempdir().expect("a folder");
        for pair in &catalogue().pairs {
            let kit = ModelKit::new(&pair.id, store(folder.path()));
            if pair.id == "demo" {
                assert_eq!(kit.err(), Some(KitError::Bundled { id: "demo".into() }));
                continue;
            }
            let kit = kit.expect("a kit");
            assert!(!kit.draft().licence.is_empty(), "{}", pair.id);
            assert_eq!(kit.status().expect("a folder"), KitStatus::Missing { bytes: kit.draft().bytes });
        }
        let unknown = ModelKit::new("nonsense", store(folder.path())).err();
        assert_eq!(unknown, Some(KitError::UnknownPair { id: "nonsense".into() }));
    }
}
