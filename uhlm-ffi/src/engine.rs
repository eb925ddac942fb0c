//! Loads a draft model once and opens sessions on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uhlm_core::{Engine, GenerationError, Verifier};
use uhlm_law::cancel::Cancel;
pub use uhlm_llama::NoGpu;
use uhlm_llama::{LoadOptions, MemoryNeed};

use crate::config::{ModelOptions, SessionOptions};
use crate::error::{ErrorKind, UhlmError};
use crate::law::SamplingParams;
use crate::privacy::Redactor;
use crate::session::{Message, UhlmSession};
use crate::thread::{off_thread, on_thread};
use crate::verifier::UhlmVerifier;

/// Takes the progress of a load.
#[uniffi::export(with_foreign)]
pub trait LoadProgress: Send + Sync {
    /// Takes the share of the file that is loaded, in [0, 1], on the loading thread. Returning false ends the load with
    /// `Cancelled`.
    fn loaded(&self, share: f32) -> bool;
}

/// Facts about a loaded model.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ModelInfo {
    /// Name of the model, as its file has it.
    pub name: String,
    /// Architecture of the model, which is `general.architecture` of its file.
    pub architecture: String,
    /// Number of its parameters.
    pub parameters: u64,
    /// Length of the context that it was trained for, in tokens.
    pub trained_context: u32,
    /// Length of the context that a session gets if it asks for none, in tokens; nothing if there is too little memory
    /// even for the shortest.
    pub fitted_context: Option<u32>,
    /// True if the authors of this library tried a model of this architecture with it.
    pub is_tried: bool,
    /// SHA-256 over samples of the file, in hex. A calibration names the pair by it.
    pub fingerprint: String,
    /// Name of the device that it computes on, in ggml: "CPU", "MTL0" (Metal), "Vulkan0", "GPUOpenCL", "CUDA0".
    pub backend: String,
    /// Description of that device, mostly its maker's name for it.
    pub backend_description: String,
    /// Reason why it is on the CPU; nothing if it is on a GPU.
    pub reason_no_gpu: Option<NoGpu>,
}

/// The reason why a model is not on a GPU.
#[uniffi::remote(Enum)]
pub enum NoGpu {
    /// The CPU was asked for.
    Asked,
    /// The library was built without a backend for GPUs.
    NotBuilt,
    /// The library was built for GPUs, and the system has none that it can use. A simulator of iOS has none.
    NoDevice,
    /// Rows were asked for that do not depend on their batch, which holds on a CPU alone. No app asks for that.
    BatchInvariant,
    /// The GPU did not take the model, for example for lack of memory, and the CPU did.
    Failed {
        /// Reason in llama.cpp's words.
        reason: String,
    },
}

/// A loaded draft model. Sessions on it share its weights and keep it alive.
#[derive(Debug, uniffi::Object)]
pub struct UhlmEngine {
    engine: Engine,
    /// Folder in which the vocabularies of targets are kept.
    vocabularies: PathBuf,
}

#[uniffi::export]
impl UhlmEngine {
    /// Loads a GGUF file, on a thread of its own. It takes as long as reading the file. Dropping the future ends the
    /// load.
    ///
    /// # Errors
    /// `ModelNotFound`, `ModelDamaged`, `ModelUnsupported`, `NotEnoughMemory`, `Cancelled`; `InvalidOptions` if a GPU
    /// was asked for and there is none.
    #[uniffi::constructor(default(progress))]
    pub async fn load(options: ModelOptions, progress: Option<Arc<dyn LoadProgress>>) -> Result<Arc<Self>, UhlmError> {
        let cancel = Cancel::new();
        let load = LoadOptions {
            mmap: options.mmap,
            batch_invariant: false,
            cache: options.cache.unwrap_or_default(),
            accelerator: options.accelerator.unwrap_or_default(),
            gpu_layers: options.gpu_layers,
            chat_template: options.chat_template.clone(),
            memory: Some(MemoryNeed { context: options.fit_context.unwrap_or(0), available: options.available_memory }),
            progress: progress.map(|progress| {
                let cancel = cancel.clone();
                Arc::new(move |share| {
                    if !progress.loaded(share) {
                        cancel.cancel();
                    }
                }) as Arc<dyn Fn(f32) + Send + Sync>
            }),
            cancel: cancel.clone(),
        };
        let beside = || Path::new(&options.path).with_file_name("vocabularies");
        let vocabularies = options.vocabulary_folder.as_ref().map_or_else(beside, PathBuf::from);
        let loaded = on_thread("uhlm-load", cancel, move || Engine::load(&options.path, &load)).await;
        let engine = loaded.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))??;
        Ok(Arc::new(Self { engine, vocabularies }))
    }

    /// Returns facts about the model.
    #[must_use]
    pub fn info(&self) -> ModelInfo {
        let model = self.engine.model();
        let backend = model.backend().clone();
        ModelInfo {
            name: model.name().to_owned(),
            architecture: model.summary().architecture.clone(),
            parameters: model.parameters(),
            trained_context: model.trained_context(),
            fitted_context: model.fitted_context().ok(),
            is_tried: model.summary().is_tried(),
            fingerprint: self.engine.fingerprint().to_string(),
            backend: backend.name,
            backend_description: backend.description,
            reason_no_gpu: backend.no_gpu,
        }
    }

    /// Returns the sampling that the model's authors recommend; nothing where its file does not say.
    #[must_use]
    pub fn recommended_sampling(&self) -> Option<SamplingParams> {
        self.engine.recommended_sampling().map(Into::into)
    }

    /// Counts the tokens of a conversation in the model's chat template, up to where the reply begins.
    ///
    /// # Errors
    /// `ModelUnsupported` if the template refuses the conversation, or the model has none.
    pub fn count_tokens(&self, messages: Vec<Message>) -> Result<u32, UhlmError> {
        let tokens = self.engine.count_tokens(&messages).map_err(GenerationError::from)?;
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// Returns the tokens of a text. It is text whatever it spells: there are no control tokens among them.
    ///
    /// # Errors
    /// `EngineFailed` if the tokenizer cannot take the text.
    pub fn tokenize(&self, text: String) -> Result<Vec<u32>, UhlmError> {
        Ok(self.engine.tokenize(&text).map_err(GenerationError::from)?)
    }

    /// Returns the text of tokens, with control tokens spelled out. U+FFFD takes the place of what is no whole
    /// character.
    #[must_use]
    pub fn detokenize(&self, tokens: Vec<u32>) -> String {
        self.engine.detokenize(&tokens)
    }

    /// Opens a session, reading its calibration on a thread of its own. That is cheap: memory is taken, and the
    /// verifier is asked, when the first generation needs them. Sessions on one engine are independent and may generate
    /// at the same time. A session without a verifier can generate in the mode `DeviceOnly` alone; options that name
    /// another mode are refused. `redactor` changes messages before the verifier could see them.
    ///
    /// # Errors
    /// `InvalidOptions`.
    #[uniffi::method(default(verifier = None, redactor = None), default(options))]
    pub async fn open_session(
        &self,
        verifier: Option<Arc<UhlmVerifier>>,
        options: SessionOptions,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> Result<Arc<UhlmSession>, UhlmError> {
        let opening = self.opening(verifier, options, redactor);
        off_thread(move || {
            let (engine, verifier, options) = opening()?;
            Ok::<_, UhlmError>(UhlmSession::new(engine.session(verifier, options)?))
        })
        .await
    }
}

/// What a session is opened with.
type Opening = (Engine, Option<Arc<dyn Verifier>>, uhlm_core::SessionOptions);

impl UhlmEngine {
    /// Returns a function that gives what a session on this engine is opened with; it reads the calibration's file.
    pub(crate) fn opening(
        &self,
        verifier: Option<Arc<UhlmVerifier>>,
        options: SessionOptions,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> impl FnOnce() -> Result<Opening, UhlmError> + Send + use<> {
        let (engine, vocabulary_folder) = (self.engine.clone(), Some(self.vocabularies.clone()));
        move || {
            let options = options.into_core(verifier.is_some(), redactor)?;
            let options = uhlm_core::SessionOptions { vocabulary_folder, ..options };
            Ok((engine, verifier.map(|verifier| verifier.client()), options))
        }
    }
}

#[cfg(test)]
mod tests {
    use uhlm_llama::Accelerator;

    use super::*;
    use crate::error::Recovery;

    fn load(accelerator: Accelerator) -> Result<ModelInfo, UhlmError> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo-draft.gguf");
        let options = ModelOptions { accelerator: Some(accelerator), ..ModelOptions::of(path.into()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(UhlmEngine::load(options, None)).map(|engine| engine.info())
    }

    #[test]
    fn a_model_says_what_it_computes_on_and_a_gpu_that_is_not_there_is_an_option_to_fix() {
        let on_cpu = load(Accelerator::Cpu).expect("the bundled draft model");
        assert_eq!((on_cpu.backend.as_str(), on_cpu.reason_no_gpu), ("CPU", Some(NoGpu::Asked)));
        assert!(!on_cpu.backend_description.is_empty());
        let auto = load(Accelerator::Auto).expect("the bundled draft model");
        // A machine with a GPU, and a build for it, has no such error.
        if matches!(auto.reason_no_gpu, Some(NoGpu::NotBuilt | NoGpu::NoDevice)) {
            let error = load(Accelerator::Gpu).expect_err("no GPU");
            assert_eq!((error.kind(), error.recovery()), (ErrorKind::InvalidOptions, Recovery::FixOptions));
        }
    }
}
