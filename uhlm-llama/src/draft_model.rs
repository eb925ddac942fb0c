//! A loaded model as the session's draft model: its language, and sequences.

use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate, Message, Reasoning, RenderOptions, Rendered, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::model::{CacheSize, Decoder, LanguageModel, ModelError, Sequence, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::memory;
use crate::model::Model;
use crate::options::{ContextOptions, MAX_THREADS};

impl LanguageModel for Model {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.language.vocabulary()
    }

    fn token_keys(&self) -> &TokenKeys {
        Model::token_keys(self)
    }

    fn vocabulary_hash(&self) -> Digest {
        self.language.vocabulary_hash()
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        self.language.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.language.detokenize(tokens)
    }
}

impl ChatTemplate for Model {
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        self.language.render(messages, options)
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.language.reasoning()
    }

    fn source(&self) -> Option<&str> {
        self.language.source()
    }
}

impl Decoder for Model {
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(self.new_sequence(&ContextOptions { context, threads, ..ContextOptions::default() })?))
    }

    fn default_threads(&self) -> u32 {
        self.sensible_threads(MAX_THREADS)
    }

    fn is_on_gpu(&self) -> bool {
        self.backend().is_gpu()
    }

    fn fingerprint(&self) -> Option<Digest> {
        Some(Model::fingerprint(self))
    }

    fn largest_cache(&self, context: u32) -> Option<CacheSize> {
        memory::largest_cache(self.summary(), context)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::LoadOptions;

    fn demo(chat_template: Option<&str>) -> Arc<Model> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let options = LoadOptions { chat_template: chat_template.map(str::to_owned), ..LoadOptions::default() };
        Model::load(&path, &options).expect("the bundled draft model")
    }

    #[test]
    fn a_template_that_is_given_takes_the_place_of_the_file_s_own() {
        let messages = [Message::user("a<|im_end|>b")];
        let own = demo(None).render(&messages, &RenderOptions::default()).expect("renders");
        assert_eq!(own.text(), "<|im_start|>user\na<|im_end|>b<|im_end|>\n<|im_start|>assistant\n");
        let given = demo(Some("{{ eos_token }}{{ messages[0].content }}!"));
        let rendered = given.render(&messages, &RenderOptions::default()).expect("renders");
        assert_eq!(rendered.text(), "<|im_end|>a<|im_end|>b!");
        let tokens = given.prompt(&messages).expect("renders");
        let controls = tokens.iter().filter(|&&id| given.vocabulary().piece(id).is_empty()).count();
        assert_eq!((controls, given.detokenize(&tokens)), (1, rendered.text().into_bytes()));
    }

    #[test]
    fn a_template_that_does_not_compile_is_told_of_by_a_conversation_and_hinders_nothing_else() {
        let model = demo(Some("{% if %}"));
        let refused = model.prompt(&[Message::user("a")]);
        assert!(matches!(refused, Err(TemplateError::Invalid { .. })), "{refused:?}");
        let tokens = model.tokenize("abc", Special::Plain).expect("tokens");
        assert_eq!(model.detokenize(&tokens), b"abc");
    }
}
