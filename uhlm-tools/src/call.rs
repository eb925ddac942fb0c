//! The reading of calls from the JSON that models write for them.

use crate::definition::MAX_NAME_BYTES;
use crate::json::{elements, fields};

/// The reason why a text that looks like a call is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The text is no JSON.
    #[error("it is no JSON: {reason}")]
    NotJson {
        /// Message of the JSON parser.
        reason: String,
    },
    /// The JSON names no tool.
    #[error("it names no tool")]
    NoName,
    /// The arguments are no JSON object.
    #[error("its arguments are no JSON object")]
    Arguments,
    /// The text ended within the call.
    #[error("it is cut off")]
    Unfinished,
    /// The call is longer than [`MAX_CALL_BYTES`](crate::MAX_CALL_BYTES); the rest of it was dropped.
    #[error("it is too long")]
    TooLong,
}

/// A call as it was read, without the id that is made for one that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// Reads the calls of a JSON text: one object, or a list of them.
pub(crate) fn read(text: &str) -> Result<Vec<Read>, CallError> {
    let text = text.trim();
    valid(text)?;
    let Some(all) = elements(text) else { return Ok(vec![one(text)?]) };
    if all.is_empty() {
        return Err(CallError::NoName);
    }
    all.into_iter().map(one).collect()
}

/// Reads the arguments of a call whose name stands outside of the JSON.
pub(crate) fn named(name: &str, id: Option<&str>, arguments: &str) -> Result<Read, CallError> {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(CallError::NoName);
    }
    let id = id.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned);
    Ok(Read { id, name: name.to_owned(), arguments: object(arguments)? })
}

/// Reads one call: `{"name": .., "arguments": {..}}`, with `parameters` for `arguments`, or as the field `function` of
/// an object as OpenAI's interface has it.
fn one(text: &str) -> Result<Read, CallError> {
    let fields = fields(text).ok_or(CallError::NoName)?;
    let field = |names: &[&str]| fields.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, text)| *text);
    let word = |text: &str| serde_json::from_str::<String>(text).ok();
    let id = field(&["id", "tool_call_id"]).and_then(word);
    if let Some(function) = field(&["function"]).filter(|text| text.starts_with('{')) {
        let inner = one(function)?;
        return Ok(Read { id: inner.id.clone().or(id), ..inner });
    }
    let name = field(&["name", "function"]).and_then(word).ok_or(CallError::NoName)?;
    named(&name, id.as_deref(), field(&["arguments", "parameters"]).unwrap_or("{}"))
}

/// Returns the text of a JSON object; some models write it as a string, and `null` for none.
fn object(text: &str) -> Result<String, CallError> {
    let text = text.trim();
    if text == "null" || text.is_empty() {
        return Ok("{}".into());
    }
    let inner = if text.starts_with('"') { serde_json::from_str::<String>(text).ok() } else { None };
    let text = inner.as_deref().map_or(text, str::trim);
    valid(text)?;
    if text.starts_with('{') { Ok(text.to_owned()) } else { Err(CallError::Arguments) }
}

/// Tells whether a text is a JSON object, as the arguments of a call are.
#[must_use]
pub fn is_object(text: &str) -> bool {
    text.trim().starts_with('{') && valid(text).is_ok()
}

/// Checks that a text is JSON, nested no deeper than whoever reads it later allows.
fn valid(text: &str) -> Result<(), CallError> {
    let result = serde_json::from_str::<serde_json::Value>(text);
    result.map(drop).map_err(|error| CallError::NotJson { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_in_all_the_ways_in_which_models_write_them() {
        let call = |name: &str, arguments: &str, id: Option<&str>| Read {
            id: id.map(str::to_owned),
            name: name.into(),
            arguments: arguments.into(),
        };
        for (text, expected) in [
            (r#"{"name": "f", "arguments": {"b": 1.0, "a": "x"}}"#, vec![call("f", r#"{"b": 1.0, "a": "x"}"#, None)]),
            (r#"{"name":"f","parameters":{}}"#, vec![call("f", "{}", None)]),
            (r#"{"arguments": {"x": 1}, "name": "f", "id": "abc"}"#, vec![call("f", r#"{"x": 1}"#, Some("abc"))]),
            (r#"{"name": "f", "arguments": "{\"x\": 1}"}"#, vec![call("f", r#"{"x": 1}"#, None)]),
            (r#"{"name": "f", "arguments": null}"#, vec![call("f", "{}", None)]),
            (r#"{"name": "f"}"#, vec![call("f", "{}", None)]),
            (
                r#"{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}"#,
                vec![call("f", "{}", Some("1"))],
            ),
            (r#"{"type": "function", "function": "f", "parameters": {}}"#, vec![call("f", "{}", None)]),
            (r#"[{"name": "f"}, {"name": "g"}]"#, vec![call("f", "{}", None), call("g", "{}", None)]),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_says_why() {
        for (text, expected) in [
            ("{}", CallError::NoName),
            ("[]", CallError::NoName),
            ("[1]", CallError::NoName),
            ("7", CallError::NoName),
            (r#"{"name": ""}"#, CallError::NoName),
            (r#"{"name": "two words"}"#, CallError::NoName),
            (r#"{"name": 7}"#, CallError::NoName),
            (r#"{"name": "f", "arguments": [1]}"#, CallError::Arguments),
            (r#"{"name": "f", "arguments": "7"}"#, CallError::Arguments),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
        for text in ["", "{", "{\"name\": \"f\",}", r#"{"name": "f", "arguments": "no"}"#, "{} {}"] {
            assert!(matches!(read(text), Err(CallError::NotJson { .. })), "{text}");
        }
        for deep in ["[".repeat(100_000), "[".repeat(200) + &"]".repeat(200)] {
            assert!(matches!(read(&deep), Err(CallError::NotJson { .. })), "it is nested too deeply");
        }
    }
}
