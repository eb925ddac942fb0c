//! The grammar that lets a model write nothing but a call, for whoever masks the tokens that do not fit one.

use crate::definition::{ToolDefinition, quoted};
use crate::format::ToolFormat;

/// What holds where a schema does not say it: arguments are an object, and JSON is spaced as models were shown it.
/// Where white space is free, a small model may go on with it until its limit.
const DEFAULTS: &str =
    r#""type": "object", "x-guidance": {"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}"#;
/// Schema of no arguments at all.
const NOTHING: &str = r#"{"type": "object", "properties": {}, "additionalProperties": false}"#;

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
        let arguments = format!("{name}_arguments");
        // The object around the arguments is written out, so that references within the schema start at its own root.
        let object = |before: &str, field: &str, after: &str| {
            let begin = format!(r#"{before}{{"name": {}, "{field}": "#, quoted(&tool.name));
            format!("{} {arguments} {}", quoted(&begin), quoted(&format!("}}{after}")))
        };
        let body = match format {
            ToolFormat::Hermes => {
                format!("{} {} {}", mark("<tool_call>"), object("\n", "arguments", "\n"), mark("</tool_call>"))
            }
            // Both ways are the model's own; without the mark it costs a token less.
            ToolFormat::Llama => object("", "parameters", ""),
            ToolFormat::Mistral => format!("{} {}", mark("[TOOL_CALLS]"), object("[", "arguments", "]")),
            ToolFormat::Granite => format!("{} {}", mark("<|tool_call|>"), object("[", "arguments", "]")),
            ToolFormat::MistralNamed => {
                format!("{} {} {} {arguments}", mark("[TOOL_CALLS]"), quoted(&tool.name), mark("[ARGS]"))
            }
            ToolFormat::Harmony => {
                let header = quoted(&format!("commentary to=functions.{} ", tool.name));
                let [channel, constrain, message] = ["<|channel|>", "<|constrain|>", "<|message|>"].map(mark);
                format!(r#"{channel} {header} {constrain} "json" {message} {arguments}"#)
            }
        };
        grammar.push_str(&format!("{name}: {body}\n{arguments}: %json {}\n", completed(tool)));
    }
    grammar
}

/// Returns the schema of a tool's arguments with [`DEFAULTS`]; what the schema itself says of them counts, as it comes
/// later. The text is kept, because its fields are the order of the arguments.
fn completed(tool: &ToolDefinition) -> String {
    let schema = if tool.parameters.trim().is_empty() { NOTHING } else { tool.schema() };
    match schema.strip_prefix('{').map(str::trim_start) {
        Some(rest) if rest.starts_with('}') => format!("{{{DEFAULTS}{rest}"),
        Some(rest) => format!("{{{DEFAULTS}, {rest}"),
        None => schema.to_owned(),
    }
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
            assert!(
                grammar.contains(r#""additionalProperties": false"#),
                "a tool without arguments gets none: {grammar}"
            );
            assert_eq!(grammar.lines().count(), 5, "{grammar}");
        }
    }

    #[test]
    fn marks_are_control_tokens_where_the_vocabulary_has_them_so() {
        let control = |name: &str| (name == "<tool_call>").then_some(7);
        let grammar = forced_call(ToolFormat::Hermes, &tools(), control);
        let expected = r#"call_0: <[7]> "\n{\"name\": \"f\", \"arguments\": " call_0_arguments "}\n" "</tool_call>""#;
        assert!(grammar.contains(expected), "{grammar}");
        let grammar = forced_call(ToolFormat::Harmony, &tools(), |name| Some(name.len() as u32));
        let expected = r#"call_1: <[11]> "commentary to=functions.g-2 " <[13]> "json" <[11]> call_1_arguments"#;
        assert!(grammar.contains(expected), "{grammar}");
    }

    #[test]
    fn white_space_is_not_free_unless_a_schema_has_it_so() {
        let of = |schema: &str| {
            let value: serde_json::Value =
                serde_json::from_str(&completed(&ToolDefinition::new("f", "", schema))).expect("JSON");
            value["x-guidance"]["whitespace_flexible"].clone()
        };
        assert_eq!(["", "{}", r#" {"type": "object"} "#].map(of), [false; 3].map(serde_json::Value::from));
        assert_eq!(of(r#"{"x-guidance": {"whitespace_flexible": true}}"#), true);
    }

    #[test]
    fn arguments_are_an_object_whatever_a_schema_leaves_out() {
        let kind = |schema: &str| {
            let text = completed(&ToolDefinition::new("f", "", schema));
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["type"].clone()
        };
        assert_eq!(kind(r#"{"properties": {"a": {"type": "integer"}}}"#), "object");
        assert_eq!(kind("{}"), "object");
    }
}
