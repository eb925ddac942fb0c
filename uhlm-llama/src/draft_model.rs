//! A loaded model as the session's draft model: text to tokens and back, messages to text, sequences.

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use uhlm_law::chat::{DraftModel, Message, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use crate::model::{Model, token};
use crate::options::{ContextOptions, MAX_THREADS};

impl Model {
    /// Returns a token of a text. Some files let the tokenizer find the name of a row without a token in a text; then
    /// the tokens of that name.
    fn with_token(&self, id: LlamaToken) -> Vec<TokenId> {
        if self.vocabulary.kind(id.0 as TokenId).is_some() {
            return vec![id.0 as TokenId];
        }
        let vocab = self.inner().vocab();
        let name = vocab.text(id).map(std::ffi::CStr::to_bytes).unwrap_or_default();
        // In two parts it is not that name.
        let (first, rest) = name.split_at(name.len().min(1));
        let tokens = [first, rest].into_iter().flat_map(|part| vocab.tokenize(part, false, false));
        tokens.map(|id| id.0 as TokenId).filter(|&id| self.vocabulary.kind(id).is_some()).collect()
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

    fn tokenize(&self, text: &str, special: Special) -> Vec<TokenId> {
        let printed_bos = self.template.as_ref().is_ok_and(|t| !t.bos().is_empty() && text.starts_with(t.bos()));
        let add_bos = special == Special::ParseWithBos && self.adds_bos && !printed_bos;
        let tokens = self.inner().vocab().tokenize(text.as_bytes(), add_bos, special != Special::Plain);
        tokens.into_iter().flat_map(|id| self.with_token(id)).collect()
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
