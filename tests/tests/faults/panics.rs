//! A fault of the library itself, played by a model that panics.

use std::sync::Arc;

use uhlm_core::error::GenerationError;
use uhlm_core::mode::Mode;
use uhlm_core::options::{GenerationOptions, OfflinePolicy, Prompt};
use uhlm_core::session::Session;
use uhlm_law::chat::{DraftModel, Message, RenderOptions, Rendered, Special, TemplateError};
use uhlm_law::model::{ModelError, Sequence, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::protocol::Digest;
use uhlm_law::sampling::TokenId;
use uhlm_llama::{LoadError, LoadOptions, Model};
use uhlm_testing::pair;

use crate::support::{consume, options};

/// The bundled model, whose sequences panic.
struct Panicking(Arc<Model>);

struct PanickingSequence;

impl Sequence for PanickingSequence {
    fn len(&self) -> usize {
        0
    }

    fn capacity(&self) -> usize {
        1024
    }

    fn decode(&mut self, _: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        panic!("a fault");
    }

    fn logits(&self) -> &[f32] {
        &[]
    }

    fn truncate(&mut self, _: usize) -> Result<(), ModelError> {
        Ok(())
    }
}

impl DraftModel for Panicking {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.0.vocabulary()
    }

    fn token_keys(&self) -> &TokenKeys {
        self.0.token_keys()
    }

    fn vocabulary_hash(&self) -> Digest {
        self.0.vocabulary_hash()
    }

    fn fingerprint(&self) -> Digest {
        self.0.fingerprint()
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        self.0.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.0.detokenize(tokens)
    }

    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        self.0.render(messages, options)
    }

    fn sequence(self: Arc<Self>, _: u32, _: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok(Box::new(PanickingSequence))
    }
}

#[test]
fn a_session_whose_thread_panics_ends_its_generation_with_an_error_and_says_that_it_is_gone() {
    for _ in 0..20 {
        let model = Arc::new(Panicking(Arc::clone(pair::draft().model())));
        let options = options(Mode::DeviceOnly, OfflinePolicy::Fail);
        let session = Session::new(model, None, options).expect("valid options");
        let write = || session.generate(Prompt::Raw("the cat".into()), GenerationOptions::default());
        let reply = consume(write().expect("idle"));
        assert_eq!(*reply.error(), GenerationError::SessionFailed);
        // It is not busy, and not silent either.
        match write() {
            Ok(generation) => assert_eq!(*consume(generation).error(), GenerationError::SessionFailed),
            Err(error) => assert_eq!(error, GenerationError::SessionClosed),
        }
    }
}

#[test]
fn a_callback_that_panics_while_a_model_loads_is_an_error_of_the_load() {
    let progress: Arc<dyn Fn(f32) + Send + Sync> = Arc::new(|_| panic!("the app's own fault"));
    let options = LoadOptions { progress: Some(progress), ..LoadOptions::default() };
    let error = Model::load(&pair::file("demo-draft.gguf"), &options).expect_err("it panics");
    assert!(matches!(&error, LoadError::Callback { reason } if reason == "the app's own fault"), "{error}");
}
