//! A loaded model as the session's draft model: text to tokens and back, messages to text, sequences.

use std::sync::Arc;

use uhlm_law::chat::{DraftModel, Message, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use crate::model::Model;
use crate::native::Thrown;
use crate::options::{ContextOptions, MAX_THREADS};

impl Model {
    /// Returns a token of a text. Some files let the tokenizer find the name of a row without a token in a text; then
    /// the tokens of that name.
    fn with_token(&self, id: TokenId) -> Result<Vec<TokenId>, ModelError> {
        if self.vocabulary.kind(id).is_some() {
            return Ok(vec![id]);
        }
        let failed = |Thrown(reason): Thrown| ModelError::Text { reason };
        let name = self.inner().text(id).map_err(failed)?;
        // In two parts it is not that name.
        let (first, rest) = name.split_at(name.len().min(1));
        let mut tokens = self.inner().tokenize(first, false).map_err(failed)?;
        tokens.extend(self.inner().tokenize(rest, false).map_err(failed)?);
        tokens.retain(|&id| self.vocabulary.kind(id).is_some());
        Ok(tokens)
    }
}

impl DraftModel for Model {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    fn token_keys(&self) -> &TokenKeys {
        Model::token_keys(self)
    }

    fn vocabulary_hash(&self) -> Digest {
        self.vocabulary_hashes.whole
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        let tokens = match special {
            Special::Plain => self.tokenizer.tokens(self.inner(), text, false),
            Special::Parse => self.tokenizer.tokens(self.inner(), text, true),
            Special::ParseWithBos => self.tokenizer.tokens_from_the_beginning(self.inner(), text),
        }?;
        if tokens.iter().all(|&id| self.vocabulary.kind(id).is_some()) {
            return Ok(tokens);
        }
        let parts = tokens.into_iter().map(|id| self.with_token(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.concat())
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &id in tokens {
            // A token that the vocabulary does not have stands for no text.
            let _ = self.inner().piece(id, true, &mut bytes);
        }
        bytes
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.render(messages, add_generation_prompt).map_err(|error| TemplateError { reason: error.to_string() })
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(self.new_sequence(&ContextOptions { context, threads, ..ContextOptions::default() })?))
    }

    fn default_threads(&self) -> u32 {
        self.sensible_threads(MAX_THREADS)
    }
}
