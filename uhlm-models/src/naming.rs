//! The name under which a file is kept: two sources with the same file name are two models, and one that is there
//! already is not loaded again.

use std::path::{Path, PathBuf};

use crate::error::DownloadError;
use crate::manifest::{Manifest, now};
use crate::partial::Partial;
use crate::request::DownloadRequest;
use crate::shared::Shared;
use crate::source::Source;
use crate::store::ModelStore;
use crate::stored::{StoreError, StoredModel, Verification};

/// The file of a request in the store, or the place for it.
pub(super) enum Claim {
    /// The file is there, whole.
    There(StoredModel),
    /// The file is to be loaded, or gone on with.
    Missing(Place),
}

/// A name that is held for a file.
pub(super) struct Place {
    /// Name that the file will have.
    pub(super) name: String,
    /// Path of the file by that name.
    pub(super) path: PathBuf,
    /// Part of the file that is there already, locked against other downloads.
    pub(super) partial: Partial,
}

/// Looks for the request's file, and holds a name for it where it is not there.
pub(super) fn claim(shared: &Shared, request: &DownloadRequest) -> Result<Claim, DownloadError> {
    let candidates = request.candidates()?;
    for name in &candidates {
        if let Some(model) = there(shared, request, name)? {
            return Ok(Claim::There(model));
        }
    }
    shared.check_network()?;
    let folder = &shared.config().folder;
    std::fs::create_dir_all(folder).map_err(|e| DownloadError::storage("create the folder", 0, &e))?;
    let source = request.sources.first().map(Source::kept).unwrap_or_default();
    for name in &candidates {
        let path = folder.join(name);
        if is_taken(&path, request) {
            continue;
        }
        // A name that was asked for is meant, whatever was begun under it.
        let any = request.name.is_some();
        let ours = |source: &str, sha256| any || request.is_for(source, sha256);
        if let Some(mut partial) = Partial::claim(&path, ours)? {
            if let Err(error) = partial.sign(&source, request.sha256) {
                partial.let_go();
                return Err(error);
            }
            return Ok(Claim::Missing(Place { name: name.clone(), path, partial }));
        }
    }
    Err(DownloadError::NameTaken { name: candidates.last().cloned().unwrap_or_default() })
}

/// Returns the name that a file of the request has or would get; nothing is held.
pub(super) fn vacant(store: &ModelStore, request: &DownloadRequest) -> Result<String, DownloadError> {
    let mut candidates = request.candidates()?;
    let free = candidates.iter().position(|name| !is_taken(&store.config().folder.join(name), request));
    match free {
        Some(at) => Ok(candidates.swap_remove(at)),
        None => Err(DownloadError::NameTaken { name: candidates.pop().unwrap_or_default() }),
    }
}

/// Tells whether a file of this path is another model's. A new version of the same source takes the old one's place.
fn is_taken(path: &Path, request: &DownloadRequest) -> bool {
    let is_ours = |of: Manifest| {
        let by_hash = request.sha256 == Some(of.sha256);
        by_hash || of.source.is_some_and(|source| request.is_for(&source, None))
    };
    path.exists() && !Manifest::read(path).is_some_and(is_ours)
}

/// Returns the file of this name, if it is what was asked for.
fn there(shared: &Shared, request: &DownloadRequest, name: &str) -> Result<Option<StoredModel>, DownloadError> {
    let failed = |error: StoreError| match error {
        StoreError::Cancelled => DownloadError::Cancelled,
        error => DownloadError::Storage { what: "look into the folder".into(), reason: error.to_string() },
    };
    let Some(mut model) = shared.store.file(name).map_err(failed)? else { return Ok(None) };
    if request.bytes.is_some_and(|bytes| bytes != model.bytes) {
        return Ok(None);
    }
    match (request.sha256, model.sha256, &model.source) {
        (Some(wanted), Some(found), _) => Ok((wanted == found).then_some(model)),
        (None, Some(_), Some(source)) => Ok(request.is_for(source, None).then_some(model)),
        // Put there by other means, it may still be the one: reading it is cheaper than loading it once more.
        (Some(wanted), None, _) => {
            let found = shared.store.verify_file(name, &shared.cancel, |_| ()).map_err(failed)?;
            if !matches!(found, Verification::Unknown { sha256 } if sha256 == wanted) {
                return Ok(None);
            }
            let source = request.sources.first().map(Source::kept).unwrap_or_default();
            let manifest = Manifest { sha256: wanted, bytes: model.bytes, source: Some(source), loaded_at: now() };
            manifest.write(&model.path).map_err(|e| DownloadError::storage("write the manifest", 0, &e))?;
            (model.sha256, model.source) = (Some(wanted), manifest.source);
            Ok(Some(model))
        }
        (None, _, _) => Ok(None),
    }
}
