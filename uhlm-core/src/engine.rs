//! Loads a draft model once and opens sessions on it.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate as _, Message, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::model::{LanguageModel as _, ModelError, Special};
use uhlm_law::sampling::{SamplingError, SamplingParams, TokenId};
use uhlm_llama::{LoadError, LoadOptions, Model};

use crate::clock::SystemClock;
use crate::options::SessionOptions;
use crate::prefixes::Prefixes;
use crate::saved_session::SavedSessionError;
use crate::session::Session;
use crate::verifier::Verifier;

/// A loaded draft model. It is cheap to clone, and its sessions keep the model alive.
#[derive(Clone, Debug)]
pub struct Engine {
    model: Arc<Model>,
    /// Beginnings that its sessions share.
    prefixes: Arc<Prefixes>,
}

impl Engine {
    /// Loads a GGUF file and blocks for as long as that takes; [`LoadOptions`] reports progress and can cancel.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, LoadError> {
        Ok(Self { model: Model::load(path.as_ref(), options)?, prefixes: Arc::default() })
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Returns the fingerprint of the model's file.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.model.fingerprint()
    }

    /// Returns the sampling that the model's authors recommend, where the file says it (`general.sampling.*`).
    #[must_use]
    pub fn recommended_sampling(&self) -> Option<SamplingParams> {
        self.model.recommended_sampling().cloned()
    }

    /// Counts the tokens of a conversation up to where the reply begins, in the model's chat template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn count_tokens(&self, messages: &[Message]) -> Result<usize, TemplateError> {
        Ok(self.model.prompt(messages)?.len())
    }

    /// Returns the tokens of a text. The text is never read as control tokens, even where it spells their names.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    pub fn tokenize(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        self.model.tokenize(text, Special::Plain)
    }

    /// Returns the text of tokens, with control tokens spelled out. Bytes that are no UTF-8, such as a part of a
    /// character, are replaced by U+FFFD; ids outside the vocabulary have no text.
    #[must_use]
    pub fn detokenize(&self, tokens: &[TokenId]) -> String {
        let size = self.model.vocabulary().size();
        let known: Vec<TokenId> = tokens.iter().copied().filter(|&id| (id as usize) < size).collect();
        String::from_utf8_lossy(&self.model.detokenize(&known)).into_owned()
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
        let model = Arc::clone(&self.model).into();
        Session::begun(model, verifier, options, Arc::new(SystemClock), |worker| {
            worker.share(Arc::clone(&self.prefixes));
            Ok(())
        })
    }

    /// Restores a session from a file that [`Session::save`] wrote; blocks on the file, and until the context is made.
    /// [`Session::restore`] says what it goes on with.
    ///
    /// # Errors
    /// [`SavedSessionError`].
    pub fn restore_session(
        &self,
        path: impl AsRef<Path>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
    ) -> Result<Session, SavedSessionError> {
        let (model, prefixes) = (Arc::clone(&self.model).into(), Arc::clone(&self.prefixes));
        Session::restore_with(model, verifier, options, path.as_ref(), prefixes)
    }
}
