//! The pairs of draft and target that are known to work, as an app lists them.

use uhlm_models::catalogue::{self, catalogue};

use crate::models::DownloadRequest;

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CatalogueModel {
    /// Name for people.
    pub name: String,
    /// Name of its file in a store.
    pub file: String,
    /// Licence that its publisher names, as an SPDX expression.
    pub licence: String,
    /// Size of its file in bytes; nothing if it is not known for certain.
    pub bytes: Option<u64>,
    /// A request for it; nothing for a model that comes with the source code of this library.
    pub request: Option<DownloadRequest>,
}

/// A draft model with a target model that has the same vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CataloguePair {
    /// Name in commands.
    pub id: String,
    /// Purpose of the pair, in one sentence.
    pub about: String,
    /// The model that runs on the device.
    pub draft: CatalogueModel,
    /// The model that the verifier must serve.
    pub target: CatalogueModel,
    /// True if thresholds were measured for it; otherwise `uhlm calibrate` measures them.
    pub measured: bool,
}

/// Lists the pairs that are known to work. The list is compiled in.
#[uniffi::export]
#[must_use]
pub fn catalogue_pairs() -> Vec<CataloguePair> {
    catalogue().pairs.iter().filter_map(pair).collect()
}

pub(crate) fn pair(pair: &catalogue::Pair) -> Option<CataloguePair> {
    Some(CataloguePair {
        id: pair.id.clone(),
        about: pair.about.clone(),
        draft: model(&pair.draft)?,
        target: model(&pair.target)?,
        measured: pair.measured.is_some(),
    })
}

fn model(id: &str) -> Option<CatalogueModel> {
    let model = catalogue().model(id)?;
    Some(CatalogueModel {
        name: model.name.clone(),
        file: model.file.clone(),
        licence: model.licence.clone(),
        bytes: model.bytes,
        request: model.request().map(request),
    })
}

fn request(request: uhlm_models::DownloadRequest) -> DownloadRequest {
    DownloadRequest {
        sources: request.sources.iter().map(ToString::to_string).collect(),
        name: request.name,
        sha256: request.sha256.map(|digest| digest.to_string()),
        further_sha256: request.further_sha256.iter().map(ToString::to_string).collect(),
        bytes: request.bytes,
        allow_metered: request.allow_metered,
        require_sha256: true,
    }
}
