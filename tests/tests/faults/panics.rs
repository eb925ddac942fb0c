//! A fault of the library itself, played by a model that panics.

use std::sync::Arc;

use uhlm_core::{GenerationError, GenerationOptions, Mode, OfflinePolicy, Prompt, Session};
use uhlm_law::chat::DraftModel;
use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{LoadError, LoadOptions, Model};
use uhlm_testing::alike::Sequences;
use uhlm_testing::pair;

use crate::support::{consume, options};

/// A sequence of a model at fault.
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

#[test]
fn a_session_whose_thread_panics_ends_its_generation_with_an_error_and_says_that_it_is_gone() {
    for _ in 0..20 {
        let model = DraftModel::from(Arc::clone(pair::draft().model()));
        let model = DraftModel { decoder: Arc::new(Sequences(|| Box::new(PanickingSequence) as _)), ..model };
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
