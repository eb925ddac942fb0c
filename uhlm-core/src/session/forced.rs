//! The grammar of a reply that has to be a call.

use std::borrow::Cow;

use uhlm_law::grammar::Grammar;
use uhlm_tools::forced_call;

use super::ends::{control_mark, tool_format};
use crate::error::GenerationError;
use crate::language::Language;
use crate::options::{GenerationOptions, Prompt};
use crate::tools::ToolChoice;

/// Checks that a reply may be forced to be a call.
pub(super) fn check(prompt: &Prompt, options: &GenerationOptions) -> Result<(), GenerationError> {
    let tools = &options.tools;
    let reason = match &tools.choice {
        ToolChoice::Auto => return Ok(()),
        _ if options.grammar.is_some() => "a reply is a call or a text of the grammar, not both".into(),
        _ if matches!(prompt, Prompt::Raw(_)) => "calls are not looked for in a raw text".into(),
        ToolChoice::Required if tools.definitions.is_empty() => "there is no tool that could be called".into(),
        ToolChoice::Named(name) if tools.definitions.iter().all(|tool| tool.name != *name) => {
            format!("there is no tool '{name}' that could be called")
        }
        _ => return Ok(()),
    };
    Err(GenerationError::InvalidTools { reason })
}

/// Returns the options with the grammar of a call where the reply has to be one, in the tokens of this language.
pub(super) fn with_call<'a>(options: &'a GenerationOptions, language: &Language) -> Cow<'a, GenerationOptions> {
    let is_called = |name: &str| match &options.tools.choice {
        ToolChoice::Auto => false,
        ToolChoice::Required => true,
        ToolChoice::Named(named) => name == named,
    };
    let tools: Vec<_> = options.tools.definitions.iter().filter(|tool| is_called(&tool.name)).cloned().collect();
    if tools.is_empty() {
        return Cow::Borrowed(options);
    }
    let grammar = Grammar::Lark(forced_call(tool_format(language), &tools, |mark| control_mark(language, mark)));
    Cow::Owned(GenerationOptions { grammar: Some(grammar), ..options.clone() })
}
