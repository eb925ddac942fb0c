//! The formats in which models write calls.

use crate::ToolCall;
use crate::definition::quoted;

/// The format in which a model writes calls of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolFormat {
    /// Qwen, Hermes, Granite 4 and many others: `<tool_call>{"name": .., "arguments": ..}</tool_call>`.
    Hermes,
    /// Llama 3.1 to 3.3: `{"name": .., "parameters": ..}`, with or without `<|python_tag|>` before it.
    Llama,
    /// Mistral up to the tokenizer v7: `[TOOL_CALLS][{"name": .., "arguments": ..}]`.
    Mistral,
    /// Mistral from the tokenizer v11 on: `[TOOL_CALLS]name[ARGS]{..}`.
    MistralNamed,
    /// Granite 3 and Phi-4 mini: `<|tool_call|>[{"name": .., "arguments": ..}]`.
    Granite,
    /// gpt-oss: a message in the channel `commentary` with the tool as its recipient.
    Harmony,
}

impl ToolFormat {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Hermes, Self::Llama, Self::Mistral, Self::MistralNamed, Self::Granite, Self::Harmony];

    /// Finds out the format of a model by the text of its chat template. `None` where the template shows no tools to
    /// the model, or in a format that is not known here: such a model gets [`described`](crate::described) messages.
    #[must_use]
    pub fn detect(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        if !has("tools") {
            None
        } else if has("[TOOL_CALLS]") {
            Some(if has("[ARGS]") { Self::MistralNamed } else { Self::Mistral })
        } else if has("<|channel|>") && has("commentary") {
            Some(Self::Harmony)
        } else if has("<function=") {
            // Calls in XML, of Qwen3-Coder.
            None
        } else if has("<|tool_call|>") {
            Some(Self::Granite)
        } else if has("<tool_call>") {
            Some(Self::Hermes)
        } else if has("<|python_tag|>") || (has("\"parameters\"") && has("ipython")) {
            Some(Self::Llama)
        } else {
            None
        }
    }

    /// Returns the names of the tokens that mark calls. Where a vocabulary has them as control tokens, they have no
    /// text and must be passed to the parser by name.
    #[must_use]
    pub fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Hermes => &["<tool_call>", "</tool_call>"],
            Self::Llama => &["<|python_tag|>"],
            Self::Mistral | Self::MistralNamed => &["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"],
            Self::Granite => &["<|tool_call|>"],
            Self::Harmony => {
                &["<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|call|>", "<|end|>", "<|return|>"]
            }
        }
    }

    /// Returns the text that begins a call; empty for a format in which only the order of its tokens does.
    pub(crate) fn opener(self) -> &'static str {
        match self {
            Self::Harmony => "",
            _ => self.marks()[0],
        }
    }

    /// Returns the text that ends a call; empty where its JSON does.
    pub(crate) fn closer(self) -> &'static str {
        if self == Self::Hermes { "</tool_call>" } else { "" }
    }

    /// Tells whether models with the format also write calls without a mark.
    pub(crate) fn may_be_bare(self) -> bool {
        matches!(self, Self::Hermes | Self::Llama)
    }

    /// Writes calls as a model with the format does.
    #[must_use]
    pub fn write(self, calls: &[ToolCall]) -> String {
        let object = |call: &ToolCall, arguments: &str, id: bool| {
            let (name, value) = (quoted(&call.name), &call.arguments);
            let id = if id { format!(r#", "id": {}"#, quoted(&call.id)) } else { String::new() };
            format!(r#"{{"name": {name}, "{arguments}": {value}{id}}}"#)
        };
        let each = |write: &dyn Fn(&ToolCall) -> String, between: &str| {
            calls.iter().map(write).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Hermes => {
                each(&|call| format!("<tool_call>\n{}\n</tool_call>", object(call, "arguments", false)), "\n")
            }
            Self::Llama => format!("<|python_tag|>{}", each(&|call| object(call, "parameters", false), "; ")),
            Self::Mistral => format!("[TOOL_CALLS][{}]", each(&|call| object(call, "arguments", true), ", ")),
            Self::MistralNamed => {
                each(&|call| format!("[TOOL_CALLS]{}[CALL_ID]{}[ARGS]{}", call.name, call.id, call.arguments), "")
            }
            Self::Granite => format!("<|tool_call|>[{}]", each(&|call| object(call, "arguments", false), ", ")),
            Self::Harmony => {
                let one = |call: &ToolCall| {
                    let ToolCall { name, arguments, .. } = call;
                    format!("<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>")
                };
                each(&one, "<|start|>assistant")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_shows_the_format() {
        for (template, expected) in [
            ("{% if tools %}<tools>..</tools> <tool_call>\\n{\\\"name\\\"", Some(ToolFormat::Hermes)),
            ("{% if tools %}<|python_tag|>", Some(ToolFormat::Llama)),
            ("{{ tools }} {\"name\": \"' + x + '\", \"parameters\": Environment: ipython", Some(ToolFormat::Llama)),
            ("[AVAILABLE_TOOLS]{{ tools }}[TOOL_CALLS][", Some(ToolFormat::Mistral)),
            ("{{ tools }}[TOOL_CALLS]{{ name }}[ARGS]", Some(ToolFormat::MistralNamed)),
            ("{{ tools }} respond with <|tool_call|> followed by a JSON list", Some(ToolFormat::Granite)),
            ("{{ tools }}<|start|>assistant<|channel|>commentary to=functions", Some(ToolFormat::Harmony)),
            ("{{ tools }}<tool_call>\n<function=example>", None),
            ("{{ tools }}", None),
            ("{% for m in messages %}<|im_start|>", None),
            ("<tool_call> in a template that is given no definitions", None),
        ] {
            assert_eq!(ToolFormat::detect(template), expected, "{template}");
        }
    }
}
