//! The vocabulary of a GGUF file without its weights: for a verifier whose target runs in another process.
//!
//! Decides nothing that [`Model`](crate::Model) does not decide for a whole model; it only leaves out what computes.

use std::path::Path;

use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::error::LoadError;
use crate::model::open;
use crate::options::LoadOptions;
use crate::token_table::TokenTable;
use crate::tokenizer::Tokenizer;
use crate::{native, probe, split};

/// The vocabulary and the tokenizer of a GGUF file, which may be a whole model or hold nothing else.
pub struct Lexicon {
    inner: native::Model,
    name: String,
    context: Option<u32>,
    vocabulary: TokenTable,
    keys: TokenKeys,
    hashes: VocabularyHashes,
    tokenizer: Tokenizer,
}

impl std::fmt::Debug for Lexicon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lexicon")
            .field("name", &self.name)
            .field("size", &self.vocabulary.size())
            .finish_non_exhaustive()
    }
}

impl Lexicon {
    /// Checks a GGUF file and reads its vocabulary. Blocks; the weights are not read.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let path = &split::first_part(path);
        let summary = split::read(path).map_err(|error| LoadError::of_header(path.clone(), error))?;
        let unsupported = |reason: String| LoadError::Unsupported {
            path: path.clone(),
            architecture: summary.architecture.clone(),
            reason,
        };
        let inner = open(path, &LoadOptions::default(), true, &unsupported)?;
        let vocabulary = TokenTable::of(&inner).map_err(|error| unsupported(error.to_string()))?;
        if vocabulary.size() == 0 {
            return Err(unsupported("no row of its vocabulary stands for a token".into()));
        }
        probe::every_byte(&inner).map_err(&unsupported)?;
        let tokenizer = Tokenizer::of(&inner, summary.pre_tokenizer.as_deref());
        let texts = vocabulary.texts(&inner).map_err(|error| unsupported(error.to_string()))?;
        let keys = vocabulary.keys(&texts).map_err(|error| unsupported(error.to_string()))?;
        let hashes = vocabulary.hashes(&texts);
        let context = summary.shape.as_ref().and_then(|shape| u32::try_from(shape.context).ok());
        let name = summary.name.unwrap_or(summary.architecture);
        Ok(Self { inner, name, context, vocabulary, keys, hashes, tokenizer })
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

    /// Returns the vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    /// Returns the keys of its tokens, which shared noise is drawn by.
    #[must_use]
    pub fn token_keys(&self) -> &TokenKeys {
        &self.keys
    }

    /// Returns the hashes by which vocabularies are compared.
    #[must_use]
    pub fn hashes(&self) -> &VocabularyHashes {
        &self.hashes
    }

    /// Tells whether an id stands for a token.
    #[must_use]
    pub fn is_token(&self, id: TokenId) -> bool {
        self.vocabulary.kind(id).is_some()
    }

    /// Returns the number of tokens: rows that stand for one.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.vocabulary.size() - self.vocabulary.holes().len()
    }

    /// Makes tokens of a text in which the names of control tokens are text too, without BOS and EOS.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    pub fn tokenize(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        self.tokenizer.tokens(&self.inner, text, false)
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::model::{LanguageModel as _, Special};

    use super::*;
    use crate::Model;

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
