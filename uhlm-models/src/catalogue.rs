//! Pairs of draft and target that are known, compiled in from `models/catalogue.json`.
//!
//! Nothing in it is guessed: a size or hash that is not known for certain is null, and a pair whose law was not
//! measured says so. Sizes and hashes of files on Hugging Face are those that several public repositories have
//! recorded independently of each other for the same revision; a download checks them again.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;
use uhlm_law::digest::Digest;

use crate::request::DownloadRequest;
use crate::source::Source;

const TEXT: &str = include_str!("../../models/catalogue.json");
/// Texts of the files that [`Pair::measured`] names.
const MEASURED: &[(&str, &str)] = &[
    ("demo.calibration.json", include_str!("../../models/demo.calibration.json")),
    ("qwen2.5-coder-0.5b-1.5b.calibration.json", include_str!("../../models/qwen2.5-coder-0.5b-1.5b.calibration.json")),
];

/// The list of known pairs and of their models.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    version: u32,
    /// Pairs of a draft and a target model.
    pub pairs: Vec<Pair>,
    /// Model files that the pairs name.
    pub models: Vec<Model>,
}

/// A draft model with a target model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Name of the pair in commands.
    pub id: String,
    /// Purpose that it is good for.
    pub about: String,
    /// Draft model, by its [`Model::id`].
    pub draft: String,
    /// Target model, by its [`Model::id`].
    pub target: String,
    /// Ground on which the vocabularies count as the same. A session compares them in any case before the first token.
    pub vocabulary: VocabularyMatch,
    /// Name of the file with the measurements of the pair; `None` where it was not measured: run `uhlm calibrate`.
    pub measured: Option<String>,
    /// Places where what is said of it can be looked up.
    pub facts: Vec<String>,
}

/// The ground on which two models count as sharing a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VocabularyMatch {
    /// Their vocabulary hashes were compared.
    Checked,
    /// They are of one family with one tokenizer; the files were not compared here.
    Expected,
}

/// A model's file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of the model in commands.
    pub id: String,
    /// Name of the model for people.
    pub name: String,
    /// Name of the file in a store.
    pub file: String,
    /// SPDX expression of the licence that its publisher names.
    pub licence: String,
    /// Number of parameters, where known exactly.
    pub parameters: Option<u64>,
    /// Format in which its matrices are stored.
    pub quantization: String,
    /// Length of the context that it was trained for, in tokens.
    pub context: u32,
    /// Length of the file, in bytes, where known for certain.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, where known for certain.
    pub sha256: Option<Digest>,
    /// Sources of the file; empty for one that comes with this repository.
    pub sources: Vec<Source>,
    /// Places where what is said of it can be looked up.
    pub facts: Vec<String>,
}

/// Returns the compiled-in list.
///
/// # Panics
/// Never: that it can be read is tested.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| match serde_json::from_str(TEXT) {
        Ok(catalogue) => catalogue,
        Err(error) => panic!("models/catalogue.json: {error}"),
    })
}

impl Catalogue {
    /// Returns a model by its [`Model::id`].
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    /// Returns a pair by its [`Pair::id`].
    #[must_use]
    pub fn pair(&self, id: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }
}

impl Pair {
    /// Returns the law, the thresholds and the rest of what was measured; `None` where the pair was not measured.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        let name = self.measured.as_deref()?;
        let (_, text) = MEASURED.iter().find(|(file, _)| *file == name)?;
        Calibration::from_json(text.as_bytes()).ok()
    }
}

impl Model {
    /// Makes a request for its file; `None` for one that comes with this repository.
    #[must_use]
    pub fn request(&self) -> Option<DownloadRequest> {
        (!self.sources.is_empty()).then(|| DownloadRequest {
            sources: self.sources.clone(),
            // An app knows the model by this name.
            name: Some(self.file.clone()),
            sha256: self.sha256,
            bytes: self.bytes,
            ..DownloadRequest::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn bundled(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
    }

    #[test]
    fn every_pair_names_two_models_and_every_fact_has_a_place() {
        let catalogue = catalogue();
        let mut seen = HashSet::new();
        for pair in &catalogue.pairs {
            assert!(seen.insert(pair.id.clone()), "{} twice", pair.id);
            assert!(catalogue.model(&pair.draft).is_some() && catalogue.model(&pair.target).is_some(), "{}", pair.id);
            assert!(!pair.facts.is_empty(), "{}", pair.id);
        }
        for model in &catalogue.models {
            assert!(seen.insert(model.id.clone()), "{} twice", model.id);
            assert!(crate::request::check_name(&model.file), "{}", model.file);
            assert!(!model.facts.is_empty() && !model.licence.is_empty(), "{}", model.id);
            // Whoever pulls its source without the name gets it under the same one.
            let unnamed = |request| DownloadRequest { name: None, ..request };
            let name = model.request().map(|request| unnamed(request).file_name());
            assert!(name.is_none_or(|name| name.as_ref() == Ok(&model.file)), "{}", model.id);
            // A file that may change has no hash that holds.
            for source in &model.sources {
                let fixed = matches!(source, Source::HuggingFace { revision, .. } if revision.len() == 40);
                assert!(fixed || model.sha256.is_none(), "{source} can change, and yet a hash is given");
            }
        }
    }

    #[test]
    fn the_demo_pair_is_the_one_in_the_repository() {
        for id in ["demo-draft", "demo-target"] {
            let model = catalogue().model(id).expect("listed");
            let file = std::fs::read(bundled(&model.file)).expect("bundled");
            assert_eq!(model.bytes, Some(file.len() as u64), "{id}");
            assert_eq!(model.sha256, Some(Digest(Sha256::digest(&file).into())), "{id}");
        }
        let text = std::fs::read(bundled("demo.calibration.json")).expect("bundled");
        let stored = Calibration::from_json(&text).expect("a calibration");
        assert_eq!(catalogue().pair("demo").and_then(Pair::calibration), Some(stored));
        for pair in &catalogue().pairs {
            assert_eq!(pair.measured.is_some(), pair.calibration().is_some(), "{}", pair.id);
        }
    }
}
