//! The language of a session's tokens: which tokenizer and which chat template they are from.
//!
//! It is the draft model's own as long as the target has the same vocabulary, else the target's, and the draft model
//! proposes through a [`Bridge`](uhlm_law::bridge::Bridge).

use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate, DraftModel};
use uhlm_law::model::LanguageModel;

/// A vocabulary with its tokenizer, and a chat template.
#[derive(Clone)]
pub(crate) struct Language {
    pub(crate) words: Arc<dyn LanguageModel>,
    pub(crate) template: Arc<dyn ChatTemplate>,
}

impl From<&DraftModel> for Language {
    fn from(model: &DraftModel) -> Self {
        Self { words: Arc::clone(&model.language), template: Arc::clone(&model.template) }
    }
}

impl<M: LanguageModel + ChatTemplate + 'static> From<Arc<M>> for Language {
    fn from(model: Arc<M>) -> Self {
        Self { words: Arc::clone(&model) as _, template: model }
    }
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Language").field("vocabulary", &self.words.vocabulary_hash()).finish_non_exhaustive()
    }
}
