//! A loaded model as the session's draft model: text to tokens and back, messages to text, sequences.

use std::sync::Arc;

use uhlm_law::chat::{DraftModel, Message, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use crate::model::{Model, token};
use crate::options::{ContextOptions, MAX_THREADS};

impl DraftModel for Model {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    fn token_keys(&self) -> &TokenKeys {
        Model::token_keys(self)
    }

    fn vocabulary_hash(&self) -> Digest {
        self.vocabulary_hash
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn tokenize(&self, text: &str, special: Special) -> Vec<TokenId> {
        let printed_bos = self.template.as_ref().is_ok_and(|t| !t.bos().is_empty() && text.starts_with(t.bos()));
        let add_bos = special == Special::ParseWithBos && self.adds_bos && !printed_bos;
        self.inner()
            .vocab()
            .tokenize(text.as_bytes(), add_bos, special != Special::Plain)
            .into_iter()
            .map(|id| id.0 as TokenId)
            .collect()
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        let vocab = self.inner().vocab();
        let mut bytes = Vec::new();
        for &id in tokens {
            vocab.token_to_piece_into(token(id), &mut bytes, true, None);
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
