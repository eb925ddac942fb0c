//! Renders a conversation with a chat template, which is Jinja text, as Hugging Face's `transformers` does.
//!
//! Decides what a template may use: everything that `apply_chat_template` gives it, as Python would print it, and no
//! more time and output than a conversation needs. Leaves to its caller what the messages are.

mod conversation;
mod filters;
mod formats;
mod generation_tag;
mod limits;
mod measure;
mod namespace;
mod objects;
mod operators;
mod program;
mod python;
mod python_methods;
mod python_text;
mod rendering;
mod source;
mod tools;
mod typed;
mod weight;

use chrono::NaiveDateTime;
use minijinja::{Environment, Value};
use uhlm_law::chat::{Message, Reasoning, RenderOptions, Rendered, TemplateError};

pub(crate) use typed::{ControlName, ControlNames};

/// The template, compiled once, with the texts of the special tokens that templates print.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
    reasoning: Option<Reasoning>,
}

impl Template {
    /// Compiles a template as Hugging Face's tokenizers do: blocks trimmed, loop controls, Python's string methods,
    /// `raise_exception`, `strftime_now`, and a `generation` tag that changes nothing. `reasoning` says how the model
    /// thinks.
    ///
    /// # Errors
    /// [`TemplateError::Invalid`].
    pub(crate) fn compile(
        text: &str,
        bos: String,
        eos: String,
        reasoning: Option<Reasoning>,
    ) -> Result<Self, TemplateError> {
        let environment = rendering::compiled(text)?;
        Ok(Self { environment, source: text.to_owned(), bos, eos, reasoning })
    }

    /// Renders with the variables that a conversation has, at the time `now`; `tools` and `documents` are `none` where
    /// `variables` has none.
    ///
    /// # Errors
    /// [`TemplateError`].
    fn render(
        &self,
        variables: impl IntoIterator<Item = (String, Value)>,
        now: NaiveDateTime,
    ) -> Result<String, TemplateError> {
        let own = [
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
            (python::NOW, Value::from_object(python::Now(now))),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let all: Value = own.chain(variables).collect();
        rendering::rendered(&self.environment, all)
    }
}

/// Renders a conversation with a template that belongs to no model, for a vocabulary whose control tokens have these
/// names, and whose BOS and EOS have no text: so a template can be tried before there is a model.
///
/// # Errors
/// [`TemplateError`].
pub fn render_template(
    template: &str,
    control_names: &[&str],
    messages: &[Message],
    options: &RenderOptions,
) -> Result<Rendered, TemplateError> {
    let name = |text: &&str| ControlName { text: (*text).to_owned(), strips_left: false, strips_right: false };
    let names = ControlNames::new(control_names.iter().map(name));
    let reasoning = Reasoning::detect(Some(template), |name| control_names.contains(&name));
    let template = Template::compile(template, String::new(), String::new(), reasoning)?;
    template.conversation(messages, options, &names, chrono::Local::now().naive_local())
}

#[cfg(test)]
mod tests;
