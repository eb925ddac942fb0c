//! The language of a GGUF file with what else its header says, without its weights: for a verifier whose target runs in
//! another process.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::{LanguageModel, ModelError, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::error::LoadError;
use crate::language::Language;
use crate::split;

/// The vocabulary and the tokenizer of a GGUF file, which may be a whole model or hold nothing else.
#[derive(Debug)]
pub struct Lexicon {
    language: Arc<Language>,
    name: String,
    context: Option<u32>,
}

impl Lexicon {
    /// Checks a GGUF file and reads its vocabulary. Blocks; the weights are not read.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let path = &split::first_part(path);
        let summary = split::read(path).map_err(|error| LoadError::of_header(path.clone(), error))?;
        let language = Language::load(path)?;
        let context = summary.shape.as_ref().and_then(|shape| u32::try_from(shape.context).ok());
        let name = summary.name.unwrap_or(summary.architecture);
        Ok(Self { language, name, context })
    }

    /// Returns the name in the file, or its architecture.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the length of the context that the file's model was trained for, in tokens; `None` where the file does
    /// not say.
    #[must_use]
    pub fn context(&self) -> Option<u32> {
        self.context
    }

    /// Returns the vocabulary with its tokenizer.
    #[must_use]
    pub fn language(&self) -> Arc<dyn LanguageModel> {
        Arc::clone(&self.language) as _
    }

    /// Returns the vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> &dyn Vocabulary {
        self.language.vocabulary()
    }

    /// Returns the keys of its tokens, which shared noise is drawn by.
    #[must_use]
    pub fn token_keys(&self) -> &TokenKeys {
        self.language.token_keys()
    }

    /// Returns the hashes by which vocabularies are compared.
    #[must_use]
    pub fn hashes(&self) -> &VocabularyHashes {
        self.language.hashes()
    }

    /// Tells whether an id stands for a token.
    #[must_use]
    pub fn is_token(&self, id: TokenId) -> bool {
        self.language.vocabulary.kind(id).is_some()
    }

    /// Returns the number of tokens: rows that stand for one.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.language.vocabulary.size() - self.language.vocabulary.holes().len()
    }

    /// Makes tokens of a text in which the names of control tokens are text too, without BOS and EOS.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    pub fn tokenize(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        self.language.tokenize(text, Special::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, Model};

    #[test]
    fn a_lexicon_is_what_the_whole_model_has_as_vocabulary() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-target.gguf");
        let model = Model::load(&path, &LoadOptions::default()).expect("the bundled target model");
        let lexicon = Lexicon::load(&path).expect("its vocabulary");
        assert_eq!(lexicon.token_keys(), model.token_keys());
        assert_eq!(lexicon.hashes(), model.vocabulary_hashes());
        assert_eq!(lexicon.vocabulary().ends(), model.vocabulary().ends());
        assert_eq!((lexicon.name(), lexicon.tokens()), (model.name(), model.tokens()));
        assert_eq!(lexicon.context(), Some(model.trained_context()));
        let text = "Tell me a story about a wolf, 12 \u{1f43a}.";
        assert_eq!(lexicon.tokenize(text), model.tokenize(text, Special::Plain));
        assert!(lexicon.is_token(0) && !lexicon.is_token(u32::MAX));
    }
}
