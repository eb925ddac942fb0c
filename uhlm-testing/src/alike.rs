//! Parts of a draft model that a test replaces; everything else is taken from the model that it has:
//! `DraftModel { decoder: Arc::new(Sequences(|| ..)), ..model }`.

use std::sync::Arc;

use uhlm_law::chat::{ChatTemplate, Message, Reasoning, RenderOptions, Rendered, TemplateError};
use uhlm_law::model::{Decoder, ModelError, Sequence};

/// A decoder of the sequences that a function makes.
pub struct Sequences<F>(pub F);

impl<F: Fn() -> Box<dyn Sequence> + Send + Sync> Decoder for Sequences<F> {
    fn sequence(self: Arc<Self>, _: u32, _: u32) -> Result<Box<dyn Sequence>, ModelError> {
        Ok((self.0)())
    }
}

/// A template that is a function, of a model that marks its reasoning.
pub struct Thinks<F> {
    /// How the reasoning is marked.
    pub reasoning: Reasoning,
    /// The function that renders a conversation.
    pub render: F,
}

impl<F> ChatTemplate for Thinks<F>
where
    F: Fn(&[Message], &RenderOptions) -> Result<Rendered, TemplateError> + Send + Sync,
{
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        (self.render)(messages, options)
    }

    fn reasoning(&self) -> Option<Reasoning> {
        Some(self.reasoning)
    }
}
