//! Calls of tools and their results, in the fields in which `transformers` passes them to a template.

use minijinja::Value;
use uhlm_law::chat::{Message, TemplateError, ToolCall};

/// Returns the calls of a message as its field `tool_calls`; `None` where it has none.
///
/// # Errors
/// [`TemplateError::Failed`] for arguments that are no JSON.
pub(super) fn calls(message: &Message) -> Result<Option<Value>, TemplateError> {
    if message.tool_calls.is_empty() {
        return Ok(None);
    }
    let calls = message.tool_calls.iter().map(call).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(calls.into()))
}

fn call(call: &ToolCall) -> Result<Value, TemplateError> {
    let ToolCall { id, name, arguments } = call;
    let failed = |error| TemplateError::Failed { reason: format!("the arguments of the call '{id}': {error}") };
    let arguments: Value = serde_json::from_str(arguments).map_err(failed)?;
    let function: Value = [("name", Value::from(name.as_str())), ("arguments", arguments)].into_iter().collect();
    let kind = Value::from("function");
    Ok([("type", kind), ("id", Value::from(id.as_str())), ("function", function)].into_iter().collect())
}

/// Returns the fields of a tool's result beside its content.
pub(super) fn result(message: &Message) -> impl Iterator<Item = (&'static str, &str)> + Clone {
    let fields = [("tool_call_id", &message.tool_call_id), ("name", &message.tool_name)];
    fields.into_iter().filter_map(|(name, field)| field.as_deref().map(|text| (name, text)))
}
