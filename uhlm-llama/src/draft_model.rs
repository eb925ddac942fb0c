//! A loaded model as the session's draft model: text to tokens and back, messages to text, sequences.

use std::sync::Arc;

use uhlm_law::chat::{DraftModel, Message, Reasoning, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;

use crate::model::{Model, token};
use crate::options::{ContextOptions, MAX_THREADS};
use crate::template::ChatTemplate;

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

    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.conversation(messages, options, &self.control_names, chrono::Local::now().naive_local())
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.template.as_ref().ok().and_then(ChatTemplate::reasoning)
    }

    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(self.new_sequence(&ContextOptions { context, threads, ..ContextOptions::default() })?))
    }

    fn default_threads(&self) -> u32 {
        self.sensible_threads(MAX_THREADS)
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
        assert_eq!(model.detokenize(&model.tokenize("abc", Special::Plain)), b"abc");
    }
}
