//! Loads a draft model once and opens sessions on it.

use std::sync::Arc;

use uhlm_core::{Engine, GenerationError};
use uhlm_law::cancel::Cancel;
use uhlm_llama::{LoadOptions, MemoryNeed};

use crate::config::{ModelOptions, SessionOptions};
use crate::error::{UhlmError, failure};
use crate::privacy::Redactor;
use crate::session::{Message, UhlmSession};
use crate::thread::on_thread;
use crate::verifier::UhlmVerifier;

/// What the app says to the progress of a load.
#[uniffi::export(with_foreign)]
pub trait LoadProgress: Send + Sync {
    /// The share of the file that is loaded, in [0, 1], on the loading thread. False ends the load with
    /// `LoadCancelled`.
    fn loaded(&self, share: f32) -> bool;
}

/// What is known of a loaded model.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ModelInfo {
    /// The model's name, as its file has it.
    pub name: String,
    /// `general.architecture`.
    pub architecture: String,
    /// Parameters.
    pub parameters: u64,
    /// Tokens that it was trained to see at once.
    pub trained_context: u32,
    /// Context that a session gets which asks for none, in tokens; nothing where memory is short even of the smallest.
    pub fitted_context: Option<u32>,
    /// Whether a model of this architecture was tried with this library by its authors.
    pub is_tried: bool,
    /// SHA-256 over samples of the file, in hex; a calibration names the pair by it.
    pub fingerprint: String,
}

/// A loaded draft model. Sessions on it share its weights and keep it alive.
#[derive(Debug, uniffi::Object)]
pub struct UhlmEngine {
    engine: Engine,
}

#[uniffi::export]
impl UhlmEngine {
    /// Loads a GGUF file, on a thread of its own. Takes as long as reading the file; dropping the future ends the load.
    ///
    /// # Errors
    /// `ModelNotFound`, `ModelDamaged`, `ModelUnsupported`, `NotEnoughMemory`, `LoadCancelled`.
    #[uniffi::constructor(default(progress))]
    pub async fn load(options: ModelOptions, progress: Option<Arc<dyn LoadProgress>>) -> Result<Arc<Self>, UhlmError> {
        let cancel = Cancel::new();
        let load = LoadOptions {
            mmap: options.mmap,
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
        let loaded = on_thread("uhlm-load", cancel, move || Engine::load(&options.path, &load)).await;
        let engine = loaded.map_err(|error| failure!(EngineFailed, error, FreeMemory))??;
        Ok(Arc::new(Self { engine }))
    }

    /// What is known of the model.
    #[must_use]
    pub fn info(&self) -> ModelInfo {
        let model = self.engine.model();
        ModelInfo {
            name: model.name().to_owned(),
            architecture: model.summary().architecture.clone(),
            parameters: model.parameters(),
            trained_context: model.trained_context(),
            fitted_context: model.fitted_context().ok(),
            is_tried: model.summary().is_tried(),
            fingerprint: self.engine.fingerprint().to_string(),
        }
    }

    /// Tokens of a conversation up to where the reply begins, in the model's chat template.
    ///
    /// # Errors
    /// `ModelUnsupported` where the template refuses the conversation or the model has none.
    pub fn count_tokens(&self, messages: Vec<Message>) -> Result<u32, UhlmError> {
        let messages: Vec<_> = messages.into_iter().map(Into::into).collect();
        let tokens = self.engine.count_tokens(&messages).map_err(GenerationError::from)?;
        Ok(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// The tokens of a text, which is text whatever it spells.
    ///
    /// # Errors
    /// What the tokenizer cannot take.
    pub fn tokenize(&self, text: String) -> Result<Vec<u32>, UhlmError> {
        Ok(self.engine.tokenize(&text).map_err(GenerationError::from)?)
    }

    /// The text of tokens, with control tokens spelled out; U+FFFD takes the place of what is no whole character.
    #[must_use]
    pub fn detokenize(&self, tokens: Vec<u32>) -> String {
        self.engine.detokenize(&tokens)
    }

    /// Opens a session; `redactor` changes messages before a verifier could see them. Cheap: memory is taken, and the
    /// verifier asked, when the first generation needs them. Sessions on one engine are independent and may generate at
    /// the same time; without a verifier only `DeviceOnly` can.
    ///
    /// # Errors
    /// `InvalidOptions`.
    #[uniffi::method(default(verifier = None, redactor = None), default(options))]
    pub fn open_session(
        &self,
        verifier: Option<Arc<UhlmVerifier>>,
        options: SessionOptions,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> Result<Arc<UhlmSession>, UhlmError> {
        let verifier = verifier.map(|verifier| verifier.client());
        Ok(UhlmSession::new(self.engine.session(verifier, options.into_core(redactor)?)?))
    }
}
