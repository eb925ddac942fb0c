//! The language of a model: vocabulary, tokenizer and chat template, with or without weights beside them.
//!
//! [`Model`](crate::Model) has one; a file without weights, as [`crate::vocabulary_file`] writes it, is nothing else.
//! Decides nothing about tokens: their kinds are [`TokenTable`]'s, splitting is [`Tokenizer`]'s.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate, Message, Reasoning, RenderOptions, Rendered, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::VocabularyHashes;
use uhlm_law::model::{LanguageModel, ModelError, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::error::LoadError;
use crate::gguf;
use crate::loading::open;
use crate::native::{self, Thrown};
use crate::options::LoadOptions;
use crate::probe;
use crate::template::{ControlNames, Template};
use crate::token_table::{self, TokenTable};
use crate::tokenizer::Tokenizer;

/// The vocabulary, the tokenizer and the chat template of a GGUF file. Cheap to share where it is without weights.
pub struct Language {
    inner: native::Model,
    pub(crate) vocabulary: TokenTable,
    pub(crate) template: Result<Template, TemplateError>,
    control_names: ControlNames,
    token_keys: TokenKeys,
    vocabulary_hashes: VocabularyHashes,
    tokenizer: Tokenizer,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { vocabulary, vocabulary_hashes, .. } = self;
        let (tokens, hash) = (vocabulary.size(), vocabulary_hashes.whole);
        f.debug_struct("Language").field("tokens", &tokens).field("hash", &hash).finish_non_exhaustive()
    }
}

impl Language {
    /// Checks a GGUF file and loads its vocabulary alone; whether it has weights makes no difference. Blocks on the
    /// file.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Arc<Self>, LoadError> {
        let at = || path.to_path_buf();
        let summary = gguf::read_part(path).map_err(|error| LoadError::of_header(at(), error))?;
        let unsupported =
            |reason: String| LoadError::Unsupported { path: at(), architecture: summary.architecture.clone(), reason };
        let inner = open(path, &LoadOptions::default(), true, &[], &unsupported)?;
        let language = Self::of(inner, summary.pre_tokenizer.as_deref(), None).map_err(&unsupported)?;
        Ok(Arc::new(language))
    }

    /// Takes the language out of a model that llama.cpp has loaded; a chat template that is given takes the place of
    /// the file's. The error says why the file cannot be used.
    pub(crate) fn of(
        inner: native::Model,
        pre_tokenizer: Option<&str>,
        chat_template: Option<String>,
    ) -> Result<Self, String> {
        if !inner.has_tokenizer() || inner.tokens() == 0 {
            return Err("it has no vocabulary, only weights".into());
        }
        let said = |Thrown(reason): Thrown| reason;
        let vocabulary = TokenTable::of(&inner).map_err(said)?;
        if vocabulary.size() == 0 {
            return Err("no row of its vocabulary stands for a token".into());
        }
        probe::every_byte(&inner)?;
        let tokenizer = Tokenizer::of(&inner, pre_tokenizer);
        let token_texts = vocabulary.texts(&inner).map_err(said)?;
        let token_keys = vocabulary.keys(&token_texts).map_err(|error| error.to_string())?;
        let vocabulary_hashes = vocabulary.hashes(&token_texts);
        let special_text = |id: Option<TokenId>| {
            let text = id.and_then(|id| token_texts.get(id as usize));
            text.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
        };
        let control_names = token_table::control_names(&inner, &token_texts).map_err(said)?;
        let own = || match inner.chat_template().map(|text| text.map(String::from_utf8)) {
            Ok(Some(Ok(text))) => Ok(text),
            Ok(Some(Err(error))) => Err(TemplateError::Invalid { reason: error.to_string() }),
            Ok(None) => Err(TemplateError::Missing),
            Err(error) => Err(TemplateError::Invalid { reason: error.to_string() }),
        };
        let template = chat_template.map_or_else(own, Ok).and_then(|text| {
            let reasoning = Reasoning::detect(Some(&text), |name| token_table::has_token(&inner, name));
            Template::compile(&text, special_text(inner.bos()), special_text(inner.eos()), reasoning)
        });
        Ok(Self { inner, vocabulary, template, control_names, token_keys, vocabulary_hashes, tokenizer })
    }

    pub(crate) fn inner(&self) -> &native::Model {
        &self.inner
    }

    pub(crate) fn keys(&self) -> &TokenKeys {
        &self.token_keys
    }

    /// Returns the hashes of the vocabulary, by which two models are compared.
    #[must_use]
    pub fn hashes(&self) -> &VocabularyHashes {
        &self.vocabulary_hashes
    }

    /// Returns a token of a text as it is. Some files let the tokenizer find the name of a row without a token in a
    /// text; then it returns the tokens of that name.
    fn with_token(&self, id: TokenId) -> Result<Vec<TokenId>, ModelError> {
        if self.vocabulary.kind(id).is_some() {
            return Ok(vec![id]);
        }
        let failed = |Thrown(reason): Thrown| ModelError::Text { reason };
        let name = self.inner.text(id).map_err(failed)?;
        // In two parts it is not that name.
        let (first, rest) = name.split_at(name.len().min(1));
        let mut tokens = self.inner.tokenize(first, false).map_err(failed)?;
        tokens.extend(self.inner.tokenize(rest, false).map_err(failed)?);
        tokens.retain(|&id| self.vocabulary.kind(id).is_some());
        Ok(tokens)
    }
}

impl LanguageModel for Language {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    fn token_keys(&self) -> &TokenKeys {
        &self.token_keys
    }

    fn vocabulary_hash(&self) -> Digest {
        self.vocabulary_hashes.whole
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        let tokens = match special {
            Special::Plain => self.tokenizer.tokens(&self.inner, text, false),
            Special::Parse => self.tokenizer.tokens(&self.inner, text, true),
            Special::ParseWithBos => self.tokenizer.tokens_from_the_beginning(&self.inner, text),
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
            let _ = self.inner.piece(id, true, &mut bytes);
        }
        bytes
    }
}

impl ChatTemplate for Language {
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.conversation(messages, options, &self.control_names, chrono::Local::now().naive_local())
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.template.as_ref().ok().and_then(Template::reasoning)
    }

    fn source(&self) -> Option<&str> {
        self.template.as_ref().ok().map(Template::source)
    }
}
