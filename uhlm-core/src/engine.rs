//! Loads a draft model once and opens sessions on it.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::chat::DraftModel as _;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::SamplingError;
use uhlm_llama::{LoadError, LoadOptions, Model};

use crate::options::SessionOptions;
use crate::session::Session;
use crate::verifier::Verifier;

/// A loaded draft model. Cheap to clone; sessions keep the model alive.
#[derive(Clone, Debug)]
pub struct Engine {
    model: Arc<Model>,
}

impl Engine {
    /// Loads a GGUF file. Blocks for as long as that takes; [`LoadOptions`] has progress and cancel.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, LoadError> {
        Ok(Self { model: Model::load(path.as_ref(), options)? })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Fingerprint of the model's file.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.model.fingerprint()
    }

    /// Opens a session. Sessions on one engine are independent and may generate at the same time.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn session(
        &self,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
    ) -> Result<Session, SamplingError> {
        Session::new(Arc::clone(&self.model) as _, verifier, options)
    }
}
