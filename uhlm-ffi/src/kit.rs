//! A pair of the catalogue as one thing, from its name to a session.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use uhlm_core::calibration_file;
use uhlm_models::{KitStatus as CoreStatus, ModelKit};

use crate::catalogue::{CataloguePair, pair};
use crate::config::{ModelOptions, SessionOptions};
use crate::engine::{LoadProgress, UhlmEngine};
use crate::error::{ErrorKind, UhlmError};
use crate::models::{StoredModel, UhlmDownload, UhlmModelStore};
use crate::privacy::Redactor;
use crate::session::UhlmSession;
use crate::thread::off_thread;
use crate::verifier::UhlmVerifier;

/// Whether a kit's draft model is on the device.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum KitStatus {
    /// The model is not there.
    Missing {
        /// Size of the download in bytes; nothing if it is not known for certain.
        bytes: Option<u64>,
    },
    /// A download has begun and not ended.
    Unfinished {
        /// Size of what is there, in bytes.
        received: u64,
        /// Size of the whole model in bytes; nothing if it is not known for certain.
        bytes: Option<u64>,
    },
    /// The model is there, whole.
    Ready {
        /// The model.
        model: StoredModel,
    },
}

impl From<CoreStatus> for KitStatus {
    fn from(status: CoreStatus) -> Self {
        match status {
            CoreStatus::Missing { bytes } => Self::Missing { bytes },
            CoreStatus::Unfinished { received, bytes } => Self::Unfinished { received, bytes },
            CoreStatus::Ready(model) => Self::Ready { model: model.into() },
        }
    }
}

/// A pair of draft and target from the catalogue, with a store for the draft model: status, download, session.
#[derive(Debug, uniffi::Object)]
pub struct UhlmKit {
    kit: ModelKit,
    /// The loaded draft model, which all sessions share.
    loaded: Mutex<Option<Loaded>>,
}

/// The loaded draft model, with the path of its file.
#[derive(Clone, Debug)]
struct Loaded {
    engine: Arc<UhlmEngine>,
    path: String,
}

#[uniffi::export]
impl UhlmKit {
    /// Makes the kit of a pair, by its `id` in `catalogue_pairs`. Nothing is read or downloaded yet.
    ///
    /// # Errors
    /// `InvalidOptions` if the catalogue has no such pair, or if its draft model cannot be downloaded.
    #[uniffi::constructor]
    pub fn new(pair: String, store: Arc<UhlmModelStore>) -> Result<Arc<Self>, UhlmError> {
        let kit = ModelKit::new(&pair, store.inner()).map_err(UhlmError::invalid)?;
        Ok(Arc::new(Self { kit, loaded: Mutex::default() }))
    }

    /// Returns the pair, with licences and sizes.
    ///
    /// # Errors
    /// `InvalidOptions` if the catalogue lacks one of its models.
    pub fn pair(&self) -> Result<CataloguePair, UhlmError> {
        pair(self.kit.pair()).ok_or_else(|| UhlmError::invalid("the catalogue lacks a model of the pair"))
    }

    /// Tells whether the draft model is there. It looks into the store's folder, on a thread of its own.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub async fn status(&self) -> Result<KitStatus, UhlmError> {
        let kit = self.kit.clone();
        Ok(off_thread(move || kit.status()).await?.into())
    }

    /// Starts the download of the draft model, or goes on with one that was broken off. One that is there already comes
    /// at once.
    #[uniffi::method(default(allow_metered = false))]
    pub fn download(&self, allow_metered: bool) -> Arc<UhlmDownload> {
        UhlmDownload::of(self.kit.download(allow_metered))
    }

    /// Loads the draft model, once for all sessions of this kit.
    ///
    /// # Errors
    /// `ModelNotFound` if it was not downloaded, and those of `UhlmEngine.load`.
    #[uniffi::method(default(progress = None))]
    pub async fn engine(&self, progress: Option<Arc<dyn LoadProgress>>) -> Result<Arc<UhlmEngine>, UhlmError> {
        Ok(self.load(progress).await?.engine)
    }

    /// Opens a session on the kit's draft model, which is loaded for the first one. Where the pair was measured and the
    /// options name no calibration, the measured one is written beside the model and used.
    ///
    /// # Errors
    /// Those of `engine` and of `UhlmEngine.open_session`; `StorageFailed` if the calibration cannot be written.
    #[uniffi::method(default(verifier = None, redactor = None), default(options))]
    pub async fn open_session(
        &self,
        verifier: Option<Arc<UhlmVerifier>>,
        options: SessionOptions,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> Result<Arc<UhlmSession>, UhlmError> {
        let Loaded { engine, path } = self.load(None).await?;
        let mut options = options;
        if options.calibration_path.is_none() {
            let kit = self.kit.clone();
            options.calibration_path = off_thread(move || calibration(&kit, path.as_ref())).await?;
        }
        engine.open_session(verifier, options, redactor).await
    }

    /// Lets go of the loaded draft model. Sessions keep it as long as they live.
    pub async fn unload(&self) {
        *self.loaded.lock().await = None;
    }

    /// Removes the draft model, or what an unfinished download left of it, and returns how many bytes were freed.
    ///
    /// # Errors
    /// `ModelNotFound`, `StorageFailed`.
    pub async fn delete(&self) -> Result<u64, UhlmError> {
        let kit = self.kit.clone();
        off_thread(move || kit.delete()).await
    }
}

impl UhlmKit {
    /// Returns the loaded model, and loads it first if it is not.
    async fn load(&self, progress: Option<Arc<dyn LoadProgress>>) -> Result<Loaded, UhlmError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(loaded) = &*loaded {
            return Ok(loaded.clone());
        }
        let KitStatus::Ready { model } = self.status().await? else {
            return Err(UhlmError::new(ErrorKind::ModelNotFound, "the kit's model was not downloaded"));
        };
        let path = model.path.clone();
        let engine = UhlmEngine::load(ModelOptions::of(model.path), progress).await?;
        Ok(loaded.insert(Loaded { engine, path }).clone())
    }
}

/// Returns the path of the pair's calibration beside the model, and writes it there if it was measured and is not there
/// yet; what a session has learnt stays.
fn calibration(kit: &ModelKit, model: &Path) -> Result<Option<String>, UhlmError> {
    let path = model.with_extension("calibration.json");
    if let (Some(calibration), false) = (kit.calibration(), path.exists()) {
        let failed = |error| UhlmError::new(ErrorKind::StorageFailed, error);
        calibration_file::save(&calibration, &path).map_err(failed)?;
    }
    Ok(path.exists().then(|| path.display().to_string()))
}
