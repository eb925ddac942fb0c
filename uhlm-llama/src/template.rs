//! Renders a conversation with the model's own chat template, which is Jinja text in its GGUF file.

use minijinja::{Environment, Error, ErrorKind, context};
use serde::Serialize;

/// The template, compiled once, with the texts of the special tokens that templates print.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a template as Hugging Face's tokenizers do: blocks trimmed, Python's string methods, `raise_exception`.
    pub(crate) fn compile(text: String, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |reason: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, reason))
        });
        environment.add_template_owned(NAME, text)?;
        Ok(Self { environment, bos, eos })
    }

    /// Renders messages (anything that serialises to `{role, content}` entries).
    pub(crate) fn render<M: Serialize>(&self, messages: &[M], add_generation_prompt: bool) -> Result<String, Error> {
        self.environment.get_template(NAME)?.render(context! {
            messages => messages,
            add_generation_prompt => add_generation_prompt,
            bos_token => self.bos,
            eos_token => self.eos,
        })
    }
}
