//! Where the bundled demo pair lies, and where the calibration of a pair does.

use std::path::{Path, PathBuf};

use uhlm_core::Engine;
use uhlm_core::calibration_file::{self, CalibrationFileError};
use uhlm_law::calibration::Calibration;
use uhlm_law::digest::Digest;

use crate::failure::Failure;

/// The files of a pair of models with their questions.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    folder: PathBuf,
}

impl Pair {
    /// Finds the folder `models` of the repository: the one that `UHLM_MODELS` names, or one in or above the working
    /// directory or the program's folder, or the one of the source tree that this program was built from.
    pub(crate) fn find() -> Result<Self, Failure> {
        if let Some(folder) = std::env::var_os("UHLM_MODELS") {
            let pair = Self { folder: folder.into() };
            return if pair.is_there() {
                Ok(pair)
            } else {
                Err(Failure::new(format!("no demo pair in {} (UHLM_MODELS)", pair.folder.display())))
            };
        }
        let above = |start: Option<PathBuf>| -> Vec<PathBuf> {
            start.iter().flat_map(|path| path.ancestors()).map(|path| path.join("models")).collect()
        };
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
        above(std::env::current_dir().ok())
            .into_iter()
            .chain(above(std::env::current_exe().ok()))
            .chain([built_from])
            .map(|folder| Self { folder })
            .find(Self::is_there)
            .ok_or_else(|| {
                Failure::new("the bundled demo pair was not found")
                    .hint("run inside the repository, set UHLM_MODELS to its folder `models`, or give --model")
            })
    }

    fn is_there(&self) -> bool {
        self.draft().is_file() && self.target().is_file()
    }

    pub(crate) fn draft(&self) -> PathBuf {
        self.folder.join("demo-draft.gguf")
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.folder.join("demo-target.gguf")
    }

    /// Returns the file of questions for evaluation, which neither training nor calibration saw.
    pub(crate) fn heldout(&self) -> PathBuf {
        self.folder.join("data/heldout.jsonl")
    }

    /// Returns the file of questions for calibration.
    pub(crate) fn calibration_questions(&self) -> PathBuf {
        self.folder.join("data/calibration.jsonl")
    }

    /// Returns the file of prompts without a right answer.
    pub(crate) fn free_prompts(&self) -> PathBuf {
        self.folder.join("data/prompts_free.jsonl")
    }
}

/// Returns the file of a draft model's calibration unless a flag names another: beside the model, with `draft.gguf`
/// becoming `draft.calibration.json`; for the bundled draft model it is the bundled pair's file.
pub(crate) fn calibration_beside(model: &Path) -> PathBuf {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let stem = if stem == "demo-draft" { "demo" } else { &stem };
    model.with_file_name(format!("{stem}.calibration.json"))
}

/// Loads the calibration beside a draft model; `None` where it was measured on other models.
///
/// # Errors
/// Where there is none that can be read.
pub(crate) fn calibration_of(
    draft: &Path,
    engine: &Engine,
    target: &Digest,
) -> Result<Option<Calibration>, CalibrationFileError> {
    let found = calibration_file::load(&calibration_beside(draft))?;
    Ok(Some(found).filter(|found| found.matches(&engine.fingerprint(), target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_lies_beside_its_draft_model() {
        assert_eq!(calibration_beside(Path::new("/m/small.q4.gguf")), Path::new("/m/small.q4.calibration.json"));
        assert_eq!(calibration_beside(Path::new("models/demo-draft.gguf")), Path::new("models/demo.calibration.json"));
    }
}
