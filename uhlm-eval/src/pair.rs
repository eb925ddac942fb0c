//! A pair of models, and the time of their passes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uhlm_law::chat::{ChatTemplate as _, DraftModel, Message};
use uhlm_law::model::{LanguageModel as _, ModelError, Sequence};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{BatchContext, ContextOptions, LoadOptions, Model};

use crate::error::EvalError;
use crate::memory::{Memory, RememberedDraft};
use crate::questions::Question;

/// Context for a short prompt and a reply, in tokens.
const SHORT_CONTEXT: u32 = 512;

/// A draft and a target model with the same vocabulary.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The draft model.
    pub draft: Arc<Model>,
    /// The target model.
    pub target: Arc<Model>,
    context: u32,
    memory: Option<Arc<Memory>>,
}

impl Pair {
    /// Loads both models; blocks.
    ///
    /// # Errors
    /// [`EvalError::Load`], [`EvalError::Vocabularies`].
    pub fn load(draft: &Path, target: &Path) -> Result<Self, EvalError> {
        let options = LoadOptions::default();
        let (draft, target) = (Model::load(draft, &options)?, Model::load(target, &options)?);
        let pair = Self { draft, target, context: SHORT_CONTEXT, memory: None };
        if pair.draft.vocabulary_hash() == pair.target.vocabulary_hash() {
            Ok(pair)
        } else {
            Err(EvalError::Vocabularies)
        }
    }

    /// Returns the pair with so many tokens as the context of either model.
    #[must_use]
    pub fn with_context(self, context: u32) -> Self {
        Self { context, ..self }
    }

    /// Returns the context of either model for one conversation, in tokens.
    #[must_use]
    pub fn context(&self) -> u32 {
        self.context
    }

    /// Returns the pair with the memory that this file holds or will hold, which is asked before the models are.
    /// Blocks on the file.
    ///
    /// # Errors
    /// [`EvalError::Trace`] where the file cannot be used or belongs to other models.
    pub fn remembering(self, file: &Path) -> Result<Self, EvalError> {
        let memory = Memory::open(file, self.draft.fingerprint(), self.target.fingerprint())?;
        Ok(Self { memory: Some(Arc::new(memory)), ..self })
    }

    /// Returns the memory, if there is one.
    #[must_use]
    pub fn memory(&self) -> Option<&Arc<Memory>> {
        self.memory.as_ref()
    }

    /// Returns the number of tokens in the vocabulary.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.draft.vocabulary().size()
    }

    /// Returns the tokens of a conversation that begins with this message, up to where the reply starts.
    ///
    /// # Errors
    /// [`EvalError::Template`].
    pub fn prompt(&self, question: &str) -> Result<Vec<TokenId>, EvalError> {
        Ok(self.draft.prompt(&[Message::user(question)])?)
    }

    /// Returns those of the questions whose prompts have at most `room` tokens.
    ///
    /// # Errors
    /// [`EvalError::Template`].
    pub fn fitting(&self, questions: &[Question], room: usize) -> Result<Vec<Question>, EvalError> {
        let mut fitting = Vec::new();
        for question in questions {
            if self.prompt(&question.question)?.len() <= room {
                fitting.push(question.clone());
            }
        }
        Ok(fitting)
    }

    /// Makes a context of the target for one sequence.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn target_context(&self) -> Result<BatchContext, ModelError> {
        let (context, batch) = (self.context, self.context);
        let options = ContextOptions { context, threads: 1, batch, ..ContextOptions::default() };
        BatchContext::new(Arc::clone(&self.target), &options)
    }

    /// Returns the draft model as sessions use it.
    #[must_use]
    pub fn draft_model(&self) -> DraftModel {
        let model: DraftModel = Arc::clone(&self.draft).into();
        match &self.memory {
            None => model,
            Some(memory) => {
                let (memory, model_of_rows) = (Arc::clone(memory), Arc::clone(&self.draft));
                let decoder = RememberedDraft { memory, model: model_of_rows, context: self.context };
                DraftModel { decoder: Arc::new(decoder), ..model }
            }
        }
    }

    /// Makes a sequence of the draft model.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn draft_sequence(&self) -> Result<Box<dyn Sequence>, ModelError> {
        self.draft_model().decoder.sequence(self.context, 1)
    }
}

/// Time of the models' passes, in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComputeTimes {
    /// Time of one pass of the draft model, in milliseconds; a prompt is one pass.
    pub draft_ms: f64,
    /// Time of one pass of the target, in milliseconds.
    pub target_ms: f64,
    /// Time that each token of a pass adds to it, in milliseconds. The paper has one token in each pass and gives no
    /// value.
    pub target_per_token_ms: f64,
}

impl ComputeTimes {
    /// The paper's times: TinyLlama-1.1B on the device, Llama-2-7B on the server (arXiv 2412.12687v2).
    pub const PAPER: Self = Self { draft_ms: 24.6, target_ms: 104.6, target_per_token_ms: 0.0 };

    /// Returns the time of one draft pass.
    #[must_use]
    pub fn draft(&self) -> Duration {
        Duration::from_secs_f64(self.draft_ms / 1e3)
    }

    /// Returns the time of one target pass over `tokens` tokens; zero for no tokens.
    #[must_use]
    pub fn target(&self, tokens: usize) -> Duration {
        if tokens == 0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((self.target_ms + self.target_per_token_ms * tokens as f64) / 1e3)
    }
}
