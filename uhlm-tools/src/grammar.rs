//! The grammar that lets a model write nothing but a call, for whoever masks the tokens that do not fit one.

use crate::definition::{ToolDefinition, quoted};
use crate::format::ToolFormat;

/// Returns a Lark grammar, as the crate `llguidance` reads it, of exactly one call of one of the tools in the format.
/// `control` returns the id of a mark that is a control token of the vocabulary, and so has no text.
///
/// The arguments keep to the tool's schema; without tools the grammar fits nothing, so callers check that first.
#[must_use]
pub fn forced_call(format: ToolFormat, tools: &[ToolDefinition], control: impl Fn(&str) -> Option<u32>) -> String {
    let mark = |name: &str| control(name).map_or_else(|| quoted(name), |id| format!("<[{id}]>"));
    let names: Vec<String> = (0..tools.len()).map(|place| format!("call_{place}")).collect();
    let mut grammar = format!("start: {}\n", names.join(" | "));
    for (name, tool) in names.iter().zip(tools) {
        let object = |arguments: &str| format!("%json {}", object(tool, arguments));
        let alone = || format!("%json {}", tool.schema());
        let body = match format {
            ToolFormat::Hermes => {
                let (open, close) = (mark("<tool_call>"), mark("</tool_call>"));
                format!(r#"{open} "\n" {name}_json "\n" {close}"#)
            }
            // Both ways are the model's own; without the mark it costs a token less.
            ToolFormat::Llama => format!("{name}_json"),
            ToolFormat::Mistral => format!(r#"{} "[" {name}_json "]""#, mark("[TOOL_CALLS]")),
            ToolFormat::Granite => format!(r#"{} "[" {name}_json "]""#, mark("<|tool_call|>")),
            ToolFormat::MistralNamed => {
                format!("{} {} {} {name}_json", mark("[TOOL_CALLS]"), quoted(&tool.name), mark("[ARGS]"))
            }
            ToolFormat::Harmony => {
                let header = quoted(&format!("commentary to=functions.{} ", tool.name));
                let [channel, constrain, message] = ["<|channel|>", "<|constrain|>", "<|message|>"].map(mark);
                format!(r#"{channel} {header} {constrain} "json" {message} {name}_json"#)
            }
        };
        let json = match format {
            ToolFormat::Llama => object("parameters"),
            ToolFormat::MistralNamed | ToolFormat::Harmony => alone(),
            ToolFormat::Hermes | ToolFormat::Mistral | ToolFormat::Granite => object("arguments"),
        };
        grammar.push_str(&format!("{name}: {body}\n{name}_json: {json}\n"));
    }
    grammar
}

/// Returns the JSON schema of one call of one of the tools, `{"name": .., "arguments": {..}}`, for models without a
/// format of their own.
#[must_use]
pub fn call_schema(tools: &[ToolDefinition]) -> String {
    let all: Vec<String> = tools.iter().map(|tool| object(tool, "arguments")).collect();
    format!(r#"{{"anyOf": [{}]}}"#, all.join(", "))
}

/// Returns the JSON schema of a call of `tool` with its arguments in the field `arguments`.
fn object(tool: &ToolDefinition, arguments: &str) -> String {
    let (name, schema) = (quoted(&tool.name), tool.schema());
    let properties = format!(r#"{{"name": {{"const": {name}}}, "{arguments}": {schema}}}"#);
    let required = format!(r#"["name", "{arguments}"]"#);
    format!(
        r#"{{"type": "object", "properties": {properties}, "required": {required}, "additionalProperties": false}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> [ToolDefinition; 2] {
        let schema = r#"{"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}"#;
        [ToolDefinition::new("f", "does", schema), ToolDefinition::new("g-2", "", "")]
    }

    #[test]
    fn a_grammar_has_one_rule_for_each_tool_and_its_schema_in_its_order() {
        for format in ToolFormat::ALL {
            let grammar = forced_call(format, &tools(), |_| None);
            assert!(grammar.starts_with("start: call_0 | call_1\n"), "{grammar}");
            assert!(grammar.contains(r#""properties": {"z": {"type": "string"}, "a""#), "{grammar}");
            assert_eq!(grammar.lines().count(), 5, "{grammar}");
        }
    }

    #[test]
    fn marks_are_control_tokens_where_the_vocabulary_has_them_so() {
        let control = |name: &str| (name == "<tool_call>").then_some(7);
        let grammar = forced_call(ToolFormat::Hermes, &tools(), control);
        assert!(grammar.contains(r#"call_0: <[7]> "\n" call_0_json "\n" "</tool_call>""#), "{grammar}");
        let grammar = forced_call(ToolFormat::Harmony, &tools(), |name| Some(name.len() as u32));
        let expected = r#"call_1: <[11]> "commentary to=functions.g-2 " <[13]> "json" <[11]> call_1_json"#;
        assert!(grammar.contains(expected), "{grammar}");
    }

    #[test]
    fn the_schema_of_a_call_is_json_and_names_every_tool() {
        let schema: serde_json::Value = serde_json::from_str(&call_schema(&tools())).expect("JSON");
        let names: Vec<_> = (0..2).map(|n| schema["anyOf"][n]["properties"]["name"]["const"].clone()).collect();
        assert_eq!(names, ["f", "g-2"]);
    }
}
