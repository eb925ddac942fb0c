//! A loaded model as the session's draft model: text to tokens and back, messages to text, sequences.

use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate, Message, Reasoning, RenderOptions, Rendered, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::model::{Decoder, LanguageModel, ModelError, Sequence, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;

use crate::model::Model;
use crate::native::Thrown;
use crate::options::{ContextOptions, MAX_THREADS};
use crate::template::Template;

impl Model {
    /// Returns a token of a text as it is. Some files let the tokenizer find the name of a row without a token in a
    /// text; then it returns the tokens of that name.
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

impl LanguageModel for Model {
    fn vocabulary(&self) -> &dyn Vocabulary {
        &self.vocabulary
    }

    fn token_keys(&self) -> &TokenKeys {
        Model::token_keys(self)
    }

    fn vocabulary_hash(&self) -> Digest {
        self.vocabulary_hashes.whole
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
}

impl ChatTemplate for Model {
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.conversation(messages, options, &self.control_names, chrono::Local::now().naive_local())
    }

    fn reasoning(&self) -> Option<Reasoning> {
        self.template.as_ref().ok().and_then(Template::reasoning)
    }
}

impl Decoder for Model {
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
        let tokens = model.tokenize("abc", Special::Plain).expect("tokens");
        assert_eq!(model.detokenize(&tokens), b"abc");
    }
}
